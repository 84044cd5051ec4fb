//! Random histories that could have happened, as they are appended.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::{Aggregate, DomainEvent};
use tollbook_aggregates::access::Denial;
use tollbook_aggregates::*;
use tollbook_journal::{INSTANCE, NewEvent, SealedField, Stream};
use uuid::Uuid;

/// An event and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) workspace_id: Uuid,
    pub(crate) stream: Stream,
    pub(crate) event: NewEvent,
}

/// Of an aggregate, as the service would append it.
pub(crate) fn line<A: Aggregate>(workspace_id: Uuid, id: Uuid, event: &A::Event) -> Line
where
    A::Event: Fact,
{
    let sealed = |(field, text): (&'static str, &Private)| SealedField {
        field: Cow::Borrowed(field),
        commitment: [7; 32],
        key_id: Uuid::nil(),
        ciphertext: text.reveal().bytes().rev().collect(),
    };
    let new = NewEvent {
        event_id: Uuid::now_v7(),
        event_type: event.event_type().into(),
        event_version: event.event_version().into(),
        payload: serde_json::to_string(event).unwrap(),
        metadata: format!(
            r#"{{"actor":"user:{0}","credential":"api_key:{0}","request_id":"r1"}}"#,
            Uuid::nil()
        ),
        control: event.control(),
        narrows: event.narrows(),
        sealed: event.private().into_iter().map(sealed).collect(),
    };
    let stream = Stream { aggregate_type: A::TYPE.into(), aggregate_id: id.to_string() };
    Line { workspace_id, stream, event: new }
}

/// Xorshift: the same seed, the same story.
pub(crate) struct Story {
    state: u64,
    /// Of this story alone, so that stories can be told one after the other.
    chapter: u128,
    pub(crate) workspaces: Vec<Uuid>,
    sessions: Vec<(Uuid, Uuid)>,
    open_calls: Vec<(Uuid, Uuid, CallId)>,
    calls: u128,
    /// Happened already, but told next time.
    untold: Vec<Line>,
}

pub(crate) fn workspace(number: u128) -> Uuid {
    Uuid::from_u128(0xa000 + number)
}

fn noon() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn verifier() -> Verifier {
    Verifier {
        credential_id: Inline::new("0DPiKuNIrrVm").unwrap(),
        pepper_id: Inline::new("1").unwrap(),
        hmac: [0x5c; 32],
    }
}

impl Story {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            chapter: u128::from(seed) << 64,
            workspaces: Vec::new(),
            sessions: Vec::new(),
            open_calls: Vec::new(),
            calls: 0,
            untold: Vec::new(),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).unwrap() % bound
    }

    fn one<T: Copy>(&mut self, of: fn(&Self) -> &Vec<T>) -> T {
        let number = self.below(of(self).len());
        of(self)[number]
    }

    fn fresh<T: From<Uuid>>(&mut self) -> T {
        self.calls += 1;
        Uuid::from_u128(self.chapter + self.calls).into()
    }

    /// So many events, each possible after those before.
    pub(crate) fn tell(&mut self, events: usize) -> Vec<Line> {
        let mut lines = std::mem::take(&mut self.untold);
        while lines.len() < events {
            self.next(&mut lines);
        }
        self.untold = lines.split_off(events);
        lines
    }

    fn next(&mut self, lines: &mut Vec<Line>) {
        match self.below(100) {
            _ if self.workspaces.is_empty() || self.sessions.is_empty() => self.found(lines),
            0..2 => self.found(lines),
            2..5 => {
                let place = self.one(|story| &story.workspaces);
                let renamed = WorkspaceEvent::Renamed { name: "Other".into() };
                lines.push(line::<Workspace>(place, place, &renamed));
            }
            5..8 => {
                let (place, session) = self.one(|story| &story.sessions);
                lines.push(line::<Session>(
                    place,
                    session,
                    &SessionEvent::Revoked { reason: Some("x".into()) },
                ));
            }
            8..12 => self.member_comes_and_goes(lines),
            12..55 => self.call(lines),
            _ => self.end(lines),
        }
    }

    /// A workspace with one of each.
    fn found(&mut self, lines: &mut Vec<Line>) {
        let place = workspace(u128::try_from(self.workspaces.len()).unwrap() % 3 + (self.chapter >> 64) * 10);
        let known = self.workspaces.contains(&place);
        if !known {
            self.workspaces.push(place);
            lines.push(line::<Workspace>(place, place, &WorkspaceEvent::Created { name: "Acme".into() }));
        }
        let workspace_id = WorkspaceId(place);
        let user_id: UserId = self.fresh();
        lines.push(line::<User>(INSTANCE, user_id.0, &UserEvent::Registered { name: "Ada".into() }));
        let grant = KeyGrant {
            workspace_id,
            user_id,
            verifier: verifier(),
            role: Role::Admin,
            expires_at: None,
            narrowing: None,
            epoch: Epoch::FIRST,
        };
        let key: ApiKeyId = self.fresh();
        lines.push(line::<ApiKey>(
            place,
            key.0,
            &ApiKeyEvent::Created { grant, device_label: "laptop".into() },
        ));
        let server: ToolServerId = self.fresh();
        let registered = ToolServerEvent::Registered {
            workspace_id,
            authorization: Authorization::None,
            name: "Wiki".into(),
            url: "https://tools.example".into(),
        };
        lines.push(line::<ToolServer>(place, server.0, &registered));
        let loadout: LoadoutId = self.fresh();
        let created = LoadoutEvent::Created {
            workspace_id,
            tools: vec![PinnedTool {
                name: "search".into(),
                tool_server_id: server,
                tool: "search".into(),
                digest: "sha256:1".into(),
            }],
            name: "Research".into(),
            definitions: "[]".into(),
        };
        lines.push(line::<Loadout>(place, loadout.0, &created));
        let session: SessionId = self.fresh();
        let grant = Grant {
            workspace_id,
            user_id,
            made_with: MadeWith::ApiKey(key),
            loadout_id: loadout,
            loadout_version: 1,
            verifier: verifier(),
            expires_at: noon() + TimeDelta::hours(8),
            max_calls: None,
            epoch: Epoch::FIRST,
        };
        self.sessions.push((place, session.0));
        lines.push(line::<Session>(place, session.0, &SessionEvent::Created { grant, label: None }));
    }

    fn member_comes_and_goes(&mut self, lines: &mut Vec<Line>) {
        let place = self.one(|story| &story.workspaces);
        let user_id: UserId = self.fresh();
        let added = WorkspaceEvent::MemberAdded { user_id, role: Role::Member };
        lines.push(line::<Workspace>(place, place, &added));
        if self.below(2) == 0 {
            lines.push(line::<Workspace>(place, place, &WorkspaceEvent::MemberRemoved { user_id }));
        }
    }

    fn call(&mut self, lines: &mut Vec<Line>) {
        let (place, session) = self.one(|story| &story.sessions);
        let call_id: CallId = self.fresh();
        let call = ToolCall {
            call_id,
            tool: ["search", "fetch", "grep"][self.below(3)].into(),
            jsonrpc_id: Some("1".into()),
            argument_bytes: 2,
            argument_digest: None,
            self_declared_client: None,
        };
        let event = if self.below(5) == 0 {
            SessionEvent::ToolDenied { call, reason: Denial::NotInLoadout }
        } else {
            self.open_calls.push((place, session, call_id));
            let tool_server_id = ToolServerId(Uuid::from_u128(1));
            let route = Route { tool_server_id, upstream_tool: "search".into(), loadout_version: 1 };
            SessionEvent::ToolCalled { call, route }
        };
        lines.push(line::<Session>(place, session, &event));
    }

    fn end(&mut self, lines: &mut Vec<Line>) {
        if self.open_calls.is_empty() {
            return self.call(lines);
        }
        let call = self.below(self.open_calls.len());
        let (place, session, call_id) = self.open_calls.swap_remove(call);
        let completion = Completion { call_id, duration_ms: 12, response_bytes: 345 };
        let event = match self.below(4) {
            0 => SessionEvent::ToolCallTimedOut { completion },
            1 => SessionEvent::ToolCallOutcomeUnknown { call_id },
            _ => SessionEvent::ToolCallCompleted { completion, tool_error: false },
        };
        lines.push(line::<Session>(place, session, &event));
    }
}
