//! Looking into answers. They stay JSON here, so that `--json` shows whatever the service says.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

/// The member as text: a string as it is, anything else as JSON, nothing when it isn't there.
pub(super) fn text_of(value: &Value, member: &str) -> String {
    shown(value.get(member).unwrap_or(&Value::Null))
}

/// The value as text.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A member that is a number; 0 when it isn't there.
pub(super) fn number_of(value: &Value, member: &str) -> u64 {
    value.get(member).and_then(Value::as_u64).unwrap_or(0)
}

/// A member that is a list; empty when it isn't there.
pub(super) fn list_of<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A request's body with those of the members that were given.
pub(super) fn with<const N: usize>(mut body: Value, optional: [(&str, Option<Value>); N]) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    body
}

/// A time in whole seconds, for people.
pub(super) fn time_of(value: &Value, member: &str) -> String {
    let text = text_of(value, member);
    match DateTime::parse_from_rfc3339(&text) {
        Ok(time) => time.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::Secs, true),
        Err(_) => text,
    }
}
