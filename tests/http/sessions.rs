use serde_json::{Value, json};
use tollbook_aggregates::Role;

use super::given::{Member, ids, member, text, upstream};
use crate::house::TestHouse;

super::on_both_books! {
    session_is_read_as_it_was_made_but_for_its_token
    sessions_are_found_by_state_loadout_and_maker
    session_expires_when_it_was_said_to
    revoking_twice_is_harmless
    session_ends_with_the_key_that_made_it
    what_no_session_can_be_is_refused
}

async fn loadout(house: &TestHouse) -> String {
    let server = house.tool_server("Wiki", upstream().await.url()).await;
    house.loadout(&server, &["echo"]).await
}

async fn session_by(house: &TestHouse, member: &Member, loadout: &str) -> String {
    let body = json!({ "loadout_id": loadout });
    text(&house.post(&house.path("/sessions"), &member.key, body).await.expect(201)["id"])
}

async fn session_is_read_as_it_was_made_but_for_its_token(house: TestHouse) {
    let loadout = loadout(&house).await;
    let body = json!({ "loadout_id": loadout, "label": "nightly", "expires_in": 600, "max_calls": 5 });
    let mut made = house.post(&house.path("/sessions"), &house.key, body).await.expect(201);
    let id = text(&made["id"]);
    assert_eq!(made["url"], format!("{}/s/{id}/mcp", house.url));
    assert!(text(&made["token"]).starts_with("tbk_ses_"));
    assert_eq!(
        (&made["status"], &made["label"], &made["max_calls"]),
        (&json!("open"), &json!("nightly"), &json!(5))
    );
    let members = made.as_object_mut().unwrap();
    let (token, position) = (members.remove("token").unwrap(), members.remove("position").unwrap());
    let path = house.path(&format!("/sessions/{id}?min_position={position}"));
    assert_eq!(house.get(&path, &house.key).await.expect(200), made);

    // A session's token calls tools, and nothing else.
    assert_eq!(house.get(&path, &text(&token)).await.problem(403), "insufficient_scope");
}

async fn sessions_are_found_by_state_loadout_and_maker(house: TestHouse) {
    let server = house.tool_server("Wiki", upstream().await.url()).await;
    let (one, two) = (house.loadout(&server, &["echo"]).await, house.loadout(&server, &["add"]).await);
    let (mia, ann) = (member(&house, Role::Member).await, member(&house, Role::Auditor).await);
    let by_owner = text(&house.session(&one).await["id"]);
    let by_mia = session_by(&house, &mia, &one).await;
    let revoked = text(&house.session(&two).await["id"]);
    let end = house.path(&format!("/sessions/{revoked}/revoke"));
    let position =
        house.post(&end, &house.key, json!({ "reason": "done" })).await.expect(200)["position"].clone();
    let list = async |query: &str, key: &str| {
        let path = house.path(&format!("/sessions?{query}&order=oldest&min_position={position}"));
        ids(&house.get(&path, key).await.expect(200))
    };
    let all = [by_owner.clone(), by_mia.clone(), revoked.clone()];
    assert_eq!(list("limit=10", &house.key).await, all);
    assert_eq!(list("limit=10", &ann.key).await, all, "an auditor sees everybody's");
    assert_eq!(list("limit=10", &mia.key).await, std::slice::from_ref(&by_mia), "a member sees their own");
    assert_eq!(list("mine=true", &house.key).await, [by_owner.clone(), revoked.clone()]);
    assert_eq!(list(&format!("loadout_id={one}"), &house.key).await, [by_owner.clone(), by_mia.clone()]);
    assert_eq!(list("status=open", &house.key).await, [by_owner.clone(), by_mia.clone()]);
    assert_eq!(list("status=revoked", &house.key).await, std::slice::from_ref(&revoked));
    let read = house.get(&house.path(&format!("/sessions/{revoked}")), &house.key).await.expect(200);
    assert_eq!((&read["status"], &read["reason"]), (&json!("revoked"), &json!("done")));
    // Nobody but its maker, an admin or an auditor reads a session; nobody but the first two ends it.
    let owners = house.path(&format!("/sessions/{by_owner}"));
    assert_eq!(house.get(&owners, &mia.key).await.problem(403), "insufficient_scope");
    house.get(&owners, &ann.key).await.expect(200);
    let end = house.post(&format!("{owners}/revoke"), &ann.key, json!({})).await;
    assert_eq!(end.problem(403), "insufficient_scope");
    house.post(&house.path(&format!("/sessions/{by_mia}/revoke")), &house.key, json!({})).await.expect(200);
}

async fn session_expires_when_it_was_said_to(house: TestHouse) {
    let loadout = loadout(&house).await;
    let session = house.session(&loadout).await;
    let lasts = |value: &Value| chrono::DateTime::parse_from_rfc3339(&text(value)).unwrap();
    let (from, to) = (lasts(&session["created_at"]), lasts(&session["expires_at"]));
    assert!(((to - from).num_seconds() - 8 * 3600).abs() <= 1, "eight hours when nobody says");
    house.app.clock.set_ahead(chrono::TimeDelta::hours(9));
    let path = house.path(&format!("/sessions/{}", text(&session["id"])));
    assert_eq!(house.get(&path, &house.key).await.expect(200)["status"], "expired");
    assert_eq!(ids(&house.get(&house.path("/sessions?status=open"), &house.key).await.expect(200)).len(), 0);
    assert_eq!(
        ids(&house.get(&house.path("/sessions?status=expired"), &house.key).await.expect(200)).len(),
        1
    );
    let call =
        house.post(&format!("{path}/tool-calls"), &text(&session["token"]), json!({ "tool": "echo" })).await;
    assert_eq!(call.problem(403), "session.ended");
}

async fn revoking_twice_is_harmless(house: TestHouse) {
    let session = house.session(&loadout(&house).await).await;
    let id = text(&session["id"]);
    let end = house.path(&format!("/sessions/{id}/revoke"));
    let first = house.post(&end, &house.key, json!({ "reason": "done" })).await.expect(200);
    assert_eq!((&first["id"], &first["status"]), (&session["id"], &json!("revoked")));
    let second = house.post(&end, &house.key, json!({ "reason": "again" })).await.expect(200);
    assert_eq!(second["status"], "revoked");
    assert!(second["position"].as_u64() >= first["position"].as_u64());
    // What it answers with can be waited for.
    let read = house.path(&format!("/sessions/{id}?min_position={}", second["position"]));
    assert_eq!(house.get(&read, &house.key).await.expect(200)["reason"], "done");
}

async fn session_ends_with_the_key_that_made_it(house: TestHouse) {
    let loadout = loadout(&house).await;
    let mia = member(&house, Role::Member).await;
    let session = session_by(&house, &mia, &loadout).await;
    house
        .post(&house.path(&format!("/api-keys/{}/revoke", mia.key_id)), &house.key, json!({}))
        .await
        .expect(200);
    let read = house.get(&house.path(&format!("/sessions/{session}")), &house.key).await.expect(200);
    assert_eq!(read["status"], "ended");
    assert_eq!(read["ended_because"], "maker_credential_revoked");
    let ended = house.get(&house.path("/sessions?status=ended"), &house.key).await.expect(200);
    assert_eq!(ids(&ended), [session]);
}

async fn what_no_session_can_be_is_refused(house: TestHouse) {
    let loadout = loadout(&house).await;
    let cases = [
        (json!({ "loadout_id": loadout, "expires_in": 0 }), 400, "session.expires_in"),
        (json!({ "loadout_id": loadout, "expires_in": 2_592_001 }), 400, "session.expires_in"),
        (json!({ "loadout_id": loadout, "expires_in": u64::MAX }), 400, "session.expires_in"),
        (json!({ "loadout_id": loadout, "expires_in": -1 }), 400, "body.malformed"),
        (json!({ "loadout_id": loadout, "max_calls": 0 }), 400, "session.no_calls"),
        (json!({ "loadout_id": loadout, "max_calls": 1_u64 << 53 }), 400, "session.max_calls"),
        (json!({ "loadout_id": loadout, "label": "" }), 400, "session.label"),
        (json!({ "loadout_id": loadout, "label": "a\u{7}b" }), 400, "session.label"),
        (json!({ "loadout_id": uuid::Uuid::now_v7() }), 404, "not_found"),
        (json!({}), 400, "body.malformed"),
    ];
    for (body, status, code) in cases {
        let refused = house.post(&house.path("/sessions"), &house.key, body.clone()).await;
        assert_eq!(refused.problem(status), code, "{body}");
    }
    let auditor = member(&house, Role::Auditor).await;
    let refused = house.post(&house.path("/sessions"), &auditor.key, json!({ "loadout_id": loadout })).await;
    assert_eq!(refused.problem(403), "insufficient_scope");
}
