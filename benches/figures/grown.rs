//! Books of millions of events, written by SQL straight into the table: copies of events that the service wrote
//! itself, with ids of their own, so that whoever folds them meets what it would meet in years of use.

use tollbook_testkit::postgres::Postgres;

/// At once in one statement.
const STEP: u64 = 500_000;
/// Ids are this and the event's number, in hexadecimal.
const ID: &str = "'019ab5c2-7e00-7000-8000-' || lpad(to_hex(%n), 12, '0')";

/// What the generated events are.
#[derive(Debug, Clone, Copy)]
pub enum History {
    /// Sessions that live, each with a credential of its own.
    Sessions,
    /// One session made in so many events (an even number); the others are tool calls and their outcomes.
    Calls(u64),
}

/// Adds `events` to the book in `database`, whose service doesn't run: it has made a session and has recorded one
/// call with its outcome.
pub fn grow(server: &Postgres, database: &str, history: History, events: u64) {
    for setting in ["synchronous_commit = off", "maintenance_work_mem = '256MB'"] {
        server.psql("postgres", &format!("ALTER DATABASE \"{database}\" SET {setting}"));
    }
    server.psql(
        database,
        "CREATE TABLE template AS
             SELECT DISTINCT ON (event_type) event_type, aggregate_id, event_version, payload::text, metadata::text,
                    workspace_id, control
             FROM events WHERE event_type IN ('session.created', 'session.tool_called', 'session.tool_call_completed')
             ORDER BY event_type, position DESC",
    );
    let mut done = 0;
    while done < events {
        // A statement that needs a partition finds it made.
        server.psql(database, "SELECT make_partitions(2)");
        let step = STEP.min(events - done);
        server.psql(database, &statement(history, done, step));
        done += step;
    }
    server.psql(database, "DROP TABLE template");
    server.psql(database, "VACUUM ANALYZE events");
    server.psql("postgres", &format!("ALTER DATABASE \"{database}\" RESET ALL"));
}

fn statement(history: History, done: u64, step: u64) -> String {
    // The number of the event, of its session, and of its call.
    let (kind, session, call) = match history {
        History::Sessions => ("'session.created'".to_owned(), "i".to_owned(), "i"),
        History::Calls(every) => (
            format!(
                "CASE WHEN i % {every} = 0 THEN 'session.created'
                      WHEN i % 2 = 1 THEN 'session.tool_called' ELSE 'session.tool_call_completed' END"
            ),
            // A call belongs to some session made before it.
            format!(
                "CASE WHEN i % {every} = 0 THEN i ELSE (i::bigint * 7919 % (i / {every} + 1)) * {every} END"
            ),
            "((i + 1) / 2)",
        ),
    };
    let (session_id, call_id) =
        (ID.replace("%n", "(n.session + 1000000000)"), ID.replace("%n", "(n.call + 2000000000)"));
    format!(
        "INSERT INTO events (position, event_id, aggregate_type, aggregate_id, event_type, event_version, payload,
                 metadata, workspace_id, workspace_sequence, control, narrows, recorded_at)
         SELECT h.position + row_number() OVER (ORDER BY n.i), gen_random_uuid(), 'session', {session_id}, t.event_type,
             t.event_version,
             regexp_replace(regexp_replace(t.payload,
                 '\"credential_id\":\"[^\"]*\"', '\"credential_id\":\"' || lpad(to_hex(n.i), 12, '0') || '\"'),
                 '\"call_id\":\"[^\"]*\"', '\"call_id\":\"' || {call_id} || '\"')::json,
             t.metadata::json, t.workspace_id, h.workspace_sequence + row_number() OVER (ORDER BY n.i), t.control, false,
             clock_timestamp()
         FROM (SELECT i, {kind} AS kind, {session} AS session, {call} AS call
               FROM generate_series({done}::bigint, {done} + {step} - 1) AS i) n
         JOIN template t ON t.event_type = n.kind
         CROSS JOIN (SELECT max(position) AS position,
                 (SELECT e.workspace_sequence FROM events e JOIN template USING (workspace_id)
                  ORDER BY e.position DESC LIMIT 1) AS workspace_sequence
              FROM events) h"
    )
}
