use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tollbook_journal::Database;

use super::{check, examine, on_postgres};
use crate::house::{CLUSTER, TestHouse};

#[test]
fn an_installation_that_is_well_is_healthy_and_strictness_minds_its_warnings() {
    let machine = on_postgres("doctor_well");
    let well = examine(&machine, &[]).healthy();
    for name in [
        "service",
        "connection",
        "version",
        "migrations",
        "append_lock",
        "transactions",
        "triggers",
        "functions",
        "positions",
        "workspace_numbers",
        "partitions",
        "projections",
        "durability",
        "clock",
        "connections",
        "vacuum",
        "disk",
        "kek",
        "pepper",
        "files",
    ] {
        well.finds(name, "ok");
    }
    assert!(well.finds("positions", "ok").contains("all 6 positions"));
    // One superuser for everything, no standby.
    assert!(well.finds("roles", "warning").contains("a superuser"));
    assert!(well.finds("standby", "warning").contains("would not survive"));
    examine(&machine, &["--deep"]).healthy();
    assert_eq!(examine(&machine, &["--strict"]).code, Some(1));
    assert_eq!(machine.run(&["doctor", "--shallow"]).code, Some(2));

    let table = machine.run(&["doctor"]);
    let lines: Vec<&str> = table.out.lines().collect();
    let column = |line: &&str| line.find("→ ").or_else(|| (!line.starts_with(' ')).then_some(0));
    assert!(lines.iter().any(|line| line.starts_with("ok       positions")), "{}", table.out);
    assert!(
        lines.iter().all(|line| column(line).is_some()),
        "a remedy stands on a line of its own: {}",
        table.out
    );
    assert!(lines.last().unwrap().starts_with("Healthy, with warnings: "), "{}", table.out);
}

#[test]
fn a_hole_in_the_book_is_located() {
    let machine = on_postgres("doctor_hole");
    CLUSTER.psql("doctor_hole", "ALTER TABLE events_p000000 DISABLE TRIGGER refuse_change");
    CLUSTER.psql("doctor_hole", "DELETE FROM events_p000000 WHERE position = 3");
    CLUSTER.psql("doctor_hole", "ALTER TABLE events_p000000 ENABLE ALWAYS TRIGGER refuse_change");
    for depth in [&[][..], &["--deep"]] {
        let ill = examine(&machine, depth).ill();
        assert!(ill.finds("positions", "failed").contains("position 3 is missing"));
        ill.finds("triggers", "ok");
    }
}

#[test]
fn a_book_without_its_beginning_and_one_renumbered_are_noticed() {
    let machine = on_postgres("doctor_numbers");
    let change = |sql: &str| {
        CLUSTER.psql("doctor_numbers", "ALTER TABLE events_p000000 DISABLE TRIGGER refuse_change");
        CLUSTER.psql("doctor_numbers", sql);
        CLUSTER.psql("doctor_numbers", "ALTER TABLE events_p000000 ENABLE ALWAYS TRIGGER refuse_change");
    };
    change("UPDATE events_p000000 SET workspace_sequence = workspace_sequence + 7 WHERE position = 4");
    let ill = examine(&machine, &[]).ill();
    assert!(ill.finds("workspace_numbers", "failed").contains("position 4"));
    ill.finds("positions", "ok");
    // The end of a partition is missing, and another goes on behind it.
    let columns =
        "event_id, aggregate_type, aggregate_id, event_type, event_version, payload, metadata, workspace_id,
        workspace_sequence, control, narrows, commitments, recorded_at";
    let copied = columns.replacen("event_id", "gen_random_uuid()", 1);
    change(&format!(
        "INSERT INTO events (position, {columns}) SELECT 10000000, {copied} FROM events WHERE position = 5"
    ));
    assert!(
        examine(&machine, &["--deep"]).ill().finds("positions", "failed").contains("position 6 is missing")
    );
    examine(&machine, &[]).ill().finds("positions", "failed");
    change("DELETE FROM events_p000000 WHERE position = 0");
    assert!(
        examine(&machine, &["--deep"]).ill().finds("positions", "failed").contains("position 0 is missing")
    );
}

#[test]
fn migrations_that_are_missing_newer_or_changed_are_told_apart() {
    let machine = on_postgres("doctor_migrations");
    CLUSTER.psql(
        "doctor_migrations",
        "CREATE TABLE kept AS SELECT * FROM _sqlx_migrations;
         DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
    );
    let missing = examine(&machine, &[]).ill().finds("migrations", "failed");
    assert!(missing.contains("1 migration missing") && missing.contains("tollbook migrate"), "{missing}");
    let restore = "TRUNCATE _sqlx_migrations; INSERT INTO _sqlx_migrations SELECT * FROM kept;";
    CLUSTER.psql(
        "doctor_migrations",
        &format!("{restore} UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 2"),
    );
    assert!(examine(&machine, &[]).ill().finds("migrations", "failed").contains("another text"));
    CLUSTER.psql(
        "doctor_migrations",
        &format!("{restore} INSERT INTO _sqlx_migrations SELECT 9999, description, installed_on, success, checksum, 0 FROM kept LIMIT 1"),
    );
    assert!(examine(&machine, &[]).ill().finds("migrations", "failed").contains("9999"));
}

#[test]
fn a_database_that_was_never_migrated_is_no_riddle() {
    let url = CLUSTER.create_database("doctor_empty");
    let machine = crate::cli::machine::Machine::new().with("TOLLBOOK_DATABASE_URL", &url);
    let ill = examine(&machine, &[]).ill();
    assert!(ill.finds("migrations", "failed").contains("tollbook migrate"));
    ill.finds("connection", "ok");
}

#[test]
fn too_few_partitions_ahead_are_a_warning_before_they_are_a_failure() {
    let machine = on_postgres("doctor_partitions");
    assert!(examine(&machine, &[]).healthy().finds("partitions", "ok").contains("3 partitions"));
    CLUSTER.psql("doctor_partitions", "DROP TABLE events_p000002; DROP TABLE events_p000001");
    assert!(examine(&machine, &[]).healthy().finds("partitions", "warning").contains("make_partitions"));
}

#[test]
fn a_projection_that_stopped_is_named_with_its_cause() {
    let mut machine = on_postgres("doctor_projection");
    drop(machine.serve(&[]));
    CLUSTER.psql(
        "doctor_projection",
        "UPDATE projection_checkpoints SET status = 'stopped', error = 'position 2: no such tool' WHERE projection = 'session'",
    );
    let found = examine(&machine, &[]).ill().finds("projections", "failed");
    assert!(found.contains("`session`") && found.contains("position 2: no such tool"), "{found}");
    // The next service tries again, and says how it is itself.
    machine.set("TOLLBOOK_LOG", "warn");
    let service = machine.serve(&[]);
    let end = Instant::now() + Duration::from_secs(60);
    while examine(&machine, &[]).code != Some(0) {
        assert!(Instant::now() < end, "it stays stopped");
    }
    let told = examine(&machine, &[]).healthy().finds("service", "ok");
    assert!(told.contains(&service.pid().to_string()), "{told}");
    // What a crash left behind is told from a service.
    service.signal("KILL");
    assert_eq!(service.ended(), None);
    assert!(examine(&machine, &[]).healthy().finds("service", "warning").contains("ended without a word"));
}

#[test]
fn a_replica_that_fell_silent_is_named_until_another_has_closed_its_calls() {
    let machine = on_postgres("doctor_replicas");
    examine(&machine, &[]).healthy().finds("replicas", "ok");
    CLUSTER.psql(
        "doctor_replicas",
        "INSERT INTO replicas (incarnation, started_at, heartbeat_at)
         VALUES ('00000000-0000-7000-8000-000000000001', now() - interval '1 hour', now() - interval '2 minutes')",
    );
    let silent = examine(&machine, &[]).healthy().finds("replicas", "warning");
    assert!(silent.contains("00000000-0000-7000-8000-000000000001 for 2 min"), "{silent}");
    CLUSTER.psql(
        "doctor_replicas",
        "UPDATE replicas SET closed_by = gen_random_uuid() WHERE stopped_at IS NULL",
    );
    examine(&machine, &[]).healthy().finds("replicas", "ok");
}

/// Somebody else's client, which begins a transaction and stays in it.
async fn client(database: &str, name: &str) -> PgConnection {
    let options: PgConnectOptions = CLUSTER.url(database).parse().unwrap();
    let mut client = options.application_name(name).connect().await.unwrap();
    sqlx::query("BEGIN").execute(&mut client).await.unwrap();
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_the_append_lock_and_who_holds_them_up_are_named() {
    let machine = on_postgres("doctor_lock");
    let mut owner = client("doctor_lock", "owner").await;
    sqlx::query("LOCK TABLE events IN ACCESS EXCLUSIVE MODE").execute(&mut owner).await.unwrap();
    let mut stuck = client("doctor_lock", "stuck client").await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut stuck).await.unwrap();
    // It has it for longer than any batch, and its transaction is old: by the database's own clock.
    let hold = "SELECT pg_advisory_xact_lock(7070, 1), pg_sleep(5.1)";
    sqlx::query(hold).execute(&mut stuck).await.unwrap();
    let waiting = tokio::spawn(async move {
        let _ = sqlx::query("SELECT count(*) FROM events WHERE payload::text = 's3cret'")
            .execute(&mut stuck)
            .await;
        stuck
    });
    let blocked = format!("SELECT cardinality(pg_blocking_pids({pid}))");
    while CLUSTER.psql("doctor_lock", &blocked) == "0" {}

    let ill = examine(&machine, &[]).ill();
    let held = ill.finds("append_lock", "failed");
    for part in
        [&format!("held by pid {pid} (stuck client"), "Lock/relation", "held up by", "(owner", "LOCK for"]
    {
        assert!(held.contains(part), "`{part}`: {held}");
    }
    assert!(ill.finds("transactions", "warning").contains("2 transactions"));
    assert!(!ill.report.to_string().contains("s3cret"), "no text of anybody's query: {}", ill.report);

    owner.close().await.unwrap();
    let mut stuck = waiting.await.unwrap();
    let held = examine(&machine, &[]).ill().finds("append_lock", "failed");
    assert!(
        held.contains("idle in transaction") && held.contains(&format!("pg_terminate_backend({pid})")),
        "{held}"
    );
    sqlx::query("ROLLBACK").execute(&mut stuck).await.unwrap();
    examine(&machine, &[]).healthy().finds("append_lock", "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_door_says_the_same_and_says_it_again_for_a_second() {
    let house = TestHouse::postgres().await;
    let health = async || house.get("/v1/operator/health", &house.operator).await.expect(200);
    let well = health().await;
    assert_eq!(well["status"], "ok", "{well:#}");
    check(&well, "triggers", "ok");
    check(&well, "append_lock", "ok");
    let Database::Postgres(pool) = house.app.journal.database() else { panic!("it is on PostgreSQL") };
    let off = "ALTER TABLE events_p000002 DISABLE TRIGGER refuse_change";
    sqlx::query(off).execute(pool).await.unwrap();
    let disabled = Instant::now();
    // Soon, and whoever asks meanwhile gets what was found before.
    let ill = loop {
        let told = health().await;
        if told["status"] == "degraded" {
            break told;
        }
        assert!(disabled.elapsed() < Duration::from_secs(10), "{told:#}");
    };
    assert!(check(&ill, "triggers", "failed").contains("`events_p000002`: disabled"));
    house.stop().await;
}
