//! The list of API keys of a workspace.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tollbook_aggregates::{ApiKeyEvent, ApiKeyId, Event, Narrowing, Role, UserId, WorkspaceId};
use tollbook_journal::Position;

use crate::happening::Happening;
use crate::projection::{Misfit, Projection, Sealed};
use crate::term::Term;

/// API keys by id.
#[derive(Debug)]
pub struct ApiKeys;

/// An API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRow {
    /// Which.
    pub id: ApiKeyId,
    /// The only workspace in which it is worth anything.
    pub workspace_id: WorkspaceId,
    /// Whose rights it carries.
    pub user_id: UserId,
    /// The most that it carries of them.
    pub role: Role,
    /// The public part of its newest secret, of which `tbk_key_…` is shown.
    pub credential_id: String,
    /// What it is narrowed to, below the role.
    pub narrowing: Option<Box<Narrowing>>,
    /// Where it is used.
    pub device_label: Option<Sealed>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The first moment at which it is no longer valid, if there is one.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Why, if somebody said.
    pub revoked_because: Option<Sealed>,
    /// When it was last given another secret, if it was.
    pub rotated_at: Option<DateTime<Utc>>,
    /// Until when the secret before the newest is good, too.
    pub former_until: Option<DateTime<Utc>>,
    /// Since when it has waited for its link to be redeemed, if it does.
    pub reset_at: Option<DateTime<Utc>>,
    /// Of the newest event in here.
    pub position: Position,
}

impl Projection for ApiKeys {
    const NAME: &'static str = "api_key";
    const VERSION: u32 = 2;
    const EVENTS: Option<&'static [&'static str]> = Some(&["api_key"]);
    type Row = ApiKeyRow;

    fn key(happening: &Happening) -> Option<String> {
        match &happening.event {
            Event::ApiKey(_) => Some(happening.recorded.stream.aggregate_id.clone()),
            _ => None,
        }
    }

    fn fold(row: Option<ApiKeyRow>, happening: &Happening) -> Result<Option<ApiKeyRow>, Misfit> {
        let Event::ApiKey(event) = &happening.event else { return Ok(row) };
        let (at, position) = (happening.recorded.recorded_at, happening.position());
        match (event, row) {
            (ApiKeyEvent::Created { grant, .. }, _) => Ok(Some(ApiKeyRow {
                id: happening.subject()?,
                workspace_id: grant.workspace_id,
                user_id: grant.user_id,
                role: grant.role,
                credential_id: grant.verifier.credential_id.as_str().to_owned(),
                device_label: happening.sealed("device_label"),
                created_at: at,
                expires_at: grant.expires_at,
                revoked_at: None,
                revoked_because: None,
                narrowing: grant.narrowing.clone(),
                rotated_at: None,
                former_until: None,
                reset_at: None,
                position,
            })),
            (ApiKeyEvent::Rotated { verifier, former_until }, Some(row)) => Ok(Some(ApiKeyRow {
                credential_id: verifier.credential_id.as_str().to_owned(),
                rotated_at: Some(at),
                former_until: *former_until,
                reset_at: None,
                position,
                ..row
            })),
            (ApiKeyEvent::Reset { .. }, Some(row)) => {
                let (reset_at, former_until) = (Some(at), None);
                Ok(Some(ApiKeyRow { former_until, reset_at, position, ..row }))
            }
            (ApiKeyEvent::OneTimeView { .. }, Some(row)) => Ok(Some(ApiKeyRow { position, ..row })),
            (ApiKeyEvent::Revoked { .. }, Some(row)) if row.revoked_at.is_some() => {
                Ok(Some(ApiKeyRow { position, ..row }))
            }
            (ApiKeyEvent::Revoked { .. }, Some(row)) => {
                let (revoked_at, revoked_because) = (Some(at), happening.sealed("reason"));
                Ok(Some(ApiKeyRow { revoked_at, revoked_because, position, ..row }))
            }
            (_, None) => Err(Misfit::absent("API key")),
        }
    }

    fn terms(row: &ApiKeyRow) -> Vec<Term> {
        vec![
            Term::new("user", row.user_id),
            Term::new("status", if row.revoked_at.is_some() { "revoked" } else { "unrevoked" }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::given::{given, id, sealed, time};
    use tollbook_aggregates::{Epoch, Inline, KeyGrant, Verifier};

    fn created() -> (u128, Event) {
        let verifier =
            Verifier { credential_id: Inline::new("0DPiKuNIrrVm").unwrap(), ..Verifier::default() };
        let (workspace_id, user_id, role, expires_at) = (id(9), id(2), Role::Member, Some(time(100)));
        let (narrowing, epoch) = (None, Epoch::FIRST);
        let grant = KeyGrant { workspace_id, user_id, verifier, role, expires_at, narrowing, epoch };
        (1, Event::ApiKey(ApiKeyEvent::Created { grant, device_label: "laptop".into() }))
    }

    fn revoked(reason: Option<&str>) -> (u128, Event) {
        (1, Event::ApiKey(ApiKeyEvent::Revoked { reason: reason.map(Into::into) }))
    }

    #[test]
    fn key_is_listed_by_its_public_part() {
        let rows = given::<ApiKeys>([created()]);
        let row = ApiKeyRow {
            id: id(1),
            workspace_id: id(9),
            user_id: id(2),
            role: Role::Member,
            credential_id: "0DPiKuNIrrVm".into(),
            device_label: sealed(0, "device_label"),
            created_at: time(0),
            expires_at: Some(time(100)),
            revoked_at: None,
            revoked_because: None,
            narrowing: None,
            rotated_at: None,
            former_until: None,
            reset_at: None,
            position: Position(0),
        };
        assert_eq!(rows.only(), &row);
        assert_eq!(rows.terms(), ["status:unrevoked", &format!("user:{}", id::<UserId>(2))]);
    }

    fn rotated(credential_id: &str, former_until: Option<DateTime<Utc>>) -> (u128, Event) {
        let credential_id = Inline::new(credential_id).unwrap();
        let verifier = Verifier { credential_id, ..Verifier::default() };
        (1, Event::ApiKey(ApiKeyEvent::Rotated { verifier, former_until }))
    }

    fn reset() -> (u128, Event) {
        (1, Event::ApiKey(ApiKeyEvent::Reset { link_id: id(5) }))
    }

    fn viewed() -> (u128, Event) {
        (1, Event::ApiKey(ApiKeyEvent::OneTimeView { link_id: id(5) }))
    }

    #[test]
    fn key_is_listed_by_its_newest_secret() {
        let rows = given::<ApiKeys>([created(), rotated("0next", Some(time(9)))]);
        let row = rows.only();
        assert_eq!((row.credential_id.as_str(), row.rotated_at), ("0next", Some(time(1))));
        assert_eq!(row.former_until, Some(time(9)));
    }

    #[test]
    fn reset_key_waits_until_its_link_is_redeemed() {
        let waiting = given::<ApiKeys>([created(), rotated("0next", Some(time(9))), reset()]);
        let row = waiting.only();
        assert_eq!((row.reset_at, row.former_until), (Some(time(2)), None));
        let minted = given::<ApiKeys>([created(), reset(), rotated("0last", None), viewed()]);
        let row = minted.only();
        assert_eq!((row.reset_at, row.credential_id.as_str(), row.position), (None, "0last", Position(3)));
    }

    #[test]
    fn first_revocation_stands() {
        let rows = given::<ApiKeys>([created(), revoked(Some("lost")), revoked(None)]);
        let row = rows.only();
        assert_eq!((row.revoked_at, row.revoked_because.clone()), (Some(time(1)), sealed(1, "reason")));
        assert_eq!(row.position, Position(2));
    }

    #[test]
    fn what_was_never_made_cannot_be_revoked() {
        given::<ApiKeys>([revoked(None)]).then_expect_misfit_at(0);
    }
}
