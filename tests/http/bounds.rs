//! How much of a kind there may be in force at a time.

use std::net::{IpAddr, Ipv4Addr};

use chrono::TimeDelta;
use serde_json::json;
use tollbook::book::Draft;
use tollbook::clock::Clock;
use tollbook::credential::{Credential, Kind};
use tollbook::links::{self, Browser, Redeeming, SIGN_INS_MAX};
use tollbook_aggregates::access::World as _;
use tollbook_aggregates::{
    ApiKey, ApiKeyCommand, ApiKeyId, Epoch, KeyGrant, LinkCommand, LinkGrant, LinkId, LinkMaker, LinkPurpose,
    OneTimeLink, Role, SignIn, UserId, WorkspaceId,
};
use tollbook_journal::Expected;

use super::given::{member, text};
use crate::house::{Answer, TestHouse};

super::on_both_books! {
    person_has_so_many_keys_and_no_more
    workspace_has_so_many_open_invitations_and_no_more
    there_are_so_many_operator_credentials_and_no_more
    with_one_sign_in_too_many_the_oldest_ends
}

/// Keys of this person, made through the law: as many at once as nobody would ask for over HTTP.
pub(super) async fn fleet(house: &TestHouse, user_id: UserId, label: &str, how_many: usize) -> Vec<String> {
    let (app, workspace_id): (_, WorkspaceId) = (&house.app, house.workspace.parse().unwrap());
    let (at, mut keys, mut drafts) = (app.clock.now(), Vec::new(), Vec::new());
    for number in 0..how_many {
        let secret = Credential::mint(Kind::ApiKey, app.random.as_ref()).unwrap();
        let id: ApiKeyId = Clock::fresh_id();
        let (verifier, role, narrowing) = (secret.verifier(&app.pepper), Role::Member, None);
        // The first is over in a minute.
        let expires_at = (number == 0).then_some(at + TimeDelta::minutes(1));
        let epoch = Epoch::FIRST;
        let grant = KeyGrant { workspace_id, user_id, verifier, role, expires_at, narrowing, epoch };
        let create = ApiKeyCommand::Create { grant, device_label: label.into(), at };
        let events = ApiKey::default().decide(create).unwrap();
        drafts.push(Draft::new::<ApiKey>(workspace_id.0, id.0, Expected::NoStream, &events).unwrap());
        keys.push(secret.expose().to_owned());
    }
    app.commands.write_as_system(drafts).await.unwrap().unwrap();
    keys
}

fn refused(answer: Answer, code: &str) {
    assert!(answer.body["remediation"]["action"].is_string(), "{:#}", answer.body);
    assert_eq!(answer.problem(409), code);
}

async fn person_has_so_many_keys_and_no_more(house: TestHouse) {
    let mia = member(&house, Role::Member).await;
    fleet(&house, mia.user_id, "fleet", 99).await;
    let (keys, body) = (house.path("/api-keys"), json!({ "device_label": "one more" }));
    refused(house.post(&keys, &mia.key, body.clone()).await, "api_key.limit_reached");
    house.post(&keys, &house.key, body.clone()).await.expect(201);
    // One is over.
    house.app.clock.set_ahead(TimeDelta::minutes(5));
    let made = house.post(&keys, &mia.key, body.clone()).await.expect(201);
    refused(house.post(&keys, &mia.key, body.clone()).await, "api_key.limit_reached");
    let revoke = house.path(&format!("/api-keys/{}/revoke", text(&made["id"])));
    house.post(&revoke, &mia.key, json!({})).await.expect(200);
    house.post(&keys, &mia.key, body).await.expect(201);
}

async fn workspace_has_so_many_open_invitations_and_no_more(house: TestHouse) {
    let (app, workspace_id): (_, WorkspaceId) = (&house.app, house.workspace.parse().unwrap());
    let (at, mut drafts) = (app.clock.now(), Vec::new());
    for _ in 0..500 {
        let secret = Credential::mint(Kind::OneTimeLink, app.random.as_ref()).unwrap();
        let (id, verifier): (LinkId, _) = (Clock::fresh_id(), secret.verifier(&app.pepper));
        let purpose = LinkPurpose::Invitation { workspace_id, role: Role::Member, user_id: None };
        let (expires_at, made_by) = (at + TimeDelta::hours(1), LinkMaker::Host);
        let grant = LinkGrant { purpose, verifier, expires_at, made_by, newcomer: None };
        let events = OneTimeLink::default().decide(LinkCommand::Create { grant, label: None, at }).unwrap();
        drafts.push(Draft::new::<OneTimeLink>(workspace_id.0, id.0, Expected::NoStream, &events).unwrap());
    }
    app.commands.write_as_system(drafts).await.unwrap().unwrap();
    let (invitations, body) = (house.path("/invitations"), json!({ "role": "member" }));
    refused(house.post(&invitations, &house.key, body.clone()).await, "invitation.limit_reached");
    let last = app.authority.look(tollbook::authority::Live::next).0 - 1;
    let listed = house.get(&format!("{invitations}?min_position={last}"), &house.key).await.expect(200);
    let revoke = house.path(&format!("/invitations/{}/revoke", text(&listed["items"][0]["id"])));
    house.post(&revoke, &house.key, json!({})).await.expect(200);
    house.post(&invitations, &house.key, body).await.expect(201);
}

async fn there_are_so_many_operator_credentials_and_no_more(house: TestHouse) {
    let credentials = "/v1/operator/credentials";
    let make = || house.post(credentials, &house.operator, json!({ "label": "night shift" }));
    let mut last = make().await.expect(201);
    for _ in 2..100 {
        last = make().await.expect(201);
    }
    refused(make().await, "operator.limit_reached");
    let revoke = format!("{credentials}/{}/revoke", text(&last["id"]));
    house.post(&revoke, &house.operator, json!({})).await.expect(200);
    make().await.expect(201);
}

async fn with_one_sign_in_too_many_the_oldest_ends(house: TestHouse) {
    let user: UserId = house.user.parse().unwrap();
    let mut made = Vec::new();
    for _ in 0..=SIGN_INS_MAX {
        let link = links::sign_in_link(&house.app, user).await.unwrap();
        let (path, secret) = link.url.split_once('#').unwrap();
        let id = path.rsplit('/').next().unwrap();
        let secret = Credential::parse(&format!("tbk_otl_{id}{secret}")).unwrap();
        let browser = Browser { address: IpAddr::V4(Ipv4Addr::LOCALHOST), user_agent: None };
        let redeeming = Redeeming { secret: &secret, signed_in: None, name: "", browser };
        made.push(links::redeem(&house.app, &redeeming).await.unwrap().sign_in.unwrap().id);
    }
    let ended: Vec<bool> = house
        .app
        .authority
        .look(|live| made.iter().map(|id| matches!(live.sign_in(*id), SignIn::Ended(_))).collect());
    assert_eq!(ended.iter().position(|ended| *ended), Some(0), "the oldest");
    assert_eq!(ended.iter().filter(|ended| **ended).count(), 1, "and no other");
}
