//! JSON-RPC messages, read without decoding their parameters and results.

use std::fmt;

use serde_json::value::{RawValue, to_raw_value};

use super::code;
use super::object::{NotAnObject, Object, quoted, within_depth};

/// How deep a message may be nested; ordinary JSON parsers stop at the same depth.
pub const DEPTH_MAX: usize = 128;
/// The longest id of a request, in bytes as JSON. It is recorded with the call.
const ID_MAX: usize = 256;

/// The id of a request, a string or an integer, as its sender wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Id(String);

impl Id {
    /// An id of our own.
    pub fn number(number: u64) -> Self {
        Self(number.to_string())
    }

    /// As JSON.
    pub fn json(&self) -> &str {
        &self.0
    }

    /// Reads the id of a message.
    pub fn read(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        let string = text.starts_with('"');
        let integer = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let storable = !text.contains("\\u0000");
        ((string || integer) && storable && text.len() <= ID_MAX).then(|| Self(text.to_owned()))
    }
}

/// One JSON-RPC message.
#[derive(Debug)]
pub enum Message<'a> {
    /// Wants an answer.
    Request {
        /// To answer under.
        id: Id,
        /// What is wanted.
        method: String,
        /// With what, an object.
        params: Option<&'a RawValue>,
    },
    /// Wants none.
    Notification {
        /// What happened.
        method: String,
        /// With what, an object.
        params: Option<&'a RawValue>,
    },
    /// The answer to a request.
    Result {
        /// Of the request.
        id: Id,
        /// The answer itself.
        result: &'a RawValue,
    },
    /// The refusal of a request.
    Error {
        /// Of the request, if the other side could read it.
        id: Option<Id>,
        /// What went wrong.
        error: RpcError,
    },
}

/// Why a text isn't one JSON-RPC message; with the code to answer, and the id if it could be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotAMessage {
    /// Of the JSON-RPC error.
    pub code: i64,
    /// In words.
    pub reason: &'static str,
    /// Of the request.
    pub id: Option<Id>,
}

impl<'a> Message<'a> {
    /// Reads one message.
    pub fn read(text: &'a str) -> Result<Self, NotAMessage> {
        let invalid = |reason| NotAMessage { code: code::INVALID_REQUEST, reason, id: None };
        if !within_depth(text, DEPTH_MAX) {
            return Err(invalid("the message is nested too deeply"));
        }
        if text.trim_start().starts_with('[') && serde_json::from_str::<&RawValue>(text).is_ok() {
            return Err(invalid("batches are not part of the protocol"));
        }
        let object = Object::read(text).map_err(|error| match error {
            NotAnObject::Twice(_) => invalid("a member stands twice in the message"),
            NotAnObject::Malformed(_) if serde_json::from_str::<&RawValue>(text).is_ok() => {
                invalid("a message is a JSON object")
            }
            NotAnObject::Malformed(_) => {
                NotAMessage { code: code::PARSE_ERROR, reason: "the body is not valid JSON", id: None }
            }
        })?;
        Self::from_object(&object)
    }

    fn from_object(object: &Object<'a>) -> Result<Self, NotAMessage> {
        let id = object.get("id").and_then(Id::read);
        let invalid = |reason| NotAMessage { code: code::INVALID_REQUEST, reason, id: id.clone() };
        if object.string("jsonrpc").as_deref() != Some("2.0") {
            return Err(invalid("`jsonrpc` must be \"2.0\""));
        }
        if object.has("method") {
            return Self::call(object, id.clone()).map_err(invalid);
        }
        match (object.get("result"), object.get("error"), id.clone()) {
            (Some(result), None, Some(id)) => Ok(Self::Result { id, result }),
            (None, Some(error), id) => match RpcError::read(error) {
                Some(error) => Ok(Self::Error { id, error }),
                None => Err(invalid("`error` needs an integer `code` and a string `message`")),
            },
            _ => Err(invalid("a message has a `method`, or an `id` and one of `result` and `error`")),
        }
    }

    fn call(object: &Object<'a>, id: Option<Id>) -> Result<Self, &'static str> {
        let method = object.string("method").ok_or("`method` must be a string")?;
        if object.has("result") || object.has("error") {
            return Err("a request has no `result` and no `error`");
        }
        let params = object.get("params");
        if params.is_some_and(|params| !params.get().starts_with('{')) {
            return Err("`params` must be an object");
        }
        match (object.has("id"), id) {
            (false, _) => Ok(Self::Notification { method, params }),
            (true, Some(id)) => Ok(Self::Request { id, method, params }),
            (true, None) => Err("`id` must be a string or an integer of at most 256 bytes"),
        }
    }
}

/// The error of a JSON-RPC message.
#[derive(Debug, Clone)]
pub struct RpcError {
    /// What kind.
    pub code: i64,
    /// In words.
    pub message: String,
    /// More, as the sender wrote it.
    pub data: Option<Box<RawValue>>,
}

impl RpcError {
    /// An error without more data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// With more, for programs.
    #[must_use]
    pub fn with_data(mut self, data: &impl serde::Serialize) -> Self {
        self.data = to_raw_value(data).ok();
        self
    }

    fn read(raw: &RawValue) -> Option<Self> {
        let object = Object::read(raw.get()).ok()?;
        let code = serde_json::from_str(object.get("code")?.get()).ok()?;
        let message = object.string("message")?;
        Some(Self { code, message, data: object.get("data").map(ToOwned::to_owned) })
    }

    /// As a whole message. Without an id where the request's couldn't be read.
    pub fn message(&self, id: Option<&Id>) -> String {
        let mut written = String::from(r#"{"jsonrpc":"2.0","#);
        if let Some(id) = id {
            written.extend(["\"id\":", id.json(), ","]);
        }
        written.extend([
            r#""error":{"code":"#,
            &self.code.to_string(),
            r#","message":"#,
            &quoted(&self.message),
        ]);
        if let Some(data) = &self.data {
            written.push_str(r#","data":"#);
            written.push_str(data.get());
        }
        written.push_str("}}");
        written
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.message, self.code)
    }
}

/// The answer to request `id`, `result` being JSON.
pub fn answer(id: &Id, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, id.json())
}

/// A request, `params` being JSON.
pub fn request(id: &Id, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{},"method":{},"params":{params}}}"#, id.json(), quoted(method))
}

/// A notification, `params` being JSON.
pub fn notification(method: &str, params: Option<&str>) -> String {
    match params {
        Some(params) => format!(r#"{{"jsonrpc":"2.0","method":{},"params":{params}}}"#, quoted(method)),
        None => format!(r#"{{"jsonrpc":"2.0","method":{}}}"#, quoted(method)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> i64 {
        Message::read(text).unwrap_err().code
    }

    #[test]
    fn a_request_keeps_its_id_and_parameters_as_written() {
        let text = r#"{"params":{"a": 1.0e2},"id":"\u00e4","method":"tools/call","jsonrpc":"2.0","odd":[]}"#;
        let Message::Request { id, method, params } = Message::read(text).unwrap() else {
            panic!("a request")
        };
        assert_eq!((id.json(), method.as_str()), (r#""\u00e4""#, "tools/call"));
        assert_eq!(params.unwrap().get(), r#"{"a": 1.0e2}"#);
    }

    #[test]
    fn what_is_not_json_is_told_from_what_is_not_a_request() {
        for text in ["", "{", r#"{"jsonrpc":"#, "nonsense", "[1,", "\u{feff}{}"] {
            assert_eq!(refused(text), code::PARSE_ERROR, "{text}");
        }
        for text in ["[]", "1", "null", "{}", r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#] {
            assert_eq!(refused(text), code::INVALID_REQUEST, "{text}");
        }
    }

    #[test]
    fn an_id_is_a_string_or_an_integer_and_never_null() {
        for id in ["null", "1.5", "true", "{}", "[1]", "1e3", r#""a\u0000""#] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(refused(&text), code::INVALID_REQUEST, "{id}");
        }
        for id in ["0", "-7", r#""""#, "12345678901234567890"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert!(matches!(Message::read(&text), Ok(Message::Request { .. })), "{id}");
        }
    }

    #[test]
    fn an_overlong_id_is_refused() {
        let text = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "x".repeat(300));
        assert_eq!(refused(&text), code::INVALID_REQUEST);
    }

    #[test]
    fn a_refused_request_is_answered_under_its_id() {
        let refused = Message::read(r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#).unwrap_err();
        assert_eq!(refused.id, Some(Id::number(7)));
    }

    #[test]
    fn a_member_that_stands_twice_is_refused() {
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#), code::INVALID_REQUEST);
    }

    #[test]
    fn nesting_is_bounded() {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"a":{}{}}}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        );
        assert_eq!(refused(&text), code::INVALID_REQUEST);
    }

    #[test]
    fn positional_parameters_are_refused() {
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}"#), code::INVALID_REQUEST);
    }

    #[test]
    fn an_error_survives_being_read_and_written() {
        let text =
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"a \"b\"","data":{"x": 1.0}}}"#;
        let Message::Error { id, error } = Message::read(text).unwrap() else { panic!("an error") };
        assert_eq!(error.message(id.as_ref()), text);
    }
}
