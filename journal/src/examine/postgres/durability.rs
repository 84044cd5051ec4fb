//! Does what was acknowledged survive the process, the machine, the disk?

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::Looked;

/// What an acknowledgement is worth.
#[derive(Debug, Clone)]
pub struct Durability {
    /// Does it wait for the disk?
    pub fsync: bool,
    /// Can it repair a page that was half written?
    pub full_page_writes: bool,
    /// What a connection gets that doesn't say otherwise. Appends do.
    pub synchronous_commit: String,
    /// Which standbys a commit waits for; empty when for none.
    pub synchronous_standby_names: String,
    /// Who receives what is written.
    pub standbys: Vec<Standby>,
}

/// A receiver of what is written.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Standby {
    /// What it calls itself.
    pub name: String,
    /// From where it is connected.
    pub client: String,
    /// Such as `streaming`; `hidden` where we aren't allowed to see it.
    pub state: String,
    /// `sync` and `quorum` are waited for, `potential` and `async` aren't.
    pub sync_state: String,
    /// How many bytes it hasn't got on its disk.
    pub behind: i64,
}

const STANDBYS: &str = "
    SELECT coalesce(application_name, '?') AS name, coalesce(host(client_addr), 'local') AS client,
        coalesce(state, 'hidden') AS state, coalesce(sync_state, 'hidden') AS sync_state,
        CASE WHEN pg_is_in_recovery() THEN 0
            ELSE coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn), 0) END::bigint AS behind
    FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup' ORDER BY 1";

pub(super) async fn look(connection: &mut PgConnection) -> Looked<Durability> {
    let settings = "SELECT current_setting('fsync') = 'on' AS fsync,
        current_setting('full_page_writes') = 'on' AS full_page_writes,
        current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('synchronous_standby_names') AS synchronous_standby_names";
    let row = sqlx::query(settings).fetch_one(&mut *connection).await?;
    Ok(Durability {
        fsync: row.try_get("fsync")?,
        full_page_writes: row.try_get("full_page_writes")?,
        synchronous_commit: row.try_get("synchronous_commit")?,
        synchronous_standby_names: row.try_get("synchronous_standby_names")?,
        standbys: sqlx::query_as(STANDBYS).fetch_all(connection).await?,
    })
}
