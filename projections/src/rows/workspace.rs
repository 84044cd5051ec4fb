//! The list of workspaces.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tollbook_aggregates::{Event, WorkspaceEvent, WorkspaceId};
use tollbook_journal::{INSTANCE, Position};
use uuid::Uuid;

use crate::happening::Happening;
use crate::projection::{Misfit, Projection, Sealed};

/// Workspaces by id. Listed under [`INSTANCE`], because the list of them belongs to none of them.
#[derive(Debug)]
pub struct Workspaces;

/// A workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceRow {
    /// Which.
    pub id: WorkspaceId,
    /// How it is called.
    pub name: Option<Sealed>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Of the newest event in here.
    pub position: Position,
}

impl Projection for Workspaces {
    const NAME: &'static str = "workspace";
    const VERSION: u32 = 1;
    const EVENTS: Option<&'static [&'static str]> = Some(&["workspace"]);
    type Row = WorkspaceRow;

    fn key(happening: &Happening) -> Option<String> {
        match &happening.event {
            Event::Workspace(WorkspaceEvent::Created { .. } | WorkspaceEvent::Renamed { .. }) => {
                Some(happening.recorded.stream.aggregate_id.clone())
            }
            _ => None,
        }
    }

    fn fold(row: Option<WorkspaceRow>, happening: &Happening) -> Result<Option<WorkspaceRow>, Misfit> {
        let (name, position) = (happening.sealed("name"), happening.position());
        if let Event::Workspace(WorkspaceEvent::Created { .. }) = &happening.event {
            let created_at = happening.recorded.recorded_at;
            return Ok(Some(WorkspaceRow { id: happening.subject()?, name, created_at, position }));
        }
        let row = row.ok_or_else(|| Misfit::absent("workspace"))?;
        Ok(Some(WorkspaceRow { name, position, ..row }))
    }

    fn workspace(_: &Happening) -> Uuid {
        INSTANCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::given::{given, id, sealed};

    fn created() -> Event {
        Event::Workspace(WorkspaceEvent::Created { name: "Acme".into() })
    }

    #[test]
    fn workspace_is_listed_from_its_first_event() {
        given::<Workspaces>([(1, created())]).then_expect([(
            "00000000-0000-0000-0000-000000000001",
            WorkspaceRow {
                id: id(1),
                name: sealed(0, "name"),
                created_at: crate::rows::given::time(0),
                position: Position(0),
            },
        )]);
    }

    #[test]
    fn renamed_workspace_points_to_its_newest_name() {
        let renamed = Event::Workspace(WorkspaceEvent::Renamed { name: "Other".into() });
        let rows = given::<Workspaces>([(1, created()), (1, renamed)]);
        let row = rows.only();
        assert_eq!((row.name.clone(), row.position), (sealed(1, "name"), Position(1)));
        assert_eq!(row.created_at, crate::rows::given::time(0));
    }

    #[test]
    fn what_was_never_made_cannot_be_renamed() {
        let renamed = Event::Workspace(WorkspaceEvent::Renamed { name: "Other".into() });
        given::<Workspaces>([(1, renamed)]).then_expect_misfit_at(0);
    }
}
