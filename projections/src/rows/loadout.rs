//! The list of loadouts of a workspace.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tollbook_aggregates::{Event, LoadoutEvent, LoadoutId, PinnedTool, WorkspaceId};
use tollbook_journal::Position;

use crate::happening::Happening;
use crate::projection::{Misfit, Projection, Sealed};
use crate::term::Term;

/// Loadouts by id, each as its newest version stands. One that was removed stays, with the time at
/// which it was.
#[derive(Debug)]
pub struct Loadouts;

/// A loadout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadoutRow {
    /// Which.
    pub id: LoadoutId,
    /// Where it belongs.
    pub workspace_id: WorkspaceId,
    /// How it is called.
    pub name: Option<Sealed>,
    /// The newest version's number.
    pub version: u32,
    /// Of the newest version, in the order chosen.
    pub tools: Vec<PinnedTool>,
    /// Their definitions, a JSON object by the tools' names.
    pub definitions: Option<Sealed>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When its newest version was made.
    pub changed_at: DateTime<Utc>,
    /// When it was removed, if it was.
    pub removed_at: Option<DateTime<Utc>>,
    /// Of the newest event in here.
    pub position: Position,
}

impl Projection for Loadouts {
    const NAME: &'static str = "loadout";
    const VERSION: u32 = 1;
    const EVENTS: Option<&'static [&'static str]> = Some(&["loadout"]);
    type Row = LoadoutRow;

    fn key(happening: &Happening) -> Option<String> {
        match &happening.event {
            Event::Loadout(_) => Some(happening.recorded.stream.aggregate_id.clone()),
            _ => None,
        }
    }

    fn fold(row: Option<LoadoutRow>, happening: &Happening) -> Result<Option<LoadoutRow>, Misfit> {
        let Event::Loadout(event) = &happening.event else { return Ok(row) };
        let (at, position) = (happening.recorded.recorded_at, happening.position());
        let definitions = happening.sealed("definitions");
        if let LoadoutEvent::Created { workspace_id, tools, .. } = event {
            return Ok(Some(LoadoutRow {
                id: happening.subject()?,
                workspace_id: *workspace_id,
                name: happening.sealed("name"),
                version: 1,
                tools: tools.clone(),
                definitions,
                created_at: at,
                changed_at: at,
                removed_at: None,
                position,
            }));
        }
        let row = LoadoutRow { position, ..row.ok_or_else(|| Misfit::absent("loadout"))? };
        Ok(Some(match event {
            LoadoutEvent::Created { .. } => row,
            LoadoutEvent::VersionCreated { version, tools, .. } => {
                LoadoutRow { version: *version, tools: tools.clone(), definitions, changed_at: at, ..row }
            }
            LoadoutEvent::Removed {} => LoadoutRow { removed_at: row.removed_at.or(Some(at)), ..row },
        }))
    }

    fn terms(row: &LoadoutRow) -> Vec<Term> {
        vec![Term::new("status", if row.removed_at.is_some() { "removed" } else { "live" })]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::given::{given, id, sealed, time};

    fn tools(name: &str) -> Vec<PinnedTool> {
        let (name, tool, digest) = (name.to_owned(), name.to_owned(), "sha256:1".to_owned());
        vec![PinnedTool { name, tool_server_id: id(5), tool, digest }]
    }

    fn created() -> (u128, Event) {
        let (workspace_id, name, definitions) = (id(9), "Research".into(), "[]".into());
        let tools = tools("search");
        (1, Event::Loadout(LoadoutEvent::Created { workspace_id, tools, name, definitions }))
    }

    fn changed() -> (u128, Event) {
        let (tools, dropped, definitions) = (tools("fetch"), vec!["search".into()], "[]".into());
        (1, Event::Loadout(LoadoutEvent::VersionCreated { version: 2, tools, dropped, definitions }))
    }

    fn removed() -> (u128, Event) {
        (1, Event::Loadout(LoadoutEvent::Removed {}))
    }

    #[test]
    fn loadout_shows_its_newest_version() {
        let rows = given::<Loadouts>([created(), changed()]);
        let row = LoadoutRow {
            id: id(1),
            workspace_id: id(9),
            name: sealed(0, "name"),
            version: 2,
            tools: tools("fetch"),
            definitions: sealed(1, "definitions"),
            created_at: time(0),
            changed_at: time(1),
            removed_at: None,
            position: Position(1),
        };
        assert_eq!(rows.only(), &row);
        assert_eq!(rows.terms(), ["status:live"]);
    }

    #[test]
    fn removed_loadout_stays_and_says_since_when() {
        let rows = given::<Loadouts>([created(), removed(), removed()]);
        assert_eq!(rows.only().removed_at, Some(time(1)));
        assert_eq!(rows.terms(), ["status:removed"]);
    }

    #[test]
    fn what_was_never_made_is_a_misfit() {
        for event in [changed(), removed()] {
            given::<Loadouts>([event]).then_expect_misfit_at(0);
        }
    }
}
