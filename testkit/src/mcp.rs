//! Judges JSON-RPC messages by the published schemas of the Model Context Protocol (`tests/spec/mcp`).

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::{Value, json};

static NOVEMBER_2025: LazyLock<Value> =
    LazyLock::new(|| parse(include_str!("../../tests/spec/mcp/schema-2025-11-25.json")));
static JULY_2026: LazyLock<Value> =
    LazyLock::new(|| parse(include_str!("../../tests/spec/mcp/schema-2026-07-28.json")));

type Compiled = HashMap<(String, String), Arc<Validator>>;
static COMPILED: LazyLock<Mutex<Compiled>> = LazyLock::new(Mutex::default);

/// Is `message` a valid request or notification of its method?
///
/// # Errors
/// As [`validate`]; or that the revision has no such method.
pub fn validate_request(revision: &str, message: &Value) -> Result<(), String> {
    let method = message["method"].as_str().ok_or_else(|| format!("no method: {message}"))?;
    validate(revision, definition_of(revision, method)?, message)
}

/// Is `message` a valid answer to a request of `method`: its result, or an error?
///
/// # Errors
/// As [`validate_request`].
pub fn validate_answer(revision: &str, method: &str, message: &Value) -> Result<(), String> {
    if message.get("error").is_some() {
        return validate(revision, "JSONRPCErrorResponse", message);
    }
    let stem = definition_of(revision, method)?.trim_end_matches("Request");
    let whole = format!("{stem}ResultResponse");
    if schema(revision)?["$defs"].get(&whole).is_some() {
        return validate(revision, &whole, message);
    }
    validate(revision, "JSONRPCResultResponse", message)?;
    let result = match method {
        "ping" => "EmptyResult".to_owned(),
        _ => format!("{stem}Result"),
    };
    validate(revision, &result, &message["result"])
}

/// The definition whose `method` is this one.
fn definition_of(revision: &str, method: &str) -> Result<&'static str, String> {
    let definitions = schema(revision)?["$defs"].as_object().ok_or("the schema has definitions")?;
    definitions
        .iter()
        .filter(|(name, _)| *name != "ClientNotification") // the union, not the one of its kind
        .find(|(_, definition)| definition["properties"]["method"]["const"] == method)
        .map(|(name, _)| name.as_str())
        .ok_or_else(|| format!("revision {revision} has no method `{method}`"))
}

fn schema(revision: &str) -> Result<&'static Value, String> {
    match revision {
        "2025-11-25" => Ok(&NOVEMBER_2025),
        "2026-07-28" => Ok(&JULY_2026),
        other => Err(format!("no schema of revision `{other}`")),
    }
}

/// Is `value` a valid `definition` (`CallToolResult`, `JSONRPCErrorResponse`, …) of `revision` (`2026-07-28` or
/// `2025-11-25`)?
///
/// # Errors
/// Every violation, one a line, with the place where it stands; or that there is no such revision or definition.
pub fn validate(revision: &str, definition: &str, value: &Value) -> Result<(), String> {
    let validator = validator(revision, definition)?;
    let faults: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{revision} {definition} at `{}`: {error}", error.instance_path()))
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

fn validator(revision: &str, definition: &str) -> Result<Arc<Validator>, String> {
    let key = (revision.to_owned(), definition.to_owned());
    let mut compiled = COMPILED.lock().map_err(|error| error.to_string())?;
    if let Some(validator) = compiled.get(&key) {
        return Ok(Arc::clone(validator));
    }
    let schema = schema(revision)?;
    if schema["$defs"].get(definition).is_none() {
        return Err(format!("revision {revision} defines no `{definition}`"));
    }
    let root = json!({
        "$schema": schema["$schema"],
        "$ref": format!("#/$defs/{definition}"),
        "$defs": schema["$defs"],
    });
    let validator = Arc::new(jsonschema::validator_for(&root).map_err(|error| error.to_string())?);
    compiled.insert(key, Arc::clone(&validator));
    Ok(validator)
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("the schema is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_revision_has_its_own_call_tool_result() {
        let modern = json!({ "content": [], "resultType": "complete" });
        let older = json!({ "content": [] });
        assert_eq!(validate("2026-07-28", "CallToolResult", &modern), Ok(()));
        assert_eq!(validate("2025-11-25", "CallToolResult", &older), Ok(()));
        assert!(validate("2026-07-28", "CallToolResult", &older).is_err());
    }

    #[test]
    fn a_fault_is_named_with_its_place() {
        let fault = validate("2025-11-25", "CallToolResult", &json!({ "content": 1 })).unwrap_err();
        assert!(fault.contains("`/content`"), "{fault}");
    }

    #[test]
    fn messages_are_judged_by_their_method() {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "echo" } });
        assert_eq!(validate_request("2025-11-25", &call), Ok(()));
        assert!(validate_request("2026-07-28", &call).is_err(), "the current revision needs `_meta`");

        let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": { "content": [] } });
        assert_eq!(validate_answer("2025-11-25", "tools/call", &answer), Ok(()));
        assert!(validate_answer("2026-07-28", "tools/call", &answer).is_err());
        assert!(validate_answer("2025-11-25", "tools/list", &answer).is_err());

        let pong = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
        assert_eq!(validate_answer("2025-11-25", "ping", &pong), Ok(()));
        assert!(validate_answer("2026-07-28", "ping", &pong).is_err(), "the current revision has no ping");

        let error = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32601, "message": "no" } });
        assert_eq!(validate_answer("2026-07-28", "tools/call", &error), Ok(()));
    }

    #[test]
    fn what_does_not_exist_validates_nothing() {
        assert!(validate("2024-01-01", "Tool", &json!({})).is_err());
        assert!(validate("2026-07-28", "NoSuchThing", &json!({})).is_err());
    }
}
