//! Who is in which workspace, and as what.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tollbook_aggregates::{Event, Role, UserId, WorkspaceEvent, WorkspaceId};
use tollbook_journal::Position;

use crate::happening::Happening;
use crate::projection::{Misfit, Projection};
use crate::term::Term;

/// Members by workspace and user. Whoever left has no row any more.
#[derive(Debug)]
pub struct Members;

/// A person in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// Where.
    pub workspace_id: WorkspaceId,
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: Role,
    /// Since when they are a member.
    pub since: DateTime<Utc>,
    /// Of the newest event in here.
    pub position: Position,
}

/// The key of a member's row.
pub fn member_key(workspace_id: WorkspaceId, user_id: UserId) -> String {
    format!("{workspace_id}/{user_id}")
}

impl Projection for Members {
    const NAME: &'static str = "member";
    const VERSION: u32 = 1;
    const EVENTS: Option<&'static [&'static str]> = Some(&["workspace"]);
    type Row = MemberRow;

    fn key(happening: &Happening) -> Option<String> {
        match &happening.event {
            Event::Workspace(
                WorkspaceEvent::MemberAdded { user_id, .. }
                | WorkspaceEvent::MemberRoleChanged { user_id, .. }
                | WorkspaceEvent::MemberRemoved { user_id },
            ) => Some(format!("{}/{user_id}", happening.recorded.stream.aggregate_id)),
            _ => None,
        }
    }

    fn fold(row: Option<MemberRow>, happening: &Happening) -> Result<Option<MemberRow>, Misfit> {
        let position = happening.position();
        match (&happening.event, row) {
            (Event::Workspace(WorkspaceEvent::MemberAdded { user_id, role }), _) => Ok(Some(MemberRow {
                workspace_id: happening.subject()?,
                user_id: *user_id,
                role: *role,
                since: happening.recorded.recorded_at,
                position,
            })),
            (Event::Workspace(WorkspaceEvent::MemberRoleChanged { to, .. }), Some(row)) => {
                Ok(Some(MemberRow { role: *to, position, ..row }))
            }
            (Event::Workspace(WorkspaceEvent::MemberRemoved { .. }), Some(_)) => Ok(None),
            _ => Err(Misfit::absent("membership")),
        }
    }

    fn terms(row: &MemberRow) -> Vec<Term> {
        vec![Term::new("user", row.user_id), Term::new("role", row.role.as_str())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::given::{given, id, time};

    fn added(role: Role) -> (u128, Event) {
        (1, Event::Workspace(WorkspaceEvent::MemberAdded { user_id: id(2), role }))
    }

    fn changed() -> (u128, Event) {
        let (from, to) = (Role::Member, Role::Admin);
        (1, Event::Workspace(WorkspaceEvent::MemberRoleChanged { user_id: id(2), from, to }))
    }

    fn removed() -> (u128, Event) {
        (1, Event::Workspace(WorkspaceEvent::MemberRemoved { user_id: id(2) }))
    }

    #[test]
    fn member_has_the_newest_role() {
        let (workspace_id, user_id) = (id(1), id(2));
        let row =
            MemberRow { workspace_id, user_id, role: Role::Admin, since: time(0), position: Position(1) };
        given::<Members>([added(Role::Member), changed()])
            .then_expect([(&member_key(workspace_id, user_id), row)]);
    }

    #[test]
    fn whoever_left_has_no_row_and_begins_anew() {
        given::<Members>([added(Role::Member), removed()]).then_expect([]);
        let back = given::<Members>([added(Role::Owner), removed(), added(Role::Member)]);
        assert_eq!((back.only().role, back.only().since), (Role::Member, time(2)));
        assert_eq!(back.terms(), ["role:member", &format!("user:{}", id::<UserId>(2))]);
    }

    #[test]
    fn stranger_neither_changes_nor_leaves() {
        given::<Members>([changed()]).then_expect_misfit_at(0);
        given::<Members>([added(Role::Member), removed(), removed()]).then_expect_misfit_at(2);
    }
}
