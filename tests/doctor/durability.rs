use std::process::Command;

use tollbook_testkit::postgres::{Options, Postgres};

use super::{examine, on_postgres};
use crate::cli::machine::Machine;
use crate::house::CLUSTER;

#[test]
fn a_commit_that_does_not_wait_for_the_disk_is_a_warning() {
    let machine = on_postgres("doctor_synchronous");
    examine(&machine, &[]).healthy().finds("durability", "ok");
    CLUSTER.psql("postgres", "ALTER DATABASE doctor_synchronous SET synchronous_commit = off");
    let found = examine(&machine, &[]).healthy().finds("durability", "warning");
    assert!(found.contains("synchronous_commit off"), "{found}");
}

#[test]
fn a_server_without_fsync_and_a_standby_that_is_not_there_are_failures() {
    let settings =
        [("autovacuum", "off"), ("max_connections", "24"), ("idle_in_transaction_session_timeout", "60s")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let cluster = Postgres::start(&Options { fsync: false, settings, ..Options::default() });
    let machine = Machine::new().with("TOLLBOOK_DATABASE_URL", &cluster.create_database("book"));
    machine.run(&["bootstrap", "--user", "O", "--workspace", "W"]).ok();
    cluster.psql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'twin'");
    cluster.restart();
    let ill = examine(&machine, &[]).ill();
    assert!(ill.finds("durability", "failed").contains("fsync off"));
    assert!(ill.finds("standby", "failed").contains("`twin`"));
    ill.finds("vacuum", "failed");
    ill.finds("idle_transactions", "ok");
    // It comes back: a receiver that confirms what it has on its disk.
    let dir = tempfile::tempdir().unwrap();
    let from = format!("host=127.0.0.1 port={} user=postgres application_name=twin", cluster.port());
    let mut twin = Command::new(cluster.bin().join("pg_receivewal"))
        .args(["--synchronous", "--no-loop", "-d", &from, "-D"])
        .arg(dir.path())
        .spawn()
        .unwrap();
    let standby = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'";
    while cluster.psql("book", standby) != "sync" {
        assert!(twin.try_wait().unwrap().is_none(), "the standby ended");
    }
    assert!(examine(&machine, &[]).finds("standby", "ok").contains("`twin` at 127.0.0.1: streaming, sync"));
    twin.kill().unwrap();
    twin.wait().unwrap();
    // All connections but a few are taken.
    let _service = {
        cluster.psql("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
        cluster.restart();
        machine.serve(&[])
    };
    examine(&machine, &[]).ill().finds("connections", "warning");
}
