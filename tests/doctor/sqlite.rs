use std::fs::File;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::examine;
use crate::cli::machine::Machine;

fn bootstrapped() -> Machine {
    let machine = Machine::new();
    machine.run(&["bootstrap", "--user", "O", "--workspace", "W"]).ok();
    machine
}

/// Changes `book.db` behind everybody's back.
async fn change(machine: &Machine, sql: &str) {
    let mut book = SqliteConnectOptions::new().filename(machine.data("book.db")).connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut book).await.unwrap();
    book.close().await.unwrap();
}

#[test]
fn a_book_is_examined_with_and_without_a_service() {
    let machine = Machine::new();
    examine(&machine, &[]).healthy().finds("book", "ok");
    assert!(!machine.data("").exists(), "nothing is made by asking");
    machine.run(&["bootstrap", "--user", "O", "--workspace", "W"]).ok();
    let names = [
        "service",
        "migrations",
        "migrations_views",
        "book_file",
        "integrity",
        "write_ahead_log",
        "triggers",
        "positions",
        "workspace_numbers",
        "projections",
        "disk",
        "kek",
        "pepper",
        "files",
    ];
    let look = |depth: &[&str]| {
        let well = examine(&machine, depth).healthy();
        for name in names {
            well.finds(name, "ok");
        }
        well.finds("service", "ok")
    };
    assert!(look(&[]).contains("none runs"));
    let service = machine.serve(&[]);
    for depth in [&[][..], &["--deep"]] {
        let told = look(depth);
        assert!(told.contains(&format!("process {} on SQLite", service.pid())), "{told}");
    }
}

#[test]
fn who_else_has_the_book_is_named() {
    let machine = bootstrapped();
    let lock = File::open(machine.data("book.lock")).unwrap();
    lock.lock().unwrap();
    let found = examine(&machine, &[]).ill().finds("book_file", "failed");
    assert!(found.contains(&format!("process {}", std::process::id())), "{found}");
    lock.unlock().unwrap();
    examine(&machine, &[]).healthy();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_and_the_trigger_that_should_have_kept_it_away_are_noticed() {
    let machine = bootstrapped();
    change(&machine, "DROP TRIGGER events_refuse_delete; DELETE FROM events WHERE position = 2").await;
    for _service in [None, Some(machine.serve(&[]))] {
        let ill = examine(&machine, &[]).ill();
        assert!(ill.finds("positions", "failed").contains("position 2 is missing"));
        assert!(ill.finds("triggers", "failed").contains("events_refuse_delete"));
    }
}

#[test]
fn a_file_that_is_damaged_is_noticed() {
    use std::os::unix::fs::FileExt as _;
    let machine = bootstrapped();
    let file = File::options().write(true).open(machine.data("book.db")).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    // The last pages hold what was written last; the first say what there is.
    for page in pages / 2..pages {
        file.write_all_at(&[0xa5; 512], page * 4096).unwrap();
    }
    let ill = examine(&machine, &["--deep"]);
    assert_eq!(ill.code, Some(1), "{:#}", ill.report);
}
