//! The list of tool servers of a workspace.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tollbook_aggregates::{Authorization, Event, KnownTool, ToolServerEvent, ToolServerId, WorkspaceId};
use tollbook_journal::Position;

use crate::happening::Happening;
use crate::projection::{Misfit, Projection, Sealed};
use crate::term::Term;

/// Tool servers by id. One that was removed stays, with the time at which it was: what points to it
/// can still say what it was called.
#[derive(Debug)]
pub struct ToolServers;

/// A tool server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolServerRow {
    /// Which.
    pub id: ToolServerId,
    /// Where it belongs.
    pub workspace_id: WorkspaceId,
    /// How it is called.
    pub name: Option<Sealed>,
    /// Where it lies.
    pub url: Option<Sealed>,
    /// How calls to it are authorized.
    pub authorization: Authorization,
    /// As it last described them, in its order.
    pub tools: Vec<KnownTool>,
    /// Their definitions, a JSON object by the tools' names.
    pub definitions: Option<Sealed>,
    /// When `tools` last changed; never, when absent.
    pub tools_changed_at: Option<DateTime<Utc>>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it was removed, if it was.
    pub removed_at: Option<DateTime<Utc>>,
    /// Of the newest event in here.
    pub position: Position,
}

impl Projection for ToolServers {
    const NAME: &'static str = "tool_server";
    const VERSION: u32 = 1;
    const EVENTS: Option<&'static [&'static str]> = Some(&["tool_server"]);
    type Row = ToolServerRow;

    fn key(happening: &Happening) -> Option<String> {
        match &happening.event {
            Event::ToolServer(_) => Some(happening.recorded.stream.aggregate_id.clone()),
            _ => None,
        }
    }

    fn fold(row: Option<ToolServerRow>, happening: &Happening) -> Result<Option<ToolServerRow>, Misfit> {
        let Event::ToolServer(event) = &happening.event else { return Ok(row) };
        let (at, position) = (happening.recorded.recorded_at, happening.position());
        if let ToolServerEvent::Registered { workspace_id, authorization, .. } = event {
            return Ok(Some(ToolServerRow {
                id: happening.subject()?,
                workspace_id: *workspace_id,
                name: happening.sealed("name"),
                url: happening.sealed("url"),
                authorization: authorization.clone(),
                tools: Vec::new(),
                definitions: None,
                tools_changed_at: None,
                created_at: at,
                removed_at: None,
                position,
            }));
        }
        let row = ToolServerRow { position, ..row.ok_or_else(|| Misfit::absent("tool server"))? };
        Ok(Some(match event {
            ToolServerEvent::Registered { .. } => row,
            ToolServerEvent::Renamed { .. } => ToolServerRow { name: happening.sealed("name"), ..row },
            ToolServerEvent::ToolsRefreshed { tools, .. } => ToolServerRow {
                tools: tools.clone(),
                definitions: happening.sealed("definitions"),
                tools_changed_at: Some(at),
                ..row
            },
            ToolServerEvent::Removed {} => ToolServerRow { removed_at: row.removed_at.or(Some(at)), ..row },
        }))
    }

    fn terms(row: &ToolServerRow) -> Vec<Term> {
        vec![Term::new("status", if row.removed_at.is_some() { "removed" } else { "live" })]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::given::{given, id, sealed, time};

    fn registered() -> (u128, Event) {
        let (name, url) = ("Wiki".into(), "https://tools.example".into());
        let (workspace_id, authorization) = (id(9), Authorization::None);
        (1, Event::ToolServer(ToolServerEvent::Registered { workspace_id, authorization, name, url }))
    }

    fn tools() -> Vec<KnownTool> {
        vec![KnownTool { name: "search".into(), digest: "sha256:1".into() }]
    }

    fn refreshed() -> (u128, Event) {
        let (tools, changed, definitions) = (tools(), vec![], "[]".into());
        (1, Event::ToolServer(ToolServerEvent::ToolsRefreshed { tools, changed, definitions }))
    }

    fn renamed() -> (u128, Event) {
        (1, Event::ToolServer(ToolServerEvent::Renamed { name: "Docs".into() }))
    }

    fn removed() -> (u128, Event) {
        (1, Event::ToolServer(ToolServerEvent::Removed {}))
    }

    #[test]
    fn server_shows_its_newest_name_and_tools() {
        let rows = given::<ToolServers>([registered(), refreshed(), renamed()]);
        let row = ToolServerRow {
            id: id(1),
            workspace_id: id(9),
            name: sealed(2, "name"),
            url: sealed(0, "url"),
            authorization: Authorization::None,
            tools: tools(),
            definitions: sealed(1, "definitions"),
            tools_changed_at: Some(time(1)),
            created_at: time(0),
            removed_at: None,
            position: Position(2),
        };
        assert_eq!(rows.only(), &row);
        assert_eq!(rows.terms(), ["status:live"]);
    }

    #[test]
    fn removed_server_stays_and_says_since_when() {
        let rows = given::<ToolServers>([registered(), removed(), removed()]);
        assert_eq!(rows.only().removed_at, Some(time(1)));
        assert_eq!(rows.terms(), ["status:removed"]);
    }

    #[test]
    fn what_was_never_registered_is_a_misfit() {
        for event in [refreshed(), renamed(), removed()] {
            given::<ToolServers>([event]).then_expect_misfit_at(0);
        }
    }
}
