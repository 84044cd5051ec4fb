//! One-time links by id, each under the workspace that it leads into.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tollbook_aggregates::{Event, LinkEvent, LinkId, LinkMaker, LinkPurpose, UserId};
use tollbook_journal::Position;

use crate::happening::Happening;
use crate::projection::{Misfit, Projection, Sealed};
use crate::term::Term;

/// One-time links by id. Found by what they are for: `purpose:invitation`.
#[derive(Debug)]
pub struct OneTimeLinks;

/// A one-time link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimeLinkRow {
    /// Which.
    pub id: LinkId,
    /// What it leads to.
    pub purpose: LinkPurpose,
    /// Whom it is for, as its maker calls them.
    pub label: Option<Sealed>,
    /// Who made it.
    pub made_by: LinkMaker,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The first moment at which it is no longer good.
    pub expires_at: DateTime<Utc>,
    /// When it was redeemed, and by whom, if it was.
    pub redeemed: Option<(DateTime<Utc>, UserId)>,
    /// When it was taken back, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Of the newest event in here.
    pub position: Position,
}

impl Projection for OneTimeLinks {
    const NAME: &'static str = "one_time_link";
    const VERSION: u32 = 1;
    type Row = OneTimeLinkRow;

    fn key(happening: &Happening) -> Option<String> {
        match &happening.event {
            Event::OneTimeLink(_) => Some(happening.recorded.stream.aggregate_id.clone()),
            _ => None,
        }
    }

    fn fold(row: Option<OneTimeLinkRow>, happening: &Happening) -> Result<Option<OneTimeLinkRow>, Misfit> {
        let Event::OneTimeLink(event) = &happening.event else { return Ok(row) };
        let (at, position) = (happening.recorded.recorded_at, happening.position());
        match (event, row) {
            (LinkEvent::Created { grant, .. }, _) => Ok(Some(OneTimeLinkRow {
                id: happening.subject()?,
                purpose: grant.purpose,
                label: happening.sealed("label"),
                made_by: grant.made_by,
                created_at: at,
                expires_at: grant.expires_at,
                redeemed: None,
                revoked_at: None,
                position,
            })),
            (LinkEvent::Redeemed { user_id }, Some(row)) => {
                Ok(Some(OneTimeLinkRow { redeemed: Some((at, *user_id)), position, ..row }))
            }
            (LinkEvent::Revoked {}, Some(row)) => {
                Ok(Some(OneTimeLinkRow { revoked_at: Some(at), position, ..row }))
            }
            (_, None) => Err(Misfit::absent("link")),
        }
    }

    fn terms(row: &OneTimeLinkRow) -> Vec<Term> {
        let purpose = match row.purpose {
            LinkPurpose::SignIn { .. } => "sign_in",
            LinkPurpose::Invitation { .. } => "invitation",
            LinkPurpose::KeyReset { .. } => "key_reset",
        };
        vec![Term::new("purpose", purpose)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::given::{given, id, sealed, time};
    use tollbook_aggregates::{LinkGrant, Role, Verifier};

    fn created() -> (u128, Event) {
        let purpose = LinkPurpose::Invitation { workspace_id: id(9), role: Role::Member, user_id: None };
        let (verifier, expires_at, made_by) = (Verifier::default(), time(100), LinkMaker::ApiKey(id(3)));
        let grant = LinkGrant { purpose, verifier, expires_at, made_by, newcomer: None };
        (1, Event::OneTimeLink(LinkEvent::Created { grant, label: Some("Bob".into()) }))
    }

    fn redeemed() -> (u128, Event) {
        (1, Event::OneTimeLink(LinkEvent::Redeemed { user_id: id(2) }))
    }

    fn revoked() -> (u128, Event) {
        (1, Event::OneTimeLink(LinkEvent::Revoked {}))
    }

    #[test]
    fn invitation_is_listed_until_and_after_it_is_used() {
        let rows = given::<OneTimeLinks>([created(), redeemed()]);
        let row = rows.only();
        assert_eq!((row.label.clone(), row.redeemed), (sealed(0, "label"), Some((time(1), id(2)))));
        assert_eq!((row.revoked_at, row.position), (None, Position(1)));
        assert_eq!(rows.terms(), ["purpose:invitation"]);
    }

    #[test]
    fn link_that_was_taken_back_says_when() {
        let rows = given::<OneTimeLinks>([created(), revoked()]);
        assert_eq!((rows.only().revoked_at, rows.only().redeemed), (Some(time(1)), None));
    }

    #[test]
    fn link_that_was_never_made_is_neither_used_nor_taken_back() {
        for event in [redeemed(), revoked()] {
            given::<OneTimeLinks>([event]).then_expect_misfit_at(0);
        }
    }
}
