//! The index of the audit log: by which terms each event of the book is found.

use tollbook_aggregates::access::Denial;
use tollbook_aggregates::{
    ApiKeyEvent, DeviceEvent, Event, Grant, LinkEvent, LoadoutEvent, MadeWith, PinnedTool, SessionEvent,
    SignInEvent, ToolServerId, WhichKeys, WorkspaceEvent,
};

use crate::happening::Happening;
use crate::index::Index;
use crate::rows::{Decision, Outcome};
use crate::term::Term;

/// Finds events by type, actor, credential, request, stream and what they are about.
///
/// | term | found are |
/// |---|---|
/// | `type:session.tool_called` | events of this type |
/// | `stream:session:<id>` | what happened to this thing |
/// | `actor:user:<id>`, `credential:api_key:<id>`, `request:<id>` | what they did, what it was done with, on what occasion |
/// | `user:<id>`, `api_key:<id>`, `device:<id>`, `loadout:<id>`, `tool_server:<id>` | what names them; of a user and a tool server also what happened to them |
/// | `tool:<name>`, `call:<id>` | decisions on this tool (as the agent named it), all on this call |
/// | `decision:permit`, `reason:not_in_loadout`, `outcome:failed` | calls that went this way |
#[derive(Debug)]
pub struct AuditSearch;

impl Index for AuditSearch {
    const NAME: &'static str = "audit_search";
    const VERSION: u32 = 2;

    fn terms(happening: &Happening) -> Vec<Term> {
        let (recorded, metadata) = (&happening.recorded, &happening.metadata);
        let stream = format!("{}:{}", recorded.stream.aggregate_type, recorded.stream.aggregate_id);
        let mut terms = vec![Term::new("type", &recorded.event_type), Term::new("stream", stream)];
        let said = [
            ("actor", &metadata.actor),
            ("credential", &metadata.credential),
            ("request", &metadata.request_id),
        ];
        terms.extend(said.into_iter().filter_map(|(kind, value)| Some(Term::new(kind, value.as_ref()?))));
        about(happening, &mut terms);
        terms
    }
}

fn about(happening: &Happening, terms: &mut Vec<Term>) {
    match &happening.event {
        Event::Session(event) => about_session(event, terms),
        Event::Workspace(
            WorkspaceEvent::MemberAdded { user_id, .. }
            | WorkspaceEvent::MemberRoleChanged { user_id, .. }
            | WorkspaceEvent::MemberRemoved { user_id }
            | WorkspaceEvent::ApiKeysRevoked { which: WhichKeys::Of(user_id), .. },
        )
        | Event::OneTimeLink(LinkEvent::Redeemed { user_id }) => terms.push(Term::new("user", user_id)),
        Event::ApiKey(ApiKeyEvent::Created { grant, .. }) => terms.push(Term::new("user", grant.user_id)),
        Event::Device(DeviceEvent::SignedIn { grant, .. }) => terms.push(Term::new("user", grant.user_id)),
        Event::SignIn(SignInEvent::Created { grant, .. }) => terms.push(Term::new("user", grant.user_id)),
        Event::OneTimeLink(LinkEvent::Created { grant, .. }) => {
            terms.extend(grant.purpose.user_id().map(|user_id| Term::new("user", user_id)));
        }
        Event::User(_) => terms.push(Term::new("user", &happening.recorded.stream.aggregate_id)),
        Event::ToolServer(_) => {
            terms.push(Term::new("tool_server", &happening.recorded.stream.aggregate_id));
        }
        Event::Loadout(LoadoutEvent::Created { tools, .. } | LoadoutEvent::VersionCreated { tools, .. }) => {
            about_tools(tools, terms);
        }
        Event::Token(tollbook_aggregates::TokenEvent::Requested(holding)) => {
            terms.push(Term::new("user", holding.owner));
            terms.push(Term::new("tool_server", holding.tool_server_id));
        }
        Event::Instance(_)
        | Event::Operator(_)
        | Event::Workspace(_)
        | Event::Token(_)
        | Event::Loadout(_)
        | Event::ApiKey(_)
        | Event::Device(_)
        | Event::SignIn(_)
        | Event::OneTimeLink(_) => {}
    }
}

/// The servers of a selection, each once.
fn about_tools(tools: &[PinnedTool], terms: &mut Vec<Term>) {
    let mut servers: Vec<ToolServerId> = tools.iter().map(|tool| tool.tool_server_id).collect();
    servers.sort_unstable();
    servers.dedup();
    terms.extend(servers.into_iter().map(|id| Term::new("tool_server", id)));
}

fn about_session(event: &SessionEvent, terms: &mut Vec<Term>) {
    match event {
        SessionEvent::Created { grant, .. } => about_grant(grant, terms),
        SessionEvent::Revoked { .. } => {}
        SessionEvent::ToolCalled { call, route } => {
            terms.push(Term::new("decision", Decision::Permit.as_str()));
            terms.push(Term::new("tool_server", route.tool_server_id));
            terms.extend([Term::new("call", call.call_id), Term::new("tool", &call.tool)]);
        }
        SessionEvent::ToolAuthorized { call, route, .. } => {
            terms.push(Term::new("decision", Decision::Authorize.as_str()));
            terms.push(Term::new("tool_server", route.tool_server_id));
            terms.extend([Term::new("call", call.call_id), Term::new("tool", &call.tool)]);
        }
        SessionEvent::ToolDenied { call, reason } => {
            terms.push(Term::new("decision", Decision::Deny.as_str()));
            terms.push(AuditSearch::refused(*reason));
            terms.extend([Term::new("call", call.call_id), Term::new("tool", &call.tool)]);
        }
        ended => {
            if let Some((call_id, outcome)) = Outcome::told_by(ended) {
                terms.extend([Term::new("call", call_id), Term::new("outcome", outcome.as_str())]);
            }
        }
    }
}

fn about_grant(grant: &Grant, terms: &mut Vec<Term>) {
    terms.extend([Term::new("user", grant.user_id), Term::new("loadout", grant.loadout_id)]);
    terms.push(match grant.made_with {
        MadeWith::ApiKey(id) => Term::new("api_key", id),
        MadeWith::Device(id) => Term::new("device", id),
    });
}

/// As it is written in events.
impl AuditSearch {
    /// What finds the calls that were refused for this reason.
    pub fn refused(reason: Denial) -> Term {
        Term::new("reason", word(reason))
    }
}

fn word(reason: Denial) -> String {
    match serde_json::to_value(reason) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use tollbook_aggregates::{Completion, Route, ToolCall, ToolServerEvent};

    use super::*;
    use crate::rows::given::{happening, id};

    fn terms(event: SessionEvent) -> Vec<String> {
        let happening = happening(3, 1, &Event::Session(event));
        let mut terms: Vec<_> = AuditSearch::terms(&happening).iter().map(ToString::to_string).collect();
        terms.sort();
        terms
    }

    fn call(tool: &str) -> ToolCall {
        ToolCall {
            call_id: id(5),
            tool: tool.into(),
            jsonrpc_id: None,
            argument_bytes: 0,
            argument_digest: None,
            self_declared_client: None,
        }
    }

    fn of(kind: &str, number: u128) -> String {
        format!("{kind}:{}", id::<ToolServerId>(number))
    }

    #[test]
    fn call_is_found_by_who_asked_what_of_whom() {
        let route = Route { tool_server_id: id(6), upstream_tool: "search".into(), loadout_version: 1 };
        let found = terms(SessionEvent::ToolCalled { call: call("wiki_search"), route });
        let expected = [
            of("actor:user", 77),
            of("call", 5),
            of("credential:api_key", 77),
            "decision:permit".into(),
            "request:r3".into(),
            of("stream:session", 1),
            "tool:wiki_search".into(),
            of("tool_server", 6),
            "type:session.tool_called".into(),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn denial_is_found_by_its_reason() {
        let found = terms(SessionEvent::ToolDenied { call: call("x"), reason: Denial::NotInLoadout });
        assert!(found.contains(&"reason:not_in_loadout".to_owned()));
        assert!(found.contains(&"decision:deny".to_owned()));
    }

    #[test]
    fn outcome_is_found_by_its_call() {
        let completion = Completion { call_id: id(5), duration_ms: 1, response_bytes: 2 };
        let found = terms(SessionEvent::ToolCallTimedOut { completion });
        assert!(found.contains(&of("call", 5)) && found.contains(&"outcome:timed_out".to_owned()));
    }

    #[test]
    fn tool_server_is_found_by_its_own_events() {
        let event = Event::ToolServer(ToolServerEvent::Removed {});
        let found = AuditSearch::terms(&happening(0, 6, &event));
        assert!(found.contains(&Term::new("tool_server", id::<ToolServerId>(6))), "{found:?}");
    }

    #[test]
    fn loadout_is_found_by_each_of_its_servers_once() {
        let pin = |server| PinnedTool {
            name: String::new(),
            tool_server_id: id(server),
            tool: String::new(),
            digest: String::new(),
        };
        let (tools, definitions) = (vec![pin(6), pin(7), pin(6)], "[]".into());
        let event =
            Event::Loadout(LoadoutEvent::VersionCreated { version: 2, tools, dropped: vec![], definitions });
        let found = AuditSearch::terms(&happening(0, 1, &event));
        assert_eq!(found.iter().filter(|term| term.as_str().starts_with("tool_server:")).count(), 2);
    }
}
