//! What scenarios start from.

use serde_json::{Value, json};
use tollbook::book::Draft;
use tollbook::clock::Clock;
use tollbook::credential::{Credential, Kind};
use tollbook_aggregates::access::World as _;
use tollbook_aggregates::{
    ApiKey, ApiKeyCommand, LinkCommand, LinkGrant, LinkId, LinkMaker, LinkPurpose, OneTimeLink,
};
use tollbook_journal::Expected;
use uuid::Uuid;

use crate::house::TestHouse;

/// An id, as REST writes it.
pub(super) fn id<T: From<Uuid>>(text: &str) -> T {
    Uuid::parse_str(text).unwrap().into()
}

/// A link with which the first owner signs in.
pub(super) async fn sign_in_link(house: &TestHouse) -> String {
    sign_in_link_of(house, "Olivia Owner").await
}

/// A link with which this person signs in.
pub(super) async fn sign_in_link_of(house: &TestHouse, person: &str) -> String {
    let made = tollbook::host::sign_in_link(&house.app, person).await;
    made.unwrap_or_else(|problem| panic!("{person} is known: {problem}")).one_time_url
}

/// Several of them.
pub(super) async fn sign_in_links(house: &TestHouse, how_many: usize) -> Vec<String> {
    let mut links = Vec::new();
    for _ in 0..how_many {
        links.push(sign_in_link(house).await);
    }
    links
}

/// Somebody else, who owns another workspace.
pub(super) async fn another_owner(house: &TestHouse, person: &str) {
    let body = json!({ "name": "Elsewhere", "owner": { "name": person } });
    house.post("/v1/workspaces", &house.operator, body).await.expect(201);
}

/// A link into the house's workspace, as an admin makes one.
pub(super) async fn link(house: &TestHouse, purpose: LinkPurpose) -> String {
    let credential = Credential::mint(Kind::OneTimeLink, house.app.random.as_ref()).unwrap();
    let (id, at): (LinkId, _) = (Clock::fresh_id(), house.app.clock.now());
    let expires_at = at + purpose.lasts_at_most();
    let verifier = credential.verifier(&house.app.pepper);
    let grant = LinkGrant { purpose, verifier, expires_at, made_by: LinkMaker::Host, newcomer: None };
    let workspace = purpose.workspace_id().unwrap().0;
    let events = OneTimeLink::default().decide(LinkCommand::Create { grant, label: None, at }).unwrap();
    let mut drafts = vec![Draft::new::<OneTimeLink>(workspace, id.0, Expected::NoStream, &events).unwrap()];
    if let LinkPurpose::KeyReset { api_key_id, .. } = purpose {
        let reset = ApiKeyCommand::Reset { link_id: id, at };
        drafts.push(house.app.authority.look(|live| {
            let events = live.api_key(api_key_id).decide(reset).unwrap();
            Draft::new::<ApiKey>(workspace, api_key_id.0, live.expect_api_key(api_key_id), &events).unwrap()
        }));
    }
    house.app.commands.write_as_system(drafts).await.unwrap().unwrap();
    tollbook::links::url(&house.app.config.public_url, &credential)
}

/// The secrets of these links stand in no URL that a browser asked for, and in no header that it sent.
pub(super) fn no_request_tells(seen: &Value, links: &[&str]) {
    let requests = seen["requests"].as_array().unwrap();
    assert!(!requests.is_empty());
    for link in links {
        let (path, secret) = link.split_once('#').unwrap();
        assert!(secret.len() > 40, "{path} has its secret in the fragment");
        for request in requests {
            assert!(!request.to_string().contains(secret), "{request}");
        }
    }
}
