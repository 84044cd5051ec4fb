//! Operator credentials by id, listed under the instance.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tollbook_aggregates::{Event, OperatorEvent, OperatorId};
use tollbook_journal::Position;

use crate::happening::Happening;
use crate::projection::{Misfit, Projection, Sealed};

/// Operator credentials by id.
#[derive(Debug)]
pub struct OperatorCredentials;

/// An operator's credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorCredentialRow {
    /// Which.
    pub id: OperatorId,
    /// Whose or what for.
    pub label: Option<Sealed>,
    /// The public part of its newest secret, of which `tbk_opr_…` is shown.
    pub credential_id: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The first moment at which it is no longer valid, if there is one.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last given another secret, if it was.
    pub rotated_at: Option<DateTime<Utc>>,
    /// Until when the secret before the newest is good, too.
    pub former_until: Option<DateTime<Utc>>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Of the newest event in here.
    pub position: Position,
}

impl Projection for OperatorCredentials {
    const NAME: &'static str = "operator_credential";
    const VERSION: u32 = 1;
    type Row = OperatorCredentialRow;

    fn key(happening: &Happening) -> Option<String> {
        match &happening.event {
            Event::Operator(_) => Some(happening.recorded.stream.aggregate_id.clone()),
            _ => None,
        }
    }

    fn fold(
        row: Option<OperatorCredentialRow>,
        happening: &Happening,
    ) -> Result<Option<OperatorCredentialRow>, Misfit> {
        let Event::Operator(event) = &happening.event else { return Ok(row) };
        let (at, position) = (happening.recorded.recorded_at, happening.position());
        match (event, row) {
            (OperatorEvent::CredentialCreated { grant, .. }, _) => Ok(Some(OperatorCredentialRow {
                id: happening.subject()?,
                label: happening.sealed("label"),
                credential_id: grant.verifier.credential_id.as_str().to_owned(),
                created_at: at,
                expires_at: grant.expires_at,
                rotated_at: None,
                former_until: None,
                revoked_at: None,
                position,
            })),
            (OperatorEvent::CredentialRotated { verifier, former_until }, Some(row)) => {
                Ok(Some(OperatorCredentialRow {
                    credential_id: verifier.credential_id.as_str().to_owned(),
                    rotated_at: Some(at),
                    former_until: *former_until,
                    position,
                    ..row
                }))
            }
            (OperatorEvent::CredentialRevoked {}, Some(row)) => {
                let revoked_at = row.revoked_at.or(Some(at));
                Ok(Some(OperatorCredentialRow { revoked_at, position, ..row }))
            }
            (_, None) => Err(Misfit::absent("operator credential")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::given::{given, sealed, time};
    use tollbook_aggregates::{Inline, OperatorGrant, Verifier};

    fn verifier(credential_id: &str) -> Verifier {
        Verifier { credential_id: Inline::new(credential_id).unwrap(), ..Verifier::default() }
    }

    fn created() -> (u128, Event) {
        let grant = OperatorGrant { verifier: verifier("0first"), expires_at: None };
        (1, Event::Operator(OperatorEvent::CredentialCreated { grant, label: "ops".into() }))
    }

    fn rotated() -> (u128, Event) {
        let event =
            OperatorEvent::CredentialRotated { verifier: verifier("0next"), former_until: Some(time(9)) };
        (1, Event::Operator(event))
    }

    fn revoked() -> (u128, Event) {
        (1, Event::Operator(OperatorEvent::CredentialRevoked {}))
    }

    #[test]
    fn credential_is_listed_by_its_newest_secret_until_and_after_it_is_revoked() {
        let rows = given::<OperatorCredentials>([created(), rotated(), revoked()]);
        let row = rows.only();
        assert_eq!((row.label.clone(), row.credential_id.as_str()), (sealed(0, "label"), "0next"));
        assert_eq!((row.rotated_at, row.former_until), (Some(time(1)), Some(time(9))));
        assert_eq!((row.created_at, row.revoked_at), (time(0), Some(time(2))));
    }

    #[test]
    fn credential_that_was_never_made_is_neither_rotated_nor_revoked() {
        for event in [rotated(), revoked()] {
            given::<OperatorCredentials>([event]).then_expect_misfit_at(0);
        }
    }
}
