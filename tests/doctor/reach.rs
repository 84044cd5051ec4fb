use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::examine;
use crate::cli::machine::Machine;

#[test]
fn a_database_that_cannot_be_reached_is_a_finding_within_seconds_and_shows_no_password() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    // It takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for port in [closed, silent.local_addr().unwrap().port()] {
        let url = format!("postgres://me:hunter2@127.0.0.1:{port}/book");
        let machine = Machine::new().with("TOLLBOOK_DATABASE_URL", &url);
        let begun = Instant::now();
        let ill = examine(&machine, &[]).ill();
        // Three seconds, and a busy machine.
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        assert!(ill.finds("connection", "failed").contains(&format!("127.0.0.1:{port}")));
        ill.finds("kek", "ok");
        let people = machine.run(&["doctor"]);
        assert_eq!(people.code, Some(1));
        for text in [ill.report.to_string(), people.out, people.err] {
            assert!(!text.contains("hunter2") && !text.contains("panicked"), "{text}");
        }
        assert!(!machine.data("").exists(), "nothing is made by asking");
    }
}
