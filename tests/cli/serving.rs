//! `tollbook serve`: it starts on nothing at all, and ends when it is told to.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::machine::{Machine, Service, mode};
use crate::house::CLUSTER;

#[tokio::test(flavor = "multi_thread")]
async fn an_unconfigured_service_starts_in_an_empty_directory_and_ends_at_a_signal() {
    let machine = Machine::new();
    let service = machine.serve(&[]);
    assert_eq!(service.get("/readyz").await.0, 200);
    assert_eq!(mode(&machine.data("")), 0o700);
    for file in ["kek", "pepper", "service.json"] {
        assert_eq!(mode(&machine.data(file)), 0o600, "{file}");
    }
    let left = machine.service_file();
    assert_eq!(left["pid"], service.pid());
    assert_eq!(left["url"].as_str().unwrap().trim_end_matches('/'), service.url);
    service.logs("tollbook bootstrap --user NAME --workspace NAME");

    service.signal("TERM");
    assert_eq!(service.ended(), Some(0));
    assert!(!machine.data("service.json").exists(), "nobody is told of a service that isn't there");
}

#[test]
fn an_interrupt_ends_it_as_well() {
    let machine = Machine::new();
    let service = machine.serve(&[]);
    service.signal("INT");
    assert_eq!(service.ended(), Some(0));
}

#[test]
fn a_second_process_on_the_same_book_is_refused_with_one_line() {
    let machine = Machine::new();
    let _service = machine.serve(&[]);
    let refused = machine.run(&["serve", "--listen", "127.0.0.1:0"]).fails(1);
    assert!(refused.contains("in use by another process"), "{refused}");
    assert!(machine.run(&["migrate"]).fails(1).contains("in use by another process"));
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let machine = Machine::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = machine.run(&["serve", "--listen", &address]).fails(1);
    assert!(refused.contains(&address) && refused.contains("--listen"), "{refused}");
}

/// Sends this to the service, and waits until it has closed the connection.
fn send(service: &Service, request: &[u8]) {
    let mut stream = TcpStream::connect(service.url.trim_start_matches("http://")).unwrap();
    stream.write_all(request).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn a_request_that_cannot_be_parsed_is_no_error_in_the_log_unless_somebody_wants_to_see_it() {
    let unparsable = b"GET / HTTP/1.1\r\nhost: \x00\r\n\r\n";
    let machine = Machine::new();
    let service = machine.serve(&[]);
    send(&service, unparsable);
    service.signal("TERM");
    let log = service.logs("stopped");
    assert!(!log.contains("actix"), "{log}");
    // It gives back the book after its last line.
    assert_eq!(service.ended(), Some(0));
    let service = machine.serve(&["--log", "info,actix_http::h1::dispatcher=error"]);
    send(&service, unparsable);
    service.logs("actix_http::h1::dispatcher");
}

/// A tool server that takes requests and never answers them.
struct Silent(TcpListener);

impl Silent {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.0.local_addr().unwrap())
    }

    /// Waits for a request.
    fn asked(&self) -> TcpStream {
        let (mut stream, _) = self.0.accept().unwrap();
        stream.read_exact(&mut [0; 4]).unwrap();
        stream
    }
}

#[test]
fn open_requests_have_until_the_deadline_and_a_second_signal_ends_them_at_once() {
    for (signals, most, code) in [(1, 30, Some(0)), (2, 20, Some(130))] {
        let mut machine = Machine::new();
        // One signal waits two seconds for the open request; before the second, it would be a minute.
        let deadline = if signals == 1 { "--stop-deadline=2" } else { "--stop-deadline=60" };
        let service = machine.serve(&[deadline]);
        let founded = machine.run(&["bootstrap", "--user", "O", "--workspace", "W", "--json"]).json();
        machine.set("TOLLBOOK_URL", &service.url);
        machine.set("TOLLBOOK_API_KEY", founded["api_key"].as_str().unwrap());
        let silent = Silent::new();
        let mut asking = machine.command(&["server", "add", "silent", &silent.url()]).spawn().unwrap();
        let mut held = silent.asked();

        let begun = Instant::now();
        service.signal("TERM");
        service.logs("stopping");
        if signals == 2 {
            service.signal("TERM");
        }
        assert_eq!(service.ended(), code);
        assert!(begun.elapsed() < Duration::from_secs(most), "{:?}", begun.elapsed());
        let _ = held.write_all(b"too late");
        asking.kill().unwrap();
        asking.wait().unwrap();
    }
}

#[test]
fn without_migrations_an_empty_database_is_refused_until_it_was_migrated() {
    let machine = Machine::new().with("TOLLBOOK_DATABASE_URL", &CLUSTER.create_database("cli_migrate"));
    let refused = machine.run(&["serve", "--listen", "127.0.0.1:0", "--no-migrate"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("tollbook migrate"), "{}", refused.err);
    assert!(machine.run(&["migrate"]).ok().contains("up to date"));
    machine.serve(&["--no-migrate"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_two_services_share_one_book() {
    let mut one = Machine::new().with("TOLLBOOK_DATABASE_URL", &CLUSTER.create_database("cli_shared"));
    let first = one.settle();
    assert!(!one.data("book.db").exists(), "the book is in the database");
    // The same keys, as replicas have them.
    let (kek, pepper) = (one.data("kek"), one.data("pepper"));
    let flags = [format!("--kek-file={}", kek.display()), format!("--pepper-file={}", pepper.display())];
    let second = one.serve(&["--data-dir", "other", &flags[0], &flags[1]]);
    assert_eq!(second.get("/readyz").await.0, 200);
    let named = |url: &str| {
        one.run(&["workspace", "list", "--json", "--url", url]).json()["items"][0]["name"].clone()
    };
    assert_eq!(named(&first.url), "Test");
    assert_eq!(named(&second.url), "Test");
}
