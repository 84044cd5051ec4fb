//! The list of sessions of a workspace.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tollbook_aggregates::{Event, LoadoutId, MadeWith, SessionEvent, SessionId, UserId, WorkspaceId};
use tollbook_journal::Position;

use crate::happening::Happening;
use crate::projection::{Misfit, Projection, Sealed};
use crate::term::Term;

/// Sessions by id.
#[derive(Debug)]
pub struct Sessions;

/// A session. Calls leave no trace in it: they have a list of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Which.
    pub id: SessionId,
    /// Where it belongs.
    pub workspace_id: WorkspaceId,
    /// Whose rights it carries.
    pub user_id: UserId,
    /// What its maker signed in with.
    pub made_with: MadeWith,
    /// On which loadout.
    pub loadout_id: LoadoutId,
    /// On which version of it.
    pub loadout_version: u32,
    /// What it is for.
    pub label: Option<Sealed>,
    /// How many calls it permits in all; any number, when absent.
    pub max_calls: Option<u64>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The first moment at which it no longer permits a call.
    pub expires_at: DateTime<Utc>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Why, if somebody said.
    pub revoked_because: Option<Sealed>,
    /// Of the newest event in here.
    pub position: Position,
}

/// What a session is at a moment, by itself. Whether it permits calls hangs on more: see
/// `tollbook_aggregates::access`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// Neither expired nor revoked.
    Open,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
}

impl SessionRow {
    /// What it is at this moment. No event says that time has passed, so it isn't in the row.
    pub fn status(&self, at: DateTime<Utc>) -> SessionStatus {
        match self.revoked_at {
            Some(_) => SessionStatus::Revoked,
            None if at >= self.expires_at => SessionStatus::Expired,
            None => SessionStatus::Open,
        }
    }
}

impl Projection for Sessions {
    const NAME: &'static str = "session";
    const VERSION: u32 = 1;
    const EVENTS: Option<&'static [&'static str]> = Some(&["session.created", "session.revoked"]);
    type Row = SessionRow;

    fn key(happening: &Happening) -> Option<String> {
        match &happening.event {
            Event::Session(SessionEvent::Created { .. } | SessionEvent::Revoked { .. }) => {
                Some(happening.recorded.stream.aggregate_id.clone())
            }
            _ => None,
        }
    }

    fn fold(row: Option<SessionRow>, happening: &Happening) -> Result<Option<SessionRow>, Misfit> {
        let (at, position) = (happening.recorded.recorded_at, happening.position());
        if let Event::Session(SessionEvent::Created { grant, .. }) = &happening.event {
            return Ok(Some(SessionRow {
                id: happening.subject()?,
                workspace_id: grant.workspace_id,
                user_id: grant.user_id,
                made_with: grant.made_with,
                loadout_id: grant.loadout_id,
                loadout_version: grant.loadout_version,
                label: happening.sealed("label"),
                max_calls: grant.max_calls,
                created_at: at,
                expires_at: grant.expires_at,
                revoked_at: None,
                revoked_because: None,
                position,
            }));
        }
        let row = row.ok_or_else(|| Misfit::absent("session"))?;
        if row.revoked_at.is_some() {
            return Ok(Some(SessionRow { position, ..row }));
        }
        let (revoked_at, revoked_because) = (Some(at), happening.sealed("reason"));
        Ok(Some(SessionRow { revoked_at, revoked_because, position, ..row }))
    }

    fn terms(row: &SessionRow) -> Vec<Term> {
        let made_with = match row.made_with {
            MadeWith::ApiKey(id) => Term::new("api_key", id),
            MadeWith::Device(id) => Term::new("device", id),
        };
        vec![
            Term::new("user", row.user_id),
            Term::new("loadout", row.loadout_id),
            made_with,
            Term::new("status", if row.revoked_at.is_some() { "revoked" } else { "unrevoked" }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::given::{given, id, sealed, time};
    use tollbook_aggregates::{CallId, Epoch, Grant, Verifier};

    fn created() -> (u128, Event) {
        let verifier = Verifier::default();
        let grant = Grant {
            workspace_id: id(9),
            user_id: id(2),
            made_with: MadeWith::ApiKey(id(3)),
            loadout_id: id(4),
            loadout_version: 1,
            verifier,
            expires_at: time(100),
            max_calls: Some(5),
            epoch: Epoch::FIRST,
        };
        (1, Event::Session(SessionEvent::Created { grant, label: Some("nightly".into()) }))
    }

    fn revoked(reason: Option<&str>) -> (u128, Event) {
        (1, Event::Session(SessionEvent::Revoked { reason: reason.map(Into::into) }))
    }

    #[test]
    fn session_is_listed_without_its_verifier() {
        let rows = given::<Sessions>([created()]);
        let row = SessionRow {
            id: id(1),
            workspace_id: id(9),
            user_id: id(2),
            made_with: MadeWith::ApiKey(id(3)),
            loadout_id: id(4),
            loadout_version: 1,
            label: sealed(0, "label"),
            max_calls: Some(5),
            created_at: time(0),
            expires_at: time(100),
            revoked_at: None,
            revoked_because: None,
            position: Position(0),
        };
        assert_eq!(rows.only(), &row);
        let of = |kind: &str, number| format!("{kind}:{}", id::<SessionId>(number));
        assert_eq!(
            rows.terms(),
            [of("api_key", 3), of("loadout", 4), "status:unrevoked".into(), of("user", 2)]
        );
    }

    #[test]
    fn first_revocation_stands() {
        let rows = given::<Sessions>([created(), revoked(Some("done")), revoked(None)]);
        assert_eq!(rows.only().revoked_at, Some(time(1)));
        assert_eq!(rows.only().revoked_because, sealed(1, "reason"));
        assert_eq!(rows.only().position, Position(2));
    }

    #[test]
    fn reason_that_nobody_gave_is_no_pointer() {
        assert_eq!(given::<Sessions>([created(), revoked(None)]).only().revoked_because, None);
    }

    #[test]
    fn status_follows_from_row_and_moment() {
        let (open, ended) = (given::<Sessions>([created()]), given::<Sessions>([created(), revoked(None)]));
        assert_eq!(open.only().status(time(99)), SessionStatus::Open);
        assert_eq!(open.only().status(time(100)), SessionStatus::Expired);
        assert_eq!(ended.only().status(time(99)), SessionStatus::Revoked);
        assert_eq!(ended.only().status(time(100)), SessionStatus::Revoked);
    }

    #[test]
    fn calls_do_not_touch_the_row() {
        let outcome = SessionEvent::ToolCallOutcomeUnknown { call_id: id::<CallId>(7) };
        let rows = given::<Sessions>([created(), (1, Event::Session(outcome))]);
        assert_eq!(rows.only().position, Position(0));
    }

    #[test]
    fn what_was_never_made_cannot_be_revoked() {
        given::<Sessions>([revoked(None)]).then_expect_misfit_at(0);
    }
}
