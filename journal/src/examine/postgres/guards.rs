//! What keeps events from being changed: triggers on each table, and the functions that stand behind them.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::super::made;
use super::Looked;
use crate::schema::POSTGRES;

/// Triggers and functions.
#[derive(Debug, Clone)]
pub struct Guards {
    /// One for `events` and for each of its partitions.
    pub triggers: Vec<Trigger>,
    /// Those that the migrations made.
    pub functions: Vec<Function>,
    /// Those that the migrations made and that aren't there.
    pub missing_functions: Vec<String>,
}

/// What refuses changes of one table.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Trigger {
    /// Of which table.
    pub table: String,
    /// `A` always, `O` not for replication, `D` disabled, `R` for replication only; nothing when it isn't there.
    pub enabled: Option<String>,
    /// Does it refuse all of UPDATE, DELETE and TRUNCATE, without a condition?
    pub whole: bool,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub owner: String,
    /// Does `events` belong to the same role?
    pub owned_with_events: bool,
    /// Does it run with its owner's rights?
    pub definer: bool,
    /// Does it fix where names are looked up?
    pub fixed_search_path: bool,
    /// May everybody call it?
    pub everybodys: bool,
    /// Is its body what a migration says?
    pub as_made: bool,
}

/// 58: BEFORE, DELETE, UPDATE and TRUNCATE; 1: for each row (`pg_trigger.h`).
const TRIGGERS: &str = "
    SELECT c.relname::text AS table, t.tgenabled::text AS enabled,
        coalesce(t.tgtype & 58 = 58 AND t.tgtype & 1 = 0 AND t.tgqual IS NULL AND p.proname = 'refuse_change'
            AND p.pronamespace = 'public'::regnamespace, false) AS whole
    FROM pg_class c
    LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = 'refuse_change' AND NOT t.tgisinternal
    LEFT JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE c.oid = 'public.events'::regclass
        OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'public.events'::regclass)
    ORDER BY 1";

const FUNCTIONS: &str = "
    SELECT p.proname::text AS name, pg_get_userbyid(p.proowner)::text AS owner,
        p.proowner = (SELECT relowner FROM pg_class WHERE oid = 'public.events'::regclass) AS owned_with_events,
        p.prosecdef AS definer,
        EXISTS (SELECT FROM unnest(p.proconfig) AS c (setting) WHERE c.setting LIKE 'search_path=%') AS fixed_search_path,
        has_function_privilege('public', p.oid, 'EXECUTE') AS everybodys, p.prosrc AS source
    FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY($1) ORDER BY 1";

pub(super) async fn look(connection: &mut PgConnection) -> Looked<Guards> {
    let triggers = sqlx::query_as(TRIGGERS).fetch_all(&mut *connection).await?;
    let names = made::names(&POSTGRES, "FUNCTION");
    let rows = sqlx::query(FUNCTIONS).bind(&names).fetch_all(connection).await?;
    let function = |row: &sqlx::postgres::PgRow| {
        Ok(Function {
            name: row.try_get("name")?,
            owner: row.try_get("owner")?,
            owned_with_events: row.try_get("owned_with_events")?,
            definer: row.try_get("definer")?,
            fixed_search_path: row.try_get("fixed_search_path")?,
            everybodys: row.try_get("everybodys")?,
            as_made: made::says(&POSTGRES, row.try_get("source")?),
        })
    };
    let functions = rows.iter().map(function).collect::<Result<Vec<_>, sqlx::Error>>()?;
    let missing_functions =
        names.into_iter().filter(|name| !functions.iter().any(|there| there.name == *name)).collect();
    Ok(Guards { triggers, functions, missing_functions })
}
