//! A tool as its server defines it, byte for byte.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::mcp::Object;

/// The longest name of a tool, in bytes; the protocol recommends at most 128 characters.
const NAME_MAX: usize = 256;

/// The definition of one tool.
#[derive(Debug, Clone)]
pub struct ToolDefinition {
    /// The server's own name for it.
    pub name: String,
    /// All of it, as the server wrote it.
    pub raw: Box<RawValue>,
}

impl ToolDefinition {
    /// Reads one element of a list of tools.
    ///
    /// # Errors
    /// What makes it unusable: clients refuse a whole list for one such definition.
    pub fn read(raw: &RawValue) -> Result<Self, String> {
        let object = Object::read(raw.get()).map_err(|error| error.to_string())?;
        let name = object.string("name").ok_or("it has no name")?;
        if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
            return Err(format!("its name has not 1 to {NAME_MAX} bytes, or control characters"));
        }
        let schema = object.get("inputSchema").ok_or("it has no `inputSchema`")?;
        let schema = Object::read(schema.get()).map_err(|error| format!("`inputSchema`: {error}"))?;
        if schema.string("type").as_deref() != Some("object") {
            return Err("its `inputSchema` is not of type `object`".into());
        }
        Ok(Self { name, raw: raw.to_owned() })
    }

    /// What pins it: two definitions with the same digest say the same.
    pub fn digest(&self) -> String {
        digest_of(&self.raw)
    }

    /// What it does, in its server's words.
    pub fn description(&self) -> Option<String> {
        Object::read(self.raw.get()).ok()?.string("description")
    }

    /// The JSON Schema of its arguments.
    pub fn input_schema(&self) -> Option<&RawValue> {
        Object::read(self.raw.get()).ok()?.get("inputSchema")
    }
}

/// `sha256:` and the hexadecimal digest of a JSON text without insignificant space, the members of
/// every object sorted by the bytes of their names. Numbers count as they are written.
pub fn digest_of(raw: &RawValue) -> String {
    let mut canonical = String::with_capacity(raw.get().len());
    write_canonical(raw.get(), &mut canonical);
    format!("sha256:{}", hex::encode(Sha256::digest(canonical)))
}

/// What can't be read is taken as it is; `raw` was valid JSON when it came, and its depth is bounded
/// where messages are read.
fn write_canonical(json: &str, out: &mut String) {
    match json.as_bytes().first() {
        Some(b'{') => match serde_json::from_str::<BTreeMap<String, &RawValue>>(json) {
            Ok(members) => {
                let members = members.iter().map(|(key, value)| (Some(key.as_str()), *value));
                write_joined(members, ('{', '}'), out);
            }
            Err(_) => out.push_str(json),
        },
        Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(json) {
            Ok(elements) => write_joined(elements.into_iter().map(|value| (None, value)), ('[', ']'), out),
            Err(_) => out.push_str(json),
        },
        Some(b'"') => match serde_json::from_str::<String>(json) {
            Ok(text) => out.push_str(&serde_json::Value::from(text).to_string()),
            Err(_) => out.push_str(json),
        },
        _ => out.push_str(json),
    }
}

fn write_joined<'a>(
    items: impl Iterator<Item = (Option<&'a str>, &'a RawValue)>,
    (open, close): (char, char),
    out: &mut String,
) {
    out.push(open);
    for (index, (key, value)) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        if let Some(key) = key {
            out.push_str(&serde_json::Value::from(key).to_string());
            out.push(':');
        }
        write_canonical(value.get(), out);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.into()).unwrap()
    }

    #[test]
    fn order_and_space_do_not_change_the_digest() {
        let one = raw(r#"{"name":"a","inputSchema":{"type":"object","x":[1,{"b":2,"a":"\u00fc"}]}}"#);
        let other = raw(
            "{ \"inputSchema\" : {\"x\":[1, {\"a\":\"ü\",\"b\":2}],\n\"type\":\"object\"}, \"name\":\"a\"}",
        );
        assert_eq!(digest_of(&one), digest_of(&other));
    }

    #[test]
    fn everything_else_changes_the_digest() {
        let one = digest_of(&raw(r#"{"a":[1,2],"b":1.0}"#));
        for other in [
            r#"{"a":[2,1],"b":1.0}"#,
            r#"{"a":[1,2],"b":1}"#,
            r#"{"a":[1,2],"b":1.0,"c":null}"#,
            r#"{"a":[1,2]}"#,
        ] {
            assert_ne!(digest_of(&raw(other)), one, "{other}");
        }
    }

    #[test]
    fn the_digest_is_the_one_that_was_pinned_before() {
        // printf '{"a":1,"b":[]}' | sha256sum
        let pinned = "sha256:f87e4099e9be5e75094e0a4f46d3dc18a9c37429314a5a2490fb78d31e7e170c";
        assert_eq!(digest_of(&raw(r#"{"b": [], "a": 1}"#)), pinned);
    }

    #[test]
    fn a_definition_that_clients_would_choke_on_is_not_read() {
        for bad in [
            r#"{"inputSchema":{"type":"object"}}"#,
            r#"{"name":"","inputSchema":{"type":"object"}}"#,
            r#"{"name":"a\u0000","inputSchema":{"type":"object"}}"#,
            r#"{"name":"a"}"#,
            r#"{"name":"a","inputSchema":null}"#,
            r#"{"name":"a","inputSchema":{"type":"string"}}"#,
            r#"{"name":"a","name":"b","inputSchema":{"type":"object"}}"#,
        ] {
            assert!(ToolDefinition::read(&raw(bad)).is_err(), "{bad}");
        }
    }
}
