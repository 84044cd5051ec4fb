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
    let schema = match revision {
        "2025-11-25" => &*NOVEMBER_2025,
        "2026-07-28" => &*JULY_2026,
        other => return Err(format!("no schema of revision `{other}`")),
    };
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
    fn what_does_not_exist_validates_nothing() {
        assert!(validate("2024-01-01", "Tool", &json!({})).is_err());
        assert!(validate("2026-07-28", "NoSuchThing", &json!({})).is_err());
    }
}
