//! Promise 2, for credentials: format, checksum, pepper; unknown and wrong are the same to whoever
//! asks; a revoked one is refused everywhere at once.

mod refusals;
mod revoked;

use reqwest::Method;
use serde_json::{Value, json};
use tollbook::credential::{Credential, Kind};

use super::load::{Door, Said, said};
use crate::house::TestHouse;

/// What is read with a credential, to see whether it is let in.
fn place(house: &TestHouse) -> String {
    house.path("")
}

/// Presents a credential.
async fn present(house: &TestHouse, credential: &str) -> Said {
    Door::new(&house.url, credential).get(&place(house)).await.expect("it answers")
}

/// The same credential with another secret: well formed, and wrong.
pub(super) fn with_another_secret(credential: &str) -> String {
    let known = Credential::parse(credential).expect("it is a credential");
    let forged = Credential::from_parts(known.kind(), known.id(), &[7; 32]).expect("it has the right shape");
    forged.expose().to_owned()
}

/// A well-formed credential that nobody was ever given.
pub(super) fn unknown(house: &TestHouse, kind: Kind) -> String {
    Credential::mint(kind, house.app.random.as_ref()).expect("there is randomness").expose().to_owned()
}

/// With another last character: the checksum doesn't fit.
pub(super) fn mistyped(credential: &str) -> String {
    let (head, last) = credential.split_at(credential.len() - 1);
    format!("{head}{}", if last == "0" { "1" } else { "0" })
}

/// What a client can tell apart: everything but which request it was, and when.
fn face(said: &Said) -> (u16, Vec<(String, String)>, Value) {
    let own = ["tollbook-request-id", "date"];
    let mut headers: Vec<_> = said
        .headers
        .iter()
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().expect("it is text").to_owned()))
        .collect();
    headers.sort();
    let mut body = said.json();
    assert!(body["request_id"].is_string(), "a problem names its request");
    body["request_id"] = Value::Null;
    (said.status.as_u16(), headers, body)
}

/// An API key of the owner's, made over REST: its id and itself.
pub(super) async fn api_key(house: &TestHouse, more: &[(&str, Value)]) -> (String, String) {
    let mut body = json!({ "device_label": "laptop" });
    for (name, value) in more {
        body[*name] = value.clone();
    }
    let made = house.post(&house.path("/api-keys"), &house.key, body).await.expect(201);
    let text = |name: &str| made[name].as_str().expect("it is a text").to_owned();
    (text("id"), text("key"))
}

/// A request with these `Authorization` headers and this query.
async fn raw(house: &TestHouse, path: &str, authorizations: &[&str]) -> Said {
    let mut request = house.request(Method::GET, path);
    for value in authorizations {
        request = request.header("authorization", *value);
    }
    said(request).await.expect("it answers")
}
