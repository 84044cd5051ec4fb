//! From `SERVER/TOOL[=AS]` to the tools of a loadout.

use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::fields::{list_of, text_of};
use crate::cli::resolve::Rooms;

/// What was written, taken apart. Tools' names may hold slashes; a server whose name does is named by
/// its id.
#[derive(Debug, PartialEq, Eq)]
struct Wanted<'a> {
    server: &'a str,
    tool: &'a str,
    name: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn parse(text: &'a str) -> Result<Self, Failure> {
        let malformed = || Failure::usage(format!("`{text}` is not SERVER/TOOL or SERVER/TOOL=AS"));
        let (server, rest) = text.split_once('/').ok_or_else(malformed)?;
        let (tool, name) = match rest.split_once('=') {
            Some((tool, name)) => (tool, Some(name)),
            None => (rest, None),
        };
        if server.is_empty() || tool.is_empty() || name.is_some_and(str::is_empty) {
            return Err(malformed());
        }
        if tool == "*" && name.is_some() {
            return Err(Failure::usage(format!("`{text}`: many tools can't all be called the same")));
        }
        Ok(Self { server, tool, name })
    }
}

/// The tools, as the service wants them.
pub(super) async fn select(rooms: &Rooms, wanted: &[String]) -> Result<Vec<Value>, Failure> {
    let mut tools = Vec::new();
    for text in wanted {
        let Wanted { server, tool, name } = Wanted::parse(text)?;
        let id = rooms.server(server).await?;
        if tool == "*" {
            let all = rooms.client.get(&rooms.path(&["tool-servers", &id, "tools"]), &[]).await?;
            let each = |tool: &Value| json!({ "tool_server_id": id, "tool": text_of(tool, "name") });
            tools.extend(list_of(&all, "items").iter().map(each));
            continue;
        }
        let mut picked = json!({ "tool_server_id": id, "tool": tool });
        if let (Some(name), Some(members)) = (name, picked.as_object_mut()) {
            members.insert("as".to_owned(), name.into());
        }
        tools.push(picked);
    }
    Ok(tools)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(&str, &str, Option<&str>)> {
        Wanted::parse(text).ok().map(|wanted| (wanted.server, wanted.tool, wanted.name))
    }

    #[test]
    fn a_tool_is_named_behind_its_server() {
        assert_eq!(parts("wiki/search"), Some(("wiki", "search", None)));
        assert_eq!(parts("wiki/page/read"), Some(("wiki", "page/read", None)));
        assert_eq!(parts("wiki/search=find"), Some(("wiki", "search", Some("find"))));
        assert_eq!(parts("wiki/*"), Some(("wiki", "*", None)));
    }

    #[test]
    fn what_names_no_tool_is_refused() {
        for bad in ["wiki", "wiki/", "/search", "wiki/search=", "wiki/*=all", ""] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }
}
