//! `tools/list`: what the session's loadout offers, as it was pinned.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::Value;

use super::envelope::{Era, Incoming};
use super::{Context, admission, render, reply};
use crate::calls::{CallRefused, OfferedTool};
use crate::mcp::{Id, Object, RpcError, code, message};

/// For how long a list may be taken as current, in milliseconds. Short: a revocation ends calls at
/// once, but an agent should not plan with tools that are gone.
pub(super) const TTL_MS: u64 = 5_000;
/// A page ends after this many tools, or with the one that makes it longer than this many bytes.
const PAGE_TOOLS: usize = 200;
const PAGE_BYTES: usize = 512 * 1024;

pub(super) async fn answer(context: &Context, id: &Id, incoming: &Incoming) -> HttpResponse {
    let tools = match context.app.calls.tools(context.session, context.caller).await {
        Ok(tools) => tools,
        Err(CallRefused::Denied { denial, position: None }) => {
            return reply::problem(&admission::refused(context.caller, denial));
        }
        Err(refusal) => {
            return reply::refused(id, "", refusal).unwrap_or_else(|problem| reply::problem(&problem));
        }
    };
    let page = after(incoming).and_then(|after| page(&tools, after.as_deref(), incoming.era));
    match page {
        Ok(result) => reply::json(StatusCode::OK, message::answer(id, &result)),
        Err(error) => reply::error(id, &error),
    }
}

/// The name after which the page begins; the cursor is that name in hexadecimal, so that it stays
/// good when the list changes between two pages.
fn after(incoming: &Incoming) -> Result<Option<String>, RpcError> {
    let invalid = || RpcError::new(code::INVALID_PARAMS, "`cursor` is not one that was given here");
    let Some(params) = incoming.params.as_deref() else { return Ok(None) };
    let params = Object::read(params.get()).map_err(|_| invalid())?;
    if !params.has("cursor") {
        return Ok(None);
    }
    let cursor = params.string("cursor").and_then(|cursor| hex::decode(cursor).ok());
    cursor.and_then(|name| String::from_utf8(name).ok()).map(Some).ok_or_else(invalid)
}

/// One page, as the JSON of a result. `tools` are sorted by name.
fn page(tools: &[OfferedTool], after: Option<&str>, era: Era) -> Result<String, RpcError> {
    let mut written = String::from(r#"{"tools":["#);
    let rest = tools.iter().filter(|tool| after.is_none_or(|after| tool.name.as_str() > after));
    let (mut count, mut next) = (0, None);
    let mut rest = rest.peekable();
    while let Some(tool) = rest.next() {
        if count > 0 {
            written.push(',');
        }
        written.push_str(&definition(tool, era)?);
        count += 1;
        if (count == PAGE_TOOLS || written.len() > PAGE_BYTES) && rest.peek().is_some() {
            next = Some(hex::encode(&tool.name));
            break;
        }
    }
    written.push(']');
    let mut members: Vec<(&str, Value)> = Vec::new();
    members.extend(next.map(|cursor| ("nextCursor", Value::from(cursor))));
    if era == Era::Modern {
        members.extend([
            ("resultType", Value::from("complete")),
            ("ttlMs", Value::from(TTL_MS)),
            ("cacheScope", Value::from("private")),
            ("_meta", render::about_us()),
        ]);
    }
    for (key, value) in members {
        written.extend([",\"", key, "\":", &value.to_string()]);
    }
    written.push('}');
    Ok(written)
}

/// A definition as it was pinned, under the agent's name for the tool.
fn definition(tool: &OfferedTool, era: Era) -> Result<String, RpcError> {
    let object = Object::read(tool.definition.get()).map_err(|error| {
        tracing::error!(tool = %tool.name, %error, "a pinned definition cannot be read");
        RpcError::new(code::INTERNAL_ERROR, "a pinned definition cannot be read")
    })?;
    let name = Value::from(tool.name.as_str()).to_string();
    let mut changes = vec![("name", Some(name.as_str()))];
    // Older clients refuse a whole list over an output that isn't an object.
    if era == Era::Legacy && object.get("outputSchema").is_some_and(|schema| !describes_object(schema.get()))
    {
        changes.push(("outputSchema", None));
    }
    Ok(object.with(&changes))
}

fn describes_object(schema: &str) -> bool {
    Object::read(schema).is_ok_and(|schema| schema.string("type").as_deref() == Some("object"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use serde_json::value::RawValue;

    fn tool(name: &str, definition: &str) -> OfferedTool {
        let definition = Arc::from(RawValue::from_string(definition.into()).unwrap());
        OfferedTool { name: name.into(), definition, mirrored: Arc::default() }
    }

    const ODD: &str = r#"{"x-vendor":{"price":1.10}, "name" : "a", "inputSchema":{"type":"object"},"outputSchema":{"type":"array"}}"#;

    #[test]
    fn a_definition_is_shown_as_it_was_pinned_but_for_its_name() {
        let page = page(&[tool("b", ODD)], None, Era::Modern).unwrap();
        let expected = ODD.replace(r#""name" : "a""#, r#""name" : "b""#);
        assert!(page.starts_with(&format!(r#"{{"tools":[{expected}],"resultType""#)), "{page}");
    }

    #[test]
    fn an_older_list_has_nothing_that_older_clients_choke_on() {
        let page = page(&[tool("b", ODD)], None, Era::Legacy).unwrap();
        assert!(!page.contains("outputSchema") && page.ends_with("}}]}"), "{page}");
        let good = ODD.replace("array", "object");
        assert!(super::page(&[tool("b", &good)], None, Era::Legacy).unwrap().contains("outputSchema"));
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repetition_even_when_a_tool_goes() {
        let mut tools: Vec<_> = (0..450).map(|number| tool(&format!("tool-{number:03}"), ODD)).collect();
        let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page: Value =
                serde_json::from_str(&page(&tools, after.as_deref(), Era::Modern).unwrap()).unwrap();
            let names = page["tools"]
                .as_array()
                .unwrap()
                .iter()
                .map(|tool| tool["name"].as_str().unwrap().to_owned());
            seen.extend(names);
            pages += 1;
            let Some(cursor) = page.get("nextCursor").and_then(Value::as_str) else { break };
            after = Some(String::from_utf8(hex::decode(cursor).unwrap()).unwrap());
            tools.retain(|tool| Some(&tool.name) != after.as_ref());
        }
        assert_eq!(pages, 3);
        assert_eq!(seen, (0..450).map(|number| format!("tool-{number:03}")).collect::<Vec<_>>());
    }
}
