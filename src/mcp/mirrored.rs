//! Parameters that a tool wants to see in headers too (2026-07-28, Streamable HTTP, “Custom Headers
//! from Tool Parameters”).
//!
//! Towards a tool server the gateway is a client and must send them; towards an agent it is a server
//! and must check them, since whoever stands between may act on the header.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::header::PARAM_PREFIX;

const ANNOTATION: &str = "x-mcp-header";
/// Integers beyond can't be told apart by a JavaScript reader.
const SAFE_INTEGER: i64 = (1 << 53) - 1;

/// The parameters of one tool that are mirrored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrored(Vec<Parameter>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parameter {
    /// In lower case, prefix included.
    header: String,
    /// Property names from the root of the arguments.
    path: Vec<String>,
}

/// Why a header and the body disagree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MirrorMismatch {
    /// The body has a value, the headers don't.
    #[error("the header `{0}` is missing")]
    Missing(String),
    /// The header's value isn't the body's, can't be decoded, or stands twice.
    #[error("the header `{0}` does not match the body")]
    Differs(String),
}

impl Mirrored {
    /// Reads a tool's definition.
    ///
    /// # Errors
    /// What breaks the rules for annotations; a client must not offer such a tool.
    pub fn of(definition: &str) -> Result<Self, String> {
        // Nearly no tool has any; a definition may be large.
        if !definition.contains(ANNOTATION) {
            return Ok(Self::default());
        }
        let definition: Value = serde_json::from_str(definition).map_err(|error| error.to_string())?;
        let mut found = Self::default();
        let mut names = BTreeSet::new();
        if let Some(schema) = definition.get("inputSchema") {
            found.walk(schema, &mut Vec::new(), true, &mut names)?;
        }
        Ok(found)
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The headers to send with `arguments`: lower-case names and encoded values.
    pub fn headers(&self, arguments: Option<&str>) -> Vec<(String, String)> {
        let arguments = parsed(arguments);
        let value = |parameter: &Parameter| Some(encode(&text(parameter.value(&arguments)?)?));
        self.0.iter().filter_map(|parameter| Some((parameter.header.clone(), value(parameter)?))).collect()
    }

    /// Holds the headers of a request against its arguments. `sent` gives the values of a header, or
    /// `None` in place of one that isn't visible ASCII.
    pub fn verify<'h>(
        &self,
        arguments: Option<&str>,
        sent: impl Fn(&str) -> Vec<Option<&'h str>>,
    ) -> Result<(), MirrorMismatch> {
        if self.is_empty() {
            return Ok(());
        }
        let arguments = parsed(arguments);
        for parameter in &self.0 {
            let expected = parameter.value(&arguments).and_then(text);
            match (expected, sent(&parameter.header).as_slice()) {
                (None, []) => {}
                (Some(_), []) => return Err(MirrorMismatch::Missing(parameter.header.clone())),
                (Some(expected), [Some(sent)]) if decode(sent).is_some_and(|sent| same(&sent, &expected)) => {
                }
                _ => return Err(MirrorMismatch::Differs(parameter.header.clone())),
            }
        }
        Ok(())
    }

    fn walk(
        &mut self,
        schema: &Value,
        path: &mut Vec<String>,
        reachable: bool,
        names: &mut BTreeSet<String>,
    ) -> Result<(), String> {
        if let Value::Array(schemas) = schema {
            return schemas.iter().try_for_each(|schema| self.walk(schema, path, false, names));
        }
        let Value::Object(members) = schema else { return Ok(()) };
        if let Some(annotation) = members.get(ANNOTATION) {
            self.annotate(annotation, members.get("type"), path, reachable, names)?;
        }
        for (key, value) in members {
            match (key.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    for (name, schema) in properties {
                        path.push(name.clone());
                        self.walk(schema, path, reachable, names)?;
                        path.pop();
                    }
                }
                // Maps from names to schemas, none of them reachable through `properties` alone.
                (
                    "$defs" | "definitions" | "patternProperties" | "dependentSchemas",
                    Value::Object(schemas),
                ) => {
                    schemas.values().try_for_each(|schema| self.walk(schema, path, false, names))?;
                }
                // Values, not schemas.
                ("const" | "enum" | "default" | "examples", _) => {}
                _ => self.walk(value, path, false, names)?,
            }
        }
        Ok(())
    }

    fn annotate(
        &mut self,
        annotation: &Value,
        kind: Option<&Value>,
        path: &[String],
        reachable: bool,
        names: &mut BTreeSet<String>,
    ) -> Result<(), String> {
        let name = annotation.as_str().filter(|name| is_token(name));
        let name = name.ok_or_else(|| format!("`{ANNOTATION}` must name a header"))?;
        if !reachable || path.is_empty() {
            return Err(format!("`{ANNOTATION}` `{name}` is not reachable through `properties` alone"));
        }
        if !matches!(kind.and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
            return Err(format!("`{ANNOTATION}` `{name}` is not on a string, an integer or a boolean"));
        }
        let name = name.to_ascii_lowercase();
        if !names.insert(name.clone()) {
            return Err(format!("`{ANNOTATION}` `{name}` stands twice"));
        }
        self.0.push(Parameter { header: format!("{PARAM_PREFIX}{name}"), path: path.to_vec() });
        Ok(())
    }
}

impl Parameter {
    fn value<'v>(&self, arguments: &'v Value) -> Option<&'v Value> {
        self.path.iter().try_fold(arguments, |value, name| value.get(name))
    }
}

fn parsed(arguments: Option<&str>) -> Value {
    arguments.and_then(|arguments| serde_json::from_str(arguments).ok()).unwrap_or(Value::Null)
}

/// What of an argument travels in the header; nothing of what is null or not primitive.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => {
            let whole = number.as_i64().filter(|number| number.abs() <= SAFE_INTEGER);
            Some(whole.map_or_else(|| number.to_string(), |number| number.to_string()))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `42.0` and `42` are one number.
fn same(sent: &str, expected: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    sent == expected
        || matches!((number(sent), number(expected)), (Some(sent), Some(expected)) if sent.to_bits() == expected.to_bits())
}

fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

const SENTINEL: (&str, &str) = ("=?base64?", "?=");

/// A value as it travels in a header: as it is where that is safe, else in Base64.
pub fn encode(value: &str) -> String {
    let visible = value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    let trimmed = value.trim_matches([' ', '\t']).len() == value.len();
    let plain = !(value.starts_with(SENTINEL.0) && value.ends_with(SENTINEL.1));
    if visible && trimmed && plain {
        return value.to_owned();
    }
    format!("{}{}{}", SENTINEL.0, STANDARD.encode(value), SENTINEL.1)
}

/// The value that a header stands for; nothing if its encoding is broken.
pub fn decode(header: &str) -> Option<String> {
    match header.strip_prefix(SENTINEL.0).and_then(|rest| rest.strip_suffix(SENTINEL.1)) {
        Some(encoded) => STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok()),
        None => Some(header.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn definition(schema: &Value) -> String {
        json!({ "name": "t", "inputSchema": schema }).to_string()
    }

    fn nested() -> Mirrored {
        Mirrored::of(&definition(&json!({ "type": "object", "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "page": { "type": "object", "properties": { "size": { "type": "integer", "x-mcp-header": "Size" } } },
            "x-mcp-header": { "type": "string" },
        }})))
        .unwrap()
    }

    #[test]
    fn values_are_mirrored_from_their_exact_place() {
        let headers = nested().headers(Some(r#"{"region":"eu","page":{"size":10},"size":7}"#));
        let expected = [("mcp-param-size", "10"), ("mcp-param-region", "eu")];
        assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(nested().headers(Some(r#"{"region":null}"#)), []);
        assert_eq!(nested().headers(None), []);
    }

    #[test]
    fn a_header_must_say_what_the_body_says() {
        let arguments = Some(r#"{"region":"eu","page":{"size":42}}"#);
        let verify = |region: &'static [Option<&'static str>], size: &'static str| {
            nested().verify(arguments, move |name| {
                if name == "mcp-param-region" { region.to_vec() } else { vec![Some(size)] }
            })
        };
        assert_eq!(verify(&[Some("eu")], "42"), Ok(()));
        assert_eq!(verify(&[Some("=?base64?ZXU=?=")], "42.0"), Ok(()));
        let differs = Err(MirrorMismatch::Differs("mcp-param-region".into()));
        for wrong in [&[Some("us")][..], &[Some("eu"), Some("eu")], &[None], &[Some("=?base64?*?=")]] {
            assert_eq!(
                nested().verify(arguments, |name| if name.ends_with("region") {
                    wrong.to_vec()
                } else {
                    vec![Some("42")]
                }),
                differs
            );
        }
        assert_eq!(verify(&[], "42"), Err(MirrorMismatch::Missing("mcp-param-region".into())));
    }

    #[test]
    fn a_header_without_a_value_in_the_body_is_refused() {
        let sent = |name: &str| if name.ends_with("region") { vec![Some("eu")] } else { vec![] };
        assert!(nested().verify(Some("{}"), sent).is_err());
        assert_eq!(nested().verify(Some("{}"), |_| vec![]), Ok(()));
    }

    #[test]
    fn annotations_that_break_the_rules_are_named() {
        let bad = [
            json!({ "properties": { "a": { "type": "string", "x-mcp-header": "" } } }),
            json!({ "properties": { "a": { "type": "string", "x-mcp-header": "a b" } } }),
            json!({ "properties": { "a": { "type": "number", "x-mcp-header": "A" } } }),
            json!({ "properties": { "a": { "items": { "type": "string", "x-mcp-header": "A" } } } }),
            json!({ "properties": { "a": { "anyOf": [{ "type": "string", "x-mcp-header": "A" }] } } }),
            json!({ "$defs": { "a": { "type": "string", "x-mcp-header": "A" } } }),
            json!({ "type": "string", "x-mcp-header": "A" }),
            json!({ "properties": { "a": { "type": "string", "x-mcp-header": "A" }, "b": { "type": "string", "x-mcp-header": "a" } } }),
        ];
        for schema in bad {
            assert!(Mirrored::of(&definition(&schema)).is_err(), "{schema}");
        }
        let value = json!({ "properties": { "a": { "const": { "x-mcp-header": 1 } } } });
        assert_eq!(Mirrored::of(&definition(&value)), Ok(Mirrored::default()));
    }

    #[test]
    fn the_specification_s_examples_encode_as_written_there() {
        let examples = [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ];
        for (value, header) in examples {
            assert_eq!(encode(value), header);
            assert_eq!(decode(header).as_deref(), Some(value));
        }
    }
}
