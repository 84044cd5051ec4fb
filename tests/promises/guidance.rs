//! Who is refused is told what to do, and it is true for the case.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use serde_json::{Value, json};
use tollbook::credential::Kind;

use super::credentials::{api_key, mistyped, unknown};
use crate::house::{Answer, TestHouse};

const SIGN_IN: &str = "tollbook login --with-api-key";

/// The refusal's code and what it says to do.
fn told(answer: Answer, status: u16) -> (String, String, Value) {
    let challenge = answer.headers.get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(status == 401, answer.status.as_u16() == 401);
    if status == 401 {
        let challenge = challenge.expect("a 401 carries a challenge (RFC 9110, section 11.6.1)");
        assert!(challenge.starts_with("Bearer realm=\"tollbook\""), "{challenge}");
        let missing = answer.body["code"] == "credential.missing";
        assert_eq!(missing, !challenge.contains("error="), "no error where nothing was sent: {challenge}");
    }
    let remediation = answer.body["remediation"].clone();
    let action = remediation["action"].as_str().expect("it says what to do").to_owned();
    (answer.problem(status), action, remediation["command"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_credential_is_told_what_to_do_about_it() {
    let house = TestHouse::sqlite().await;
    let ends = house.app.clock.now() + TimeDelta::minutes(30);
    let (_, expiring) = api_key(&house, &[("expires_at", json!(ends))]).await;
    let (id, revoked) = api_key(&house, &[]).await;
    house.post(&house.path(&format!("/api-keys/{id}/revoke")), &house.key, json!({})).await.expect(200);
    house.app.clock.set_ahead(TimeDelta::minutes(31));
    for (key, code, action, command) in [
        ("", "credential.missing", "sign in once", SIGN_IN),
        (&mistyped(&house.key), "credential.malformed", "Copy it again", "tollbook key check"),
        (&unknown(&house, Kind::ApiKey), "credential.unknown", "this service and no other", SIGN_IN),
        (&expiring, "credential.expired", "Make a new key", SIGN_IN),
        (&revoked, "credential.revoked", "doesn't come back", SIGN_IN),
    ] {
        let (told_code, said, pasted) = told(house.get(&house.path(""), key).await, 401);
        assert_eq!((told_code.as_str(), &pasted), (code, &json!(command)));
        assert!(said.contains(action), "{code}: {said}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_is_told_who_can_grant_it() {
    let house = TestHouse::sqlite().await;
    let (_, auditor) = api_key(&house, &[("role", json!("auditor"))]).await;
    let body = json!({ "name": "Mine", "url": "http://127.0.0.1:9/mcp" });
    let refused = house.post(&house.path("/tool-servers"), &auditor, body).await;
    let (code, action, command) = told(refused, 403);
    assert_eq!((code.as_str(), &command), ("insufficient_scope", &json!("tollbook status")));
    assert!(action.contains("an owner or an admin") && action.contains("`tool_servers:write`"), "{action}");
    let (_, action, _) = told(house.get("/v1/operator/health", &house.key).await, 403);
    assert!(action.contains("operator credential"), "{action}");
    house.stop().await;
}

/// Nobody makes a 401 or 403 but by the functions that ask for guidance.
#[test]
fn no_refusal_is_made_without_guidance() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 100, "these are the sources");
    let mut faults = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let tested = text.find("#[cfg(test)]").unwrap_or(text.len());
        let bare: String = text[..tested].split_whitespace().collect();
        let of_problem = file.ends_with("src/problem.rs");
        for status in ["FORBIDDEN", "UNAUTHORIZED"] {
            if bare.contains(&format!("Problem::new(StatusCode::{status}")) && !of_problem {
                faults.push(format!("{}: {status}", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "use Problem::forbidden or Problem::unauthorized:\n{}", faults.join("\n"));
}

fn sources(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
