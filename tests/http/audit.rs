use serde_json::{Value, json};
use tollbook_aggregates::Role;

use super::given::{member, neighbour, text, upstream};
use crate::house::TestHouse;

super::on_both_books! {
    book_of_a_workspace_is_listed_without_gaps_in_either_order
    event_says_who_what_and_on_what_occasion
    filters_find_what_they_name
    times_bound_what_is_found
    only_who_may_read_the_book_reads_it
}

/// Sequences of all events, page after page.
async fn walk(house: &TestHouse, query: &str) -> Vec<u64> {
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let path = house.path(&format!("/audit/events?limit=3&{query}{next}"));
        let page = house.get(&path, &house.key).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        all.extend(items.iter().map(|item| item["workspace_sequence"].as_u64().unwrap()));
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return all,
        }
    }
}

async fn session(house: &TestHouse) -> Value {
    let server = house.tool_server("Wiki", upstream().await.url()).await;
    house.session(&house.loadout(&server, &["echo"]).await).await
}

async fn call(house: &TestHouse, session: &Value, tool: &str) -> Value {
    let path = house.path(&format!("/sessions/{}/tool-calls", text(&session["id"])));
    let body = json!({ "tool": tool, "arguments": { "text": "x" } });
    house.post(&path, &text(&session["token"]), body).await.body
}

async fn book_of_a_workspace_is_listed_without_gaps_in_either_order(house: TestHouse) {
    neighbour(&house).await;
    session(&house).await;
    neighbour(&house).await;
    let oldest = walk(&house, "order=oldest").await;
    let gapless: Vec<u64> = (1..=oldest.len() as u64).collect();
    assert_eq!(oldest, gapless);
    assert!(oldest.len() >= 6, "{oldest:?}");
    let mut newest = walk(&house, "").await;
    newest.reverse();
    assert_eq!(newest, oldest);
    let mut sessions =
        walk(&house, &format!("type=session.created&min_position={}", head(&house).await)).await;
    assert_eq!(sessions.pop(), oldest.last().copied(), "the newest event is the session's");
}

async fn head(house: &TestHouse) -> u64 {
    house.app.calls.settle().await;
    house.app.journal.head().await.unwrap().next.0 - 1
}

async fn event_says_who_what_and_on_what_occasion(house: TestHouse) {
    let body = json!({ "name": "Wiki", "url": "http://127.0.0.1:9/mcp" });
    let answer = house.post(&house.path("/tool-servers"), &house.key, body).await;
    let request = answer.headers["tollbook-request-id"].to_str().unwrap().to_owned();
    let made = answer.expect(201);
    let path = house.path(&format!("/audit/events?request_id={request}&min_position={}", made["position"]));
    let found = house.get(&path, &house.key).await.expect(200);
    let event = &found["items"][0];
    assert_eq!((&event["type"], &event["version"]), (&json!("tool_server.registered"), &json!("1.0")));
    assert_eq!(event["stream"], json!({ "type": "tool_server", "id": made["id"] }));
    assert_eq!((&event["position"], &event["recorded_at"]), (&made["position"], &made["created_at"]));
    assert_eq!(event["sequence"], made["position"].as_u64().unwrap() + 1);
    assert_eq!(event["actor"], format!("user:{}", house.user));
    assert_eq!((&event["role"], &event["request_id"]), (&json!("owner"), &json!(request)));
    assert!(text(&event["credential"]).starts_with("api_key:"));
    assert_eq!(event["data"]["authorization"], json!({ "kind": "none" }));
    assert_eq!(event["private"], json!({ "name": "Wiki", "url": "http://127.0.0.1:9/mcp" }));
    assert_eq!(text(&event["commitments"]["url"]).len(), 64);
}

async fn filters_find_what_they_name(house: TestHouse) {
    let session = session(&house).await;
    call(&house, &session, "echo").await;
    let refused = call(&house, &session, "fail").await;
    assert!(refused["position"].is_u64(), "{refused}");
    let other = house.session(&text(&session["loadout_id"])).await;
    let position = head(&house).await;
    let (id, user) = (text(&session["id"]), house.user.clone());
    let cases = [
        (format!("session_id={id}"), 4),
        (format!("stream=session:{id}"), 4),
        (format!("session_id={}", text(&other["id"])), 1),
        ("type=session.created".to_owned(), 2),
        ("decision=permit".to_owned(), 1),
        ("reason=not_in_loadout".to_owned(), 1),
        ("outcome=completed".to_owned(), 1),
        ("tool=fail&decision=deny".to_owned(), 1),
        ("tool=fail&decision=permit".to_owned(), 0),
        (format!("credential=session:{id}"), 3),
        (format!("actor=user:{user}&type=loadout.created"), 1),
        (format!("from={position}"), 1),
        ("to=0".to_owned(), 0),
        (format!("session_id={id}&from={position}"), 0),
    ];
    for (query, expected) in cases {
        let found = walk(&house, &format!("{query}&min_position={position}")).await;
        assert_eq!(found.len(), expected, "{query}: {found:?}");
    }
    let path = house.path("/audit/events?type=tool_server.tools_refreshed");
    let refreshed = house.get(&path, &house.key).await.expect(200);
    assert_eq!(refreshed["items"][0]["private"], json!({}), "definitions are left out");
    assert_eq!(text(&refreshed["items"][0]["commitments"]["definitions"]).len(), 64);
    let all = "type=a&stream=b&actor=c&credential=d&request_id=e&tool=f&decision=deny&reason=tool_changed&outcome=failed";
    let refused = house.get(&house.path(&format!("/audit/events?{all}")), &house.key).await;
    assert_eq!(refused.problem(400), "query.too_many_filters");
}

async fn times_bound_what_is_found(house: TestHouse) {
    session(&house).await;
    let all = house.get(&house.path("/audit/events?order=oldest"), &house.key).await.expect(200);
    let items = all["items"].as_array().unwrap();
    let time = |at: usize| text(&items[at]["recorded_at"]);
    let later = items.iter().filter(|item| text(&item["recorded_at"]) >= time(4)).count();
    assert_eq!(walk(&house, &format!("since={}", time(4))).await.len(), later);
    assert_eq!(walk(&house, &format!("until={}", time(4))).await.len(), items.len() - later);
    assert_eq!(walk(&house, &format!("since={}&until={}", time(4), time(4))).await.len(), 0);
    assert_eq!(walk(&house, "until=2020-01-01T00:00:00Z").await.len(), 0);
    assert_eq!(walk(&house, "since=2020-01-01T00:00:00Z").await.len(), items.len());
}

async fn only_who_may_read_the_book_reads_it(house: TestHouse) {
    let path = house.path("/audit/events");
    for (role, allowed) in [(Role::Member, false), (Role::Auditor, true), (Role::Admin, true)] {
        let answer = house.get(&path, &member(&house, role).await.key).await;
        if allowed {
            answer.expect(200);
        } else {
            assert!(answer.headers["www-authenticate"].to_str().unwrap().contains("audit:read"));
            assert_eq!(answer.problem(403), "insufficient_scope");
        }
    }
    assert_eq!(house.get(&path, &neighbour(&house).await.key).await.problem(404), "not_found");
    assert_eq!(house.get(&path, &house.operator).await.problem(404), "not_found");
}
