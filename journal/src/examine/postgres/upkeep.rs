//! Room, connections, and cleaning up.

use sqlx::postgres::PgConnection;

use super::Looked;

/// How the server is kept.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Upkeep {
    /// Of the whole database, in bytes.
    pub size: i64,
    /// Where its files lie, if we may know.
    pub data_directory: Option<String>,
    /// How many connections there may be, but for those kept for superusers.
    pub max_connections: i32,
    /// How many there are.
    pub connections: i64,
    /// How many of them call themselves ours.
    pub ours: i64,
    /// After how long a transaction that does nothing is ended, in milliseconds; 0 is never.
    pub idle_in_transaction_timeout: i64,
    /// Is dead space reused by itself?
    pub autovacuum: bool,
    /// How many transactions ago the oldest row was last frozen: at two thousand million, the server stops.
    pub oldest_transaction: i64,
    /// Tables whose rows are written again and again, the worst first.
    #[sqlx(skip)]
    pub hot: Vec<HotTable>,
}

/// A table with rows that are written again and again.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct HotTable {
    /// Its name.
    pub name: String,
    /// Rows.
    pub live: i64,
    /// What is left of rows that were there before.
    pub dead: i64,
}

const UPKEEP: &str = "
    SELECT pg_database_size(current_database()) AS size,
        CASE WHEN pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') THEN current_setting('data_directory', true)
            END AS data_directory,
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS max_connections,
        (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL OR usesysid IS NOT NULL) AS connections,
        (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tollbook%') AS ours,
        (SELECT reset_val::bigint FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout')
            AS idle_in_transaction_timeout,
        current_setting('autovacuum') = 'on' AS autovacuum,
        (SELECT age(datfrozenxid)::bigint FROM pg_database WHERE datname = current_database()) AS oldest_transaction";

const HOT: &str = "
    SELECT relname::text AS name, n_live_tup AS live, n_dead_tup AS dead FROM pg_stat_user_tables
    WHERE schemaname = 'public' ORDER BY n_dead_tup DESC LIMIT 3";

pub(super) async fn look(connection: &mut PgConnection) -> Looked<Upkeep> {
    let upkeep: Upkeep = sqlx::query_as(UPKEEP).fetch_one(&mut *connection).await?;
    let hot = sqlx::query_as(HOT).fetch_all(connection).await?;
    Ok(Upkeep { hot, ..upkeep })
}
