use reqwest::Method;
use serde_json::{Value, json};
use tollbook_aggregates::Role;

use super::given::{member, neighbour, text, upstream};
use crate::house::TestHouse;

super::on_both_books! {
    recorded_decision_stands_in_the_book_and_a_check_does_not
    session_and_its_maker_may_ask_and_nobody_else
    revoked_session_is_refused_at_once
    repeated_question_is_recorded_once
    check_counts_the_calls_that_a_session_has_used
}

async fn session(house: &TestHouse) -> Value {
    let server = house.tool_server("Wiki", upstream().await.url()).await;
    house.session(&house.loadout(&server, &["echo"]).await).await
}

fn question(session: &Value, tool: &str, mode: &str) -> Value {
    json!({ "session_id": session["id"], "tool": tool, "arguments": { "text": "x" }, "mode": mode })
}

async fn head(house: &TestHouse) -> u64 {
    house.app.journal.head().await.unwrap().next.0
}

async fn recorded_decision_stands_in_the_book_and_a_check_does_not(house: TestHouse) {
    let session = session(&house).await;
    let token = text(&session["token"]);
    let before = head(&house).await;
    let checked = house.post("/v1/authorize", &token, question(&session, "echo", "check")).await.expect(200);
    assert_eq!(checked, json!({ "decision": "permit" }));
    let checked = house.post("/v1/authorize", &token, question(&session, "fail", "check")).await.expect(200);
    assert_eq!(checked, json!({ "decision": "deny", "reason": "not_in_loadout" }));
    assert_eq!(head(&house).await, before);

    let decided = house.post("/v1/authorize", &token, question(&session, "echo", "record")).await;
    assert_eq!(decided.headers["tollbook-position"], before.to_string().as_str());
    assert_eq!(decided.expect(200), json!({ "decision": "permit", "position": before }));
    let event = house.app.journal.event(tollbook_journal::Position(before)).await.unwrap().unwrap();
    assert_eq!(event.event_type, "session.tool_authorized");
    assert!(event.payload.contains(r#""enforced_by":"external""#), "{}", event.payload);

    let body = json!({ "session_id": session["id"], "tool": "fail" });
    let refused = house.post("/v1/authorize", &token, body).await.expect(200);
    assert_eq!(refused, json!({ "decision": "deny", "reason": "not_in_loadout", "position": before + 1 }));
    let calls =
        house.path(&format!("/sessions/{}/tool-calls?min_position={}", text(&session["id"]), before + 1));
    let list = house.get(&calls, &house.key).await.expect(200);
    assert_eq!(list["items"][1]["decision"], "authorize");
    assert!(list["items"][1]["outcome"].is_null(), "no outcome is expected");
}

async fn session_and_its_maker_may_ask_and_nobody_else(house: TestHouse) {
    let session = session(&house).await;
    let (admin, other) = (member(&house, Role::Admin).await, neighbour(&house).await);
    for mode in ["check", "record"] {
        for key in [&house.key, &text(&session["token"])] {
            house.post("/v1/authorize", key, question(&session, "echo", mode)).await.expect(200);
        }
        let before = head(&house).await;
        for key in [&admin.key, &other.key, &house.operator] {
            let refused = house.post("/v1/authorize", key, question(&session, "echo", mode)).await;
            assert_eq!(refused.problem(404), "not_found", "{mode}");
        }
        assert_eq!(head(&house).await, before, "strangers can't fill the book");
    }
    let nothing = json!({ "session_id": uuid::Uuid::now_v7(), "tool": "echo" });
    assert_eq!(house.post("/v1/authorize", &house.key, nothing).await.problem(404), "not_found");
}

async fn revoked_session_is_refused_at_once(house: TestHouse) {
    let session = session(&house).await;
    let token = text(&session["token"]);
    let end = house.path(&format!("/sessions/{}/revoke", text(&session["id"])));
    house.post(&end, &house.key, json!({})).await.expect(200);
    for mode in ["check", "record"] {
        let refused = house.post("/v1/authorize", &token, question(&session, "echo", mode)).await.expect(200);
        assert_eq!((&refused["decision"], &refused["reason"]), (&json!("deny"), &json!("session_revoked")));
        assert_eq!(refused["position"].is_u64(), mode == "record");
    }
}

async fn repeated_question_is_recorded_once(house: TestHouse) {
    let session = session(&house).await;
    let ask = async |key: &str, body: Value| {
        let headers = [("idempotency-key", key)];
        house.ask(Method::POST, "/v1/authorize", &house.key, Some(body), &headers).await
    };
    for (key, tool) in [("one", "echo"), ("two", "fail")] {
        let first = ask(key, question(&session, tool, "record")).await.expect(200);
        let before = head(&house).await;
        assert_eq!(ask(key, question(&session, tool, "record")).await.expect(200), first);
        assert_eq!(head(&house).await, before);
    }
    let other = ask("one", question(&session, "fail", "record")).await;
    assert_eq!(other.problem(409), "idempotency.key_reused");
}

async fn check_counts_the_calls_that_a_session_has_used(house: TestHouse) {
    let server = house.tool_server("Wiki", upstream().await.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let body = json!({ "loadout_id": loadout, "max_calls": 2 });
    let session = house.post(&house.path("/sessions"), &house.key, body).await.expect(201);
    let token = text(&session["token"]);
    let ask = async |mode: &str| {
        house.post("/v1/authorize", &token, question(&session, "echo", mode)).await.expect(200)
    };
    for _ in 0..2 {
        assert_eq!(ask("check").await["decision"], "permit");
        assert_eq!(ask("record").await["decision"], "permit");
    }
    for mode in ["check", "record"] {
        let decided = ask(mode).await;
        let said = (&decided["decision"], &decided["reason"]);
        assert_eq!(said, (&json!("deny"), &json!("calls_used_up")), "{mode}");
    }
}
