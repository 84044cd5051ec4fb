//! Commands of whoever runs the machine, on the book that lies there: with a service and without, and where no book is.

use std::time::{Duration, Instant};

use super::machine::Machine;
use crate::house::CLUSTER;

const FOUND: [&str; 6] = ["bootstrap", "--user", "Olivia", "--workspace", "Test", "--json"];
const LINK: [&str; 3] = ["user", "link", "Olivia"];

#[test]
fn a_directory_without_a_book_stays_without_one() {
    let nowhere = Machine::new();
    let refused = nowhere.run(&LINK).fails(1);
    assert!(refused.contains("there is no book in") && refused.contains("--data-dir"), "{refused}");
    assert_eq!(std::fs::read_dir(nowhere.path("")).unwrap().count(), 0, "nothing is made");

    // The database is there, and its keys are elsewhere.
    let database = CLUSTER.create_database("cli_on_host");
    Machine::new().with("TOLLBOOK_DATABASE_URL", &database).run(&FOUND).json();
    let nowhere = Machine::new().with("TOLLBOOK_DATABASE_URL", &database);
    let refused = nowhere.run(&LINK).fails(1);
    assert!(refused.contains("--kek-file"), "{refused}");
    assert_eq!(std::fs::read_dir(nowhere.path("")).unwrap().count(), 0, "nothing is made");
}

#[test]
fn a_link_made_without_a_service_says_where_it_will_be_good() {
    let machine = Machine::new();
    machine.run(&FOUND).json();
    let made = machine.run(&LINK);
    assert!(
        made.err.contains("no service runs") && made.err.contains("http://127.0.0.1:7070"),
        "{}",
        made.err
    );
    assert!(made.ok().contains("http://127.0.0.1:7070/otl/"));
    let _service = machine.serve(&[]);
    let made = machine.run(&LINK);
    assert!(!made.err.contains("no service"), "{}", made.err);
    assert!(machine.run(&["user", "link", "Nobody"]).fails(1).contains("[not_found]"));
}

#[test]
fn a_book_that_nobody_has_founded_knows_nobody_and_says_so() {
    let machine = Machine::new();
    let service = machine.serve(&[]);
    service.signal("TERM");
    service.ended();
    let refused = machine.run(&LINK).fails(1);
    assert!(refused.contains("[not_found]") && !refused.contains("(request"), "{refused}");
}

#[test]
fn the_first_owners_link_is_gone_as_soon_as_somebody_has_founded() {
    let machine = Machine::new();
    let service = machine.serve(&[]);
    let link = machine.data("first-owner-link");
    service.logs("tollbook bootstrap");
    assert!(link.exists());
    machine.run(&FOUND).json();
    let end = Instant::now() + Duration::from_secs(30);
    while link.exists() {
        assert!(Instant::now() < end, "it lies there still");
        std::thread::sleep(Duration::from_millis(10));
    }
    service.signal("TERM");
    service.ended();

    // A service that was killed left one, and somebody founded before the next came.
    std::fs::write(&link, "stale").unwrap();
    let _next = machine.serve(&[]);
    assert!(!link.exists());
}
