//! JSON objects that keep their bytes: members are found and replaced, nothing else is touched.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Why a text can't be read as an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnObject {
    /// It is something else, or no JSON at all.
    #[error("not a JSON object: {0}")]
    Malformed(String),
    /// A member stands in it twice. Which one counts would depend on the reader.
    #[error("the member `{0}` stands twice")]
    Twice(String),
}

/// A JSON object, its members found but not decoded.
#[derive(Debug)]
pub struct Object<'a> {
    text: &'a str,
    members: Vec<Member<'a>>,
}

#[derive(Debug)]
struct Member<'a> {
    key: Cow<'a, str>,
    value: &'a RawValue,
    /// Where the key begins and the value ends, in bytes.
    start: usize,
    end: usize,
}

impl<'a> Object<'a> {
    /// Finds the members of `text`.
    pub fn read(text: &'a str) -> Result<Self, NotAnObject> {
        let malformed = |error: serde_json::Error| NotAnObject::Malformed(error.to_string());
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let pairs = deserializer.deserialize_map(Pairs).map_err(malformed)?;
        deserializer.end().map_err(malformed)?;
        let mut members: Vec<Member<'a>> = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let start = key.get().as_ptr().addr() - text.as_ptr().addr();
            let end = value.get().as_ptr().addr() - text.as_ptr().addr() + value.get().len();
            let key = decoded(key).map_err(malformed)?;
            if members.iter().any(|member| member.key == key) {
                return Err(NotAnObject::Twice(key.into_owned()));
            }
            members.push(Member { key, value, start, end });
        }
        Ok(Self { text, members })
    }

    /// The value of a member, as written.
    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.members.iter().find(|member| member.key == key).map(|member| member.value)
    }

    /// The value of a member that is a string.
    pub fn string(&self, key: &str) -> Option<String> {
        self.get(key).and_then(|value| serde_json::from_str(value.get()).ok())
    }

    /// Is there such a member?
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Keys and values, in the order in which they stand.
    pub fn members(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.members.iter().map(|member| (member.key.as_ref(), member.value))
    }

    /// The same object with some members changed: `Some(json)` is put in place of the old value, or
    /// at the end where there was none; `None` takes the member out. All other bytes stay.
    pub fn with(&self, changes: &[(&str, Option<&str>)]) -> String {
        let mut written = String::with_capacity(self.text.len() + 64);
        let first = self.members.first().map_or(self.text.len(), |member| member.start);
        let head = self.text.get(..first).unwrap_or("{");
        // An empty object has no first member: its head would swallow the closing brace.
        written.push_str(if self.members.is_empty() { "{" } else { head });
        let mut previous: Option<&Member<'_>> = None;
        let mut kept = false;
        for member in &self.members {
            let change = changes.iter().find(|(key, _)| *key == member.key).map(|(_, json)| *json);
            let json = match change {
                Some(None) => None,
                Some(Some(json)) => Some((json, true)),
                None => Some((member.value.get(), false)),
            };
            if let Some((json, replaced)) = json {
                if kept {
                    let from = previous.map_or(member.start, |previous| previous.end);
                    written.push_str(self.text.get(from..member.start).unwrap_or(","));
                }
                if replaced {
                    let key_end = member.end - member.value.get().len();
                    written.push_str(self.text.get(member.start..key_end).unwrap_or_default());
                    written.push_str(json);
                } else {
                    written.push_str(self.text.get(member.start..member.end).unwrap_or_default());
                }
                kept = true;
            }
            previous = Some(member);
        }
        for (key, json) in changes {
            if let Some(json) = json
                && !self.has(key)
            {
                if kept {
                    written.push(',');
                }
                written.push_str(&quoted(key));
                written.push(':');
                written.push_str(json);
                kept = true;
            }
        }
        let tail = previous.and_then(|last| self.text.get(last.end..)).unwrap_or("}");
        written.push_str(tail);
        written
    }
}

/// A string as JSON.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn decoded(key: &RawValue) -> serde_json::Result<Cow<'_, str>> {
    match serde_json::from_str::<&str>(key.get()) {
        Ok(plain) => Ok(Cow::Borrowed(plain)),
        Err(_) => serde_json::from_str::<String>(key.get()).map(Cow::Owned),
    }
}

/// Are arrays and objects nested at most `max` deep? `text` need not be valid JSON.
///
/// Raw values are scanned without recursion and so without a bound of their own, but whoever
/// decodes them later may recurse.
pub fn within_depth(text: &str, max: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > max {
                    return false;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(&'de RawValue, &'de RawValue)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        /// More members than any message has; the look-up of duplicates is quadratic.
        const MEMBERS_MAX: usize = 1_000;
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key()? {
            if pairs.len() == MEMBERS_MAX {
                return Err(A::Error::custom("more than 1000 members"));
            }
            pairs.push((key, map.next_value()?));
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: &str = "{ \"name\" : \"a\",\n\t\"x-vendor\":{\"n\":1.10,\"big\":12345678901234567890123,\"u\":\"\\u00fc\"} , \"\\u006eull\":null}";

    fn with(text: &str, changes: &[(&str, Option<&str>)]) -> String {
        Object::read(text).unwrap().with(changes)
    }

    #[test]
    fn nothing_changed_means_the_same_bytes() {
        assert_eq!(with(ODD, &[]), ODD);
        assert_eq!(with("{ }", &[]), "{}");
    }

    #[test]
    fn a_replaced_member_leaves_every_other_byte_as_it_was() {
        assert_eq!(with(ODD, &[("name", Some("\"b\""))]), ODD.replacen("\"a\"", "\"b\"", 1));
        assert_eq!(with(ODD, &[("null", Some("1"))]), ODD.replacen(":null}", ":1}", 1));
    }

    #[test]
    fn a_member_is_found_under_an_escaped_key() {
        assert_eq!(Object::read(ODD).unwrap().get("null").unwrap().get(), "null");
    }

    #[test]
    fn a_member_can_be_taken_out_wherever_it_stands() {
        let text = r#"{"a":1, "b":2, "c":3}"#;
        assert_eq!(with(text, &[("a", None)]), r#"{"b":2, "c":3}"#);
        assert_eq!(with(text, &[("b", None)]), r#"{"a":1, "c":3}"#);
        assert_eq!(with(text, &[("c", None)]), r#"{"a":1, "b":2}"#);
        assert_eq!(with(text, &[("a", None), ("b", None), ("c", None)]), "{}");
        assert_eq!(with(text, &[("a", None), ("c", None), ("d", Some("4"))]), r#"{"b":2,"d":4}"#);
    }

    #[test]
    fn a_new_member_stands_at_the_end() {
        assert_eq!(with("{}", &[("a", Some("1"))]), r#"{"a":1}"#);
        assert_eq!(with(r#"{"a":1}"#, &[("b", Some("2")), ("c", Some("3"))]), r#"{"a":1,"b":2,"c":3}"#);
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_even_if_one_is_escaped() {
        let twice = Object::read(r#"{"name":1,"na\u006de":2}"#).unwrap_err();
        assert_eq!(twice, NotAnObject::Twice("name".into()));
    }

    #[test]
    fn only_an_object_is_an_object() {
        for text in ["[]", "1", "", "{", "{}x", "{\"a\":}", "null"] {
            assert!(matches!(Object::read(text), Err(NotAnObject::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn depth_counts_brackets_outside_of_strings_only() {
        assert!(within_depth(r#"[[{"a":"[[[[\"[["}]]"#, 3));
        assert!(!within_depth("[[[[", 3));
        assert!(within_depth("[],[],[],[],[]", 1));
    }
}
