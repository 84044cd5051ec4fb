#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use serde_json::Value;

use super::document;

fn json() -> Value {
    serde_json::from_str(&document().to_json().unwrap()).unwrap()
}

/// Method, path and operation.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let methods = ["get", "post", "put", "patch", "delete"];
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if methods.contains(&method.as_str()) {
                all.push((method.clone(), path.clone(), operation));
            }
        }
    }
    assert!(all.len() > 25, "the document has its operations");
    all
}

#[test]
fn every_operation_has_an_id_of_its_own() {
    let document = json();
    let mut seen = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no id"));
        assert!(seen.insert(id.to_owned()), "`{id}` stands twice");
    }
}

#[test]
fn every_operation_says_what_it_is_for_and_what_it_answers() {
    let document = json();
    for (method, path, operation) in operations(&document) {
        assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        let responses = operation["responses"].as_object().unwrap();
        let good = responses.iter().find(|(status, _)| status.starts_with('2'));
        let (_, good) = good.unwrap_or_else(|| panic!("{method} {path} has no good answer"));
        assert!(good["content"]["application/json"]["schema"].is_object(), "{method} {path} has no schema");
    }
}

#[test]
fn every_operation_that_needs_a_credential_lists_its_problems() {
    let document = json();
    for (method, path, operation) in operations(&document) {
        if path.starts_with("/healthz") || path.starts_with("/readyz") {
            continue;
        }
        assert!(document["security"].is_array() && operation["security"].is_null(), "{method} {path}");
        for status in ["400", "401", "403", "404", "503"] {
            let content = &operation["responses"][status]["content"];
            let schema = &content["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {status}");
        }
    }
}

#[test]
fn every_write_answers_with_its_position_and_every_post_can_be_repeated() {
    let document = json();
    for (method, path, operation) in operations(&document) {
        if method == "get" {
            continue;
        }
        let responses = operation["responses"].as_object().unwrap();
        let good = responses.iter().find(|(status, _)| status.starts_with('2')).unwrap().1;
        assert!(good["headers"]["Tollbook-Position"].is_object(), "{method} {path}");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let repeatable = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        assert_eq!(repeatable, method == "post", "{method} {path}");
    }
}

#[test]
fn every_list_is_paged_and_every_read_takes_a_position() {
    let document = json();
    for (method, path, operation) in operations(&document) {
        if method != "get" || !path.starts_with("/v1/workspaces") {
            continue;
        }
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let has = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
        assert!(has("min_position"), "{path}");
        let schema = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].as_str();
        if schema.is_some_and(|schema| schema.contains("Page_")) {
            assert!(has("limit") && has("cursor"), "{path}");
        }
    }
}

#[test]
fn every_schema_that_is_named_is_there() {
    let document = json();
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                if let Some(name) = members.get("$ref").and_then(Value::as_str) {
                    let name = name.strip_prefix("#/components/schemas/").unwrap();
                    assert!(document["components"]["schemas"][name].is_object(), "`{name}` isn't there");
                }
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
}
