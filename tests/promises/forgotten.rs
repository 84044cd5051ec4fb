//! Promise 3 for people: of somebody who was erased nothing can be read that was said about them, and nothing of
//! theirs is in force, also of what came to them meanwhile.

use std::net::{IpAddr, Ipv4Addr};

use reqwest::Method;
use serde_json::{Value, json};
use tollbook::clock::Clock;
use tollbook::credential::Credential;
use tollbook::links::{self, Browser, Redeemed, Redeeming};
use tollbook::problem::Problem;
use tollbook_aggregates::access::World as _;
use tollbook_aggregates::{SignInId, UserId, WorkspaceId};

use super::turns::in_turn;
use crate::house::{Answer, TestHouse};

/// How often it is tried on a machine that is too busy.
const TRIES: usize = 20;
const LABEL: &str = "Bob Secretname";

/// A link as its holder redeems it.
async fn redeem(
    house: &TestHouse,
    url: &str,
    signed_in: Option<SignInId>,
    name: &str,
) -> Result<Redeemed, Problem> {
    let (path, secret) = url.split_once('#').expect("the secret stands in the fragment");
    let id = path.rsplit('/').next().expect("it has an id");
    let secret = Credential::parse(&format!("tbk_otl_{id}{secret}")).expect("it is one");
    let browser = Browser { address: IpAddr::V4(Ipv4Addr::LOCALHOST), user_agent: None };
    links::redeem(&house.app, &Redeeming { secret: &secret, signed_in, name, browser }).await
}

async fn invite(house: &TestHouse, at: (&str, &str), body: Value, repeat: &str) -> Answer {
    let (workspace, key) = at;
    let path = format!("/v1/workspaces/{workspace}/invitations");
    house.ask(Method::POST, &path, key, Some(body), &[("idempotency-key", repeat)]).await
}

async fn erase(house: &TestHouse, operator: &str, person: UserId) -> Answer {
    house.post(&format!("/v1/operator/people/{person}/erase"), operator, json!({})).await
}

fn url(made: &Value) -> &str {
    made["one_time_url"].as_str().expect("it is shown once")
}

/// A workspace and its owner's key.
async fn elsewhere(house: &TestHouse) -> (WorkspaceId, String) {
    let body = json!({ "name": "Elsewhere", "owner": { "name": "Nora Neighbour" } });
    let made = house.post("/v1/workspaces", &house.operator, body).await.expect(201);
    let text = |name: &str| made[name].as_str().expect("it is a text");
    (text("id").parse().expect("it is an id"), text("api_key").to_owned())
}

/// Somebody new, a member of the house's workspace, signed in.
async fn newcomer(house: &TestHouse, name: &str) -> (UserId, SignInId) {
    let at = (house.workspace.as_str(), house.key.as_str());
    let made = invite(house, at, json!({ "role": "member" }), name).await.expect(201);
    let redeemed = redeem(house, url(&made), None, name).await.expect("it is good");
    (redeemed.user_id, redeemed.sign_in.expect("they are signed in").id)
}

/// They join another workspace, as its owner, while it is decided from where they are to be removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn person_who_joined_while_they_were_erased_is_no_member_there() {
    let house = TestHouse::postgres().await;
    let other = house.replica(Clock::default()).await;
    for round in 0..TRIES {
        let (workspace, key) = elsewhere(&house).await;
        let (mia, sign_in) = newcomer(&house, &format!("Mia {round}")).await;
        let body = json!({ "role": "owner", "user_id": mia.to_string() });
        let made = invite(&house, (&workspace.to_string(), &key), body, "mia").await.expect(201);
        other.app.authority.catch_up_with_head(std::time::Duration::from_secs(2)).await.expect("it follows");
        let joins = redeem(&house, url(&made), Some(sign_in), "");
        let (joined, erased) = in_turn(&house, joins, erase(&other, &house.operator, mia)).await;
        if joined.is_err() || erased.status == 503 {
            continue;
        }
        let certificate = erased.expect(200);
        assert_eq!(certificate["workspace_ids"], json!([house.workspace, workspace]), "{certificate:#}");
        assert_eq!(certificate["fields"], 2, "a name, an address: {certificate:#}");
        for replica in [&house, &other] {
            let head = std::time::Duration::from_secs(2);
            replica.app.authority.catch_up_with_head(head).await.expect("it follows");
            let role = replica.app.authority.look(|live| live.workspace(workspace).role_of(mia));
            assert_eq!(role, None, "they are a member still");
        }
        // Whoever owns it is its last owner: nobody else is anybody.
        let nora = house.app.authority.look(|live| live.workspace(workspace).members().next());
        let leave = format!("/v1/workspaces/{workspace}/members/{}", nora.expect("she is there").0);
        let left = house.ask(Method::DELETE, &leave, &key, None, &[]).await;
        assert_eq!(left.problem(409), "member.last_owner");
        other.stop().await;
        house.stop().await;
        return;
    }
    panic!("the machine was too busy, {TRIES} times");
}

/// What is said of an invitation and its label, everywhere where it is.
async fn told(house: &TestHouse, body: &Value, repeat: &str) -> String {
    let last = house.app.authority.look(tollbook::authority::Live::next).0 - 1;
    let mut told = Vec::new();
    for path in ["/invitations?limit=200", "/audit/events?limit=200"] {
        let path = house.path(&format!("{path}&min_position={last}"));
        told.push(house.get(&path, &house.key).await.expect(200).to_string());
    }
    let at = (house.workspace.as_str(), house.key.as_str());
    told.push(invite(house, at, body.clone(), repeat).await.expect(201).to_string());
    told.join("\n")
}

/// Once by somebody new, and once by somebody who was known already and is called otherwise by who invited them.
async fn label_is_gone_with_the_person(house: TestHouse) {
    let at = (house.workspace.as_str(), house.key.as_str());
    let body = json!({ "role": "member", "label": LABEL });
    let made = invite(&house, at, body.clone(), "new").await.expect(201);
    let redeemed = redeem(&house, url(&made), None, "Bob").await.expect("it is good");
    let told_before = told(&house, &body, "new").await;
    assert_eq!(
        told_before.matches(LABEL).count(),
        3,
        "the list, the event, the repeated answer: {told_before}"
    );
    let certificate = erase(&house, &house.operator, redeemed.user_id).await.expect(200);
    assert!(certificate["fields"].as_u64() >= Some(3), "label, name, address: {certificate:#}");
    let told_after = told(&house, &body, "new").await;
    assert!(!told_after.contains(LABEL), "{told_after}");

    let (workspace, key) = elsewhere(&house).await;
    let there = invite(&house, (&workspace.to_string(), &key), json!({ "role": "member" }), "there").await;
    let known = redeem(&house, url(&there.expect(201)), None, "Rob").await.expect("it is good");
    let made = invite(&house, at, body.clone(), "known").await.expect(201);
    let sign_in = known.sign_in.expect("they are signed in").id;
    let redeemed = redeem(&house, url(&made), Some(sign_in), "").await.expect("it is good");
    assert_eq!(redeemed.user_id, known.user_id);
    assert_eq!(told(&house, &body, "known").await.matches(LABEL).count(), 3);
    let certificate = erase(&house, &house.operator, known.user_id).await.expect(200);
    assert_eq!(certificate["key_ids"].as_array().map(Vec::len), Some(2), "theirs, and the label's");
    let told_after = told(&house, &body, "known").await;
    assert!(!told_after.contains(LABEL), "{told_after}");
    // Asked twice, done once, and said alike.
    let again = erase(&house, &house.operator, known.user_id).await.expect(200);
    assert_eq!((&again["key_ids"], &again["fields"]), (&certificate["key_ids"], &certificate["fields"]));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn label_of_an_invitation_is_unreadable_once_whoever_redeemed_it_is_erased_on_sqlite() {
    label_is_gone_with_the_person(TestHouse::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn label_of_an_invitation_is_unreadable_once_whoever_redeemed_it_is_erased_on_postgres() {
    label_is_gone_with_the_person(TestHouse::postgres().await).await;
}

/// The only owner of a workspace isn't erased, and the operator is told what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_owner_is_not_erased_and_the_refusal_says_so() {
    let house = TestHouse::sqlite().await;
    let refused = erase(&house, &house.operator, house.user.parse().expect("it is an id")).await;
    let detail = refused.body["detail"].as_str().expect("it says why").to_owned();
    assert!(detail.contains("not erased") && detail.contains(&house.workspace), "{detail}");
    assert!(refused.body["remediation"]["action"].is_string(), "{:#}", refused.body);
    assert_eq!(refused.problem(409), "member.last_owner");
    house.stop().await;
}
