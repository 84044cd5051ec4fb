//! Lists while others write: no gaps, no doubles; and `min_position`: who has written reads what they
//! wrote, at any replica.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tollbook::clock::Clock;
use tollbook_testkit::node::Upstream;

use super::figures::print;
use super::load::{Answered, Door, Load, Place, Work};
use crate::house::TestHouse;

/// A workspace with what it takes to write into it.
async fn furnish(house: &TestHouse, upstream: &Upstream) -> Place {
    let server = house.tool_server("Echo", upstream.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let session = house.session(&loadout).await["id"].as_str().expect("it has an id").to_owned();
    Place { workspace: house.workspace.clone(), loadout, session }
}

/// Walks a list from its first page to its last.
async fn walk(door: &Door, list: &str) -> (Vec<Value>, usize) {
    let (mut items, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = door.get(&format!("{list}{cursor}")).await.expect("it answers").expect(200);
        items.extend(page["items"].as_array().expect("a list has items").iter().cloned());
        pages += 1;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (items, pages),
        }
    }
}

fn texts(items: &[Value], member: &str) -> Vec<String> {
    items.iter().map(|item| item[member].as_str().expect("it is a text").to_owned()).collect()
}

/// Nothing twice; and everything that was there before the walk began.
fn complete(walked: &[String], before: &BTreeSet<String>) {
    let seen: BTreeSet<_> = walked.iter().cloned().collect();
    assert_eq!(seen.len(), walked.len(), "something was listed twice");
    let missing: Vec<_> = before.difference(&seen).collect();
    assert!(missing.is_empty(), "not listed, though it was there: {missing:?}");
}

/// Walks sessions and events at `reader` while `writer` makes more of both.
async fn lists_are_whole(name: &str, writer: &TestHouse, reader: &TestHouse) {
    let upstream = Upstream::modern().await;
    let place = furnish(writer, &upstream).await;
    let works = [Work::CreateSession, Work::CreateSession, Work::Authorize, Work::Call];
    let load = Load::start(&Door::new(&writer.url, &writer.key), &place, "paging", &works);
    let door = Door::new(&reader.url, &reader.key);
    let (mut walks, mut pages, mut listed) = (0, 0, 0);
    let mut before = BTreeSet::new();
    for round in 0..6_u64 {
        load.until(|tally| tally.done.iter().all(|done| *done >= 15 * (round + 1))).await;
        for order in ["oldest", "newest"] {
            let (items, walked) =
                walk(&door, &writer.path(&format!("/sessions?order={order}&limit=9"))).await;
            let ids = texts(&items, "id");
            complete(&ids, &before);
            before.extend(ids);
            (walks, pages, listed) = (walks + 1, pages + walked, listed + items.len());
        }
        let (events, walked) = walk(&door, &writer.path("/audit/events?order=oldest&limit=100")).await;
        let numbers: Vec<_> =
            events.iter().map(|event| event["workspace_sequence"].as_u64().unwrap()).collect();
        let expected: Vec<_> = (1..=events.len() as u64).collect();
        assert_eq!(numbers, expected, "every event of the workspace, once, in order");
        (walks, pages, listed) = (walks + 1, pages + walked, listed + events.len());
    }
    let answers = load.stop().await;
    // And at the end, all that was acknowledged.
    let last = answers.iter().filter_map(Answered::position).max().expect("something was written");
    let list = writer.path(&format!("/sessions?limit=200&min_position={last}"));
    let (items, _) = walk(&door, &list).await;
    let made = answers.iter().filter(|answered| answered.work == Work::CreateSession);
    let made = made.filter(|answered| answered.position().is_some()).count();
    assert_eq!(items.len(), made + 1, "the sessions that were made, and the first one");
    print(
        name,
        &[
            ("written meanwhile", answers.len().to_string()),
            ("walks", walks.to_string()),
            ("pages", pages.to_string()),
            ("items", listed.to_string()),
        ],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_have_no_gaps_and_no_doubles_while_others_write_on_postgres() {
    let house = TestHouse::postgres().await;
    let replica = house.replica(Clock::default()).await;
    lists_are_whole("lists, PostgreSQL", &house, &replica).await;
    replica.stop().await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_have_no_gaps_and_no_doubles_while_others_write_on_sqlite() {
    let house = TestHouse::sqlite().await;
    lists_are_whole("lists, SQLite", &house, &house).await;
    house.stop().await;
}

/// Writes at one, and reads what was written at the other, at once.
async fn reads_its_writes(name: &str, writer: &TestHouse, reader: &TestHouse) {
    let upstream = Upstream::modern().await;
    let place = furnish(writer, &upstream).await;
    // Others write at the same time, so that the read models are busy.
    let busy =
        Load::start(&Door::new(&writer.url, &writer.key), &place, "busy", &[Work::CreateSession, Work::Call]);
    let (door, other) = (Door::new(&writer.url, &writer.key), Door::new(&reader.url, &reader.key));
    let sessions = writer.path("/sessions");
    let mut checked = 0;
    for round in 0..40 {
        let label = format!("mine {round}");
        let body = json!({ "loadout_id": place.loadout, "label": label });
        let said = door.post(&sessions, &body).await.expect("it answers");
        let header = said.headers["tollbook-position"].to_str().expect("it is a number").to_owned();
        let made = said.expect(201);
        let (id, position) =
            (made["id"].as_str().expect("an id"), made["position"].as_u64().expect("a number"));
        assert_eq!(header, position.to_string(), "the header and the body agree");

        let one = format!("{sessions}/{id}?min_position={position}");
        assert_eq!(other.get(&one).await.expect("it answers").expect(200)["label"], label.as_str());
        let listed = format!("{sessions}?limit=200&min_position={position}");
        let listed = other.get(&listed).await.expect("it answers").expect(200);
        assert!(texts(listed["items"].as_array().unwrap(), "id").contains(&id.to_owned()), "listed at once");
        let found = writer.path(&format!("/audit/events?session_id={id}&min_position={position}"));
        let found = other.get(&found).await.expect("it answers").expect(200);
        assert_eq!(found["items"][0]["position"], position, "searched at once");

        let revoked = door.post(&format!("{sessions}/{id}/revoke"), &json!({})).await.expect("it answers");
        let position = revoked.expect(200)["position"].as_u64().expect("a number");
        let one = format!("{sessions}/{id}?min_position={position}");
        assert_eq!(other.get(&one).await.expect("it answers").expect(200)["status"], "revoked");
        checked += 4;
    }
    busy.stop().await;
    // What isn't written yet can't be read: the answer comes within a deadline, and says so.
    let never = format!("{sessions}?min_position={}", u64::from(u32::MAX));
    let said = other.get(&never).await.expect("it answers");
    assert!(said.status.is_client_error() || said.status.as_u16() == 503, "{} {}", said.status, said.text);
    print(name, &[("reads of one's own writes", checked.to_string())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_is_read_at_its_position_at_the_other_replica() {
    let house = TestHouse::postgres().await;
    let replica = house.replica(Clock::default()).await;
    reads_its_writes("min_position, PostgreSQL", &house, &replica).await;
    replica.stop().await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_is_read_at_its_position_on_sqlite() {
    let house = TestHouse::sqlite().await;
    reads_its_writes("min_position, SQLite", &house, &house).await;
    house.stop().await;
}

/// A cursor stays where it was while the list grows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursor_that_was_given_out_stays_good_while_the_list_grows() {
    let house = TestHouse::sqlite().await;
    let upstream = Upstream::modern().await;
    let place = furnish(&house, &upstream).await;
    let door = Door::new(&house.url, &house.key);
    for round in 0..12 {
        let body = json!({ "loadout_id": place.loadout, "label": format!("first {round}") });
        door.post(&house.path("/sessions"), &body).await.expect("it answers").expect(201);
    }
    let head = house.app.journal.head().await.expect("the book can be read").next.0 - 1;
    let list = house.path(&format!("/sessions?order=oldest&limit=5&min_position={head}"));
    let page = door.get(&list).await.expect("it answers").expect(200);
    let cursor = page["next"].as_str().expect("there is more").to_owned();
    let next = format!("{list}&cursor={cursor}");
    let then = door.get(&next).await.expect("it answers").expect(200);
    let growing = CancellationToken::new();
    let grow = {
        let (door, stop, path) = (door.clone(), growing.clone(), house.path("/sessions"));
        let body = json!({ "loadout_id": place.loadout });
        tokio::spawn(async move {
            while !stop.is_cancelled() {
                door.post(&path, &body).await.expect("it answers").expect(201);
            }
        })
    };
    for _ in 0..20 {
        let now = door.get(&next).await.expect("it answers").expect(200);
        assert_eq!(now["items"], then["items"], "the page behind a cursor is the same page");
    }
    growing.cancel();
    grow.await.expect("the writer doesn't panic");
    house.stop().await;
}
