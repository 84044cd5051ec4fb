//! Sessions leave memory when they are over; whoever still asks is told what became of them all the same.

use chrono::TimeDelta;
use serde_json::json;
use tollbook_aggregates::SessionId;
use tollbook_testkit::node::Upstream;

use super::book;
use crate::house::TestHouse;

fn holds(house: &TestHouse, session: &str) -> bool {
    let id: SessionId = session.parse().expect("it is an id");
    house.app.authority.look(|live| live.knows_session(id))
}

async fn told_what_became_of_it(house: TestHouse) {
    let upstream = Upstream::modern().await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let body = json!({ "loadout_id": loadout, "expires_in": 600 });
    let made = |body| async { house.post(&house.path("/sessions"), &house.key, body).await.expect(201) };
    let (expired, revoked) = (made(body.clone()).await, made(body).await);
    let lasting = house.session(&loadout).await;
    let id = |session: &serde_json::Value| session["id"].as_str().expect("it has an id").to_owned();
    let revoke = house.path(&format!("/sessions/{}/revoke", id(&revoked)));
    house.post(&revoke, &house.key, json!({})).await.expect(200);

    house.app.clock.set_ahead(TimeDelta::hours(1));
    house.app.authority.see_off();
    for session in [&expired, &revoked] {
        assert!(!holds(&house, &id(session)), "it is kept forever");
    }
    assert!(holds(&house, &id(&lasting)), "this one isn't over");

    for (session, denial) in [(&expired, "session_expired"), (&revoked, "session_revoked")] {
        let token = session["token"].as_str().expect("it is shown once");
        // By its own token, and by its maker's key.
        for credential in [token, house.key.as_str()] {
            let path = house.path(&format!("/sessions/{}/tool-calls", id(session)));
            let call = json!({ "tool": "echo", "arguments": { "text": "still there?" } });
            let refused = house.post(&path, credential, call).await;
            assert!(refused.body["remediation"]["command"].is_string(), "{:#}", refused.body);
            let position = refused.body["position"].as_u64().expect("the denial is recorded");
            assert_eq!(refused.problem(403), "session.ended");
            let events = book::whole(&house.app.journal).await;
            let event = events.iter().find(|event| event.position.0 == position).expect("it stands there");
            assert_eq!(book::payload(event)["tool_denied"]["reason"], denial);
            let ask = json!({ "session_id": id(session), "tool": "echo", "mode": "check" });
            let checked = house.post("/v1/authorize", credential, ask).await.expect(200);
            assert_eq!((&checked["decision"], &checked["reason"]), (&json!("deny"), &json!(denial)));
        }
        // A brake may be pressed again, later, too.
        let revoke = house.path(&format!("/sessions/{}/revoke", id(session)));
        assert_eq!(house.post(&revoke, &house.key, json!({})).await.expect(200)["status"], "revoked");
    }
    // With a secret that is wrong, nobody learns that there ever was such a session.
    let wrong = |token: &str| {
        let secret = tollbook::credential::Credential::parse(token).expect("it is one");
        let other = tollbook::credential::Credential::from_parts(secret.kind(), secret.id(), &[7; 32]);
        other.expect("it has the right shape").expose().to_owned()
    };
    house.app.authority.see_off();
    let token = wrong(expired["token"].as_str().expect("it is shown once"));
    let path = house.path(&format!("/sessions/{}/tool-calls", id(&expired)));
    let refused = house.post(&path, &token, json!({ "tool": "echo" })).await;
    assert_eq!(refused.problem(401), "credential.unknown");
    // And not for long.
    house.app.clock.set_ahead(TimeDelta::hours(2));
    house.app.authority.see_off();
    assert!(!holds(&house, &id(&expired)) && !holds(&house, &id(&revoked)));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_that_left_memory_is_told_what_became_of_it_on_sqlite() {
    told_what_became_of_it(TestHouse::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_that_left_memory_is_told_what_became_of_it_on_postgres() {
    told_what_became_of_it(TestHouse::postgres().await).await;
}

/// A clock that is wrong for a while sends sessions away that are not over: they come back as they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_that_was_sent_away_too_early_comes_back_as_it_is() {
    let upstream = Upstream::modern().await;
    let house = TestHouse::postgres().await;
    let server = house.tool_server("Echo", upstream.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let (lives, ends) = (house.session(&loadout).await, house.session(&loadout).await);
    let id = |session: &serde_json::Value| session["id"].as_str().expect("it has an id").to_owned();
    house.app.clock.set_ahead(TimeDelta::days(3));
    house.app.authority.see_off();
    assert!(!holds(&house, &id(&lives)) && !holds(&house, &id(&ends)));
    house.app.clock.set_ahead(TimeDelta::zero());
    // Revoked while it isn't held.
    let other = house.replica(tollbook::clock::Clock::default()).await;
    other
        .post(&other.path(&format!("/sessions/{}/revoke", id(&ends))), &other.key, json!({}))
        .await
        .expect(200);
    for (session, decision) in [(&lives, "permit"), (&ends, "deny")] {
        let token = session["token"].as_str().expect("it is shown once");
        for mode in ["check", "record"] {
            let ask = json!({ "session_id": id(session), "tool": "echo", "mode": mode });
            let decided = house.post("/v1/authorize", token, ask).await.expect(200);
            assert_eq!(decided["decision"], decision, "{mode}");
        }
    }
    other.stop().await;
    house.stop().await;
}
