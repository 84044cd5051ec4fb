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
        let described = responses.values().all(|response| response["description"].is_string());
        assert!(described, "{method} {path} has an answer without a description");
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
fn every_path_parameter_is_described() {
    let document = json();
    for (method, path, operation) in operations(&document) {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let described: Vec<&str> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let named: Vec<&str> =
            path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(described, named, "{method} {path}");
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

/// The file is made anew with `UPDATE_GOLDEN=1`, or `make openapi`.
#[test]
fn committed_document_is_the_one_that_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/tollbook.json");
    let now = format!("{}\n", document().to_pretty_json().unwrap());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == now, "openapi/tollbook.json is stale: make openapi");
}
