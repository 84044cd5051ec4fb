//! An operator's credential: the right to look after the instance, and nothing inside a workspace. One that
//! no other outlasts can't be revoked: nobody could make another, at once or once the others have expired.

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::rotation::Rotation;
use crate::{Fact, Private, SecretNumber, Verifier};

/// An id that was never written loads as [`Operator::Absent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// Never written.
    #[default]
    Absent,
    /// In force until it expires.
    Active(OperatorCredential),
    /// Ended for good.
    Revoked(OperatorCredential),
}

/// A credential that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorCredential {
    /// What it is. Its verifier is that of the newest secret.
    pub grant: OperatorGrant,
    /// Which secrets it answers to.
    pub rotation: Rotation,
}

/// What the credential is, fixed when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorGrant {
    /// What the secret is checked with.
    pub verifier: Verifier,
    /// The first moment at which it is no longer valid.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What can be asked of an operator's credential.
#[derive(Debug, Clone)]
pub enum OperatorCommand {
    /// Make it.
    Create {
        /// What it is.
        grant: OperatorGrant,
        /// Whose or what for.
        label: Private,
        /// The command's time.
        at: DateTime<Utc>,
    },
    /// Give it another secret.
    Rotate {
        /// Of the next secret.
        verifier: Verifier,
        /// Until when the one before it is good, too; ended at once, when absent.
        former_until: Option<DateTime<Utc>>,
        /// The command's time.
        at: DateTime<Utc>,
    },
    /// End it.
    Revoke {
        /// Does another one outlast it ([`Operator::outlasts`])?
        others: bool,
    },
}

/// What happened to an operator's credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorEvent {
    /// `operator.credential_created`
    CredentialCreated {
        /// What it is.
        #[serde(flatten)]
        grant: OperatorGrant,
        /// Whose or what for.
        #[serde(skip)]
        label: Private,
    },
    /// `operator.credential_rotated`: it has another secret, and is the same credential.
    CredentialRotated {
        /// Of the new secret.
        verifier: Verifier,
        /// Until when the one before it is good, too; it ended here, when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        former_until: Option<DateTime<Utc>>,
    },
    /// `operator.credential_revoked`
    CredentialRevoked {},
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// Never written.
    #[error("the operator credential does not exist")]
    Absent,
    /// The id is taken.
    #[error("the operator credential exists already")]
    Exists,
    /// See [`Private::NAME_MAX`].
    #[error("`label` must have 1 to 100 characters and no control characters")]
    Label,
    /// It would never be valid.
    #[error("`expires_at` must lie in the future")]
    ExpiresInThePast,
    /// Ended, for good or by itself.
    #[error("the operator credential is no longer in force")]
    Ended,
    /// See [`Operator::GRACE_MAX`].
    #[error("the grace period must be at most 7 days")]
    GraceTooLong,
    /// Nobody could make another.
    #[error("the last operator credential in force cannot be revoked, nor one that outlasts all others")]
    LastOne,
}

impl Operator {
    /// The longest time for which the secret before the newest may stay good.
    pub const GRACE_MAX: TimeDelta = TimeDelta::days(7);

    /// Is the credential in force at this moment?
    pub fn lives(&self, at: DateTime<Utc>) -> bool {
        matches!(self, Self::Active(credential) if credential.grant.expires_at.is_none_or(|end| at < end))
    }

    /// Is the credential in force at this moment, and for at least as long as the other was to be?
    pub fn outlasts(&self, other: &Self, at: DateTime<Utc>) -> bool {
        let ends = |operator: &Self| operator.grant().and_then(|grant| grant.expires_at);
        let lasts = ends(self).is_none_or(|own| ends(other).is_some_and(|end| end <= own));
        self.lives(at) && lasts
    }

    /// What it was made as, also after it ended.
    pub const fn grant(&self) -> Option<&OperatorGrant> {
        match self.credential() {
            None => None,
            Some(credential) => Some(&credential.grant),
        }
    }

    /// The credential, also after it ended.
    pub const fn credential(&self) -> Option<&OperatorCredential> {
        match self {
            Self::Absent => None,
            Self::Active(credential) | Self::Revoked(credential) => Some(credential),
        }
    }

    /// The secret of this public id, and what it is checked with. Also when it is no longer good.
    pub fn secret(&self, credential_id: &str) -> Option<(SecretNumber, &Verifier)> {
        let credential = self.credential()?;
        credential.rotation.find(&credential.grant.verifier, credential_id)
    }

    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: OperatorCommand) -> Result<Vec<OperatorEvent>, OperatorError> {
        use OperatorCommand::{Create, Revoke, Rotate};
        match (self, command) {
            (Self::Absent, Create { grant, label, at }) => {
                let label = label.into_name().ok_or(OperatorError::Label)?;
                if grant.expires_at.is_some_and(|end| end <= at) {
                    return Err(OperatorError::ExpiresInThePast);
                }
                Ok(vec![OperatorEvent::CredentialCreated { grant, label }])
            }
            (_, Create { .. }) => Err(OperatorError::Exists),
            (Self::Absent, _) => Err(OperatorError::Absent),
            (Self::Active(_), Rotate { verifier, former_until, at }) if self.lives(at) => {
                let former_until = former_until.filter(|until| *until > at);
                if former_until.is_some_and(|until| until - at > Self::GRACE_MAX) {
                    return Err(OperatorError::GraceTooLong);
                }
                Ok(vec![OperatorEvent::CredentialRotated { verifier, former_until }])
            }
            (Self::Active(_) | Self::Revoked(_), Rotate { .. }) => Err(OperatorError::Ended),
            (Self::Active(_), Revoke { others: false }) => Err(OperatorError::LastOne),
            (Self::Active(_), Revoke { others: true }) => Ok(vec![OperatorEvent::CredentialRevoked {}]),
            // A brake may be pressed twice.
            (Self::Revoked(_), Revoke { .. }) => Ok(vec![]),
        }
    }
}

impl OperatorCredential {
    fn rotated(self, verifier: Verifier, former_until: Option<DateTime<Utc>>) -> Self {
        let Self { mut grant, rotation } = self;
        let replaced = std::mem::replace(&mut grant.verifier, verifier);
        Self { grant, rotation: rotation.followed(replaced, former_until) }
    }
}

impl Aggregate for Operator {
    const TYPE: &'static str = "operator";
    type Command = OperatorCommand;
    type Event = OperatorEvent;
    type Error = OperatorError;
    type Services = ();

    async fn handle(
        &mut self,
        command: OperatorCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), OperatorError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: OperatorEvent) {
        *self = match (event, std::mem::take(self)) {
            (OperatorEvent::CredentialCreated { grant, .. }, Self::Absent) => {
                Self::Active(OperatorCredential { grant, rotation: Rotation::default() })
            }
            (OperatorEvent::CredentialRotated { verifier, former_until }, Self::Active(credential)) => {
                Self::Active(credential.rotated(verifier, former_until))
            }
            (OperatorEvent::CredentialRevoked {}, Self::Active(credential)) => Self::Revoked(credential),
            // Made once, ended once, and never back.
            (_, state) => state,
        };
    }
}

impl DomainEvent for OperatorEvent {
    fn event_type(&self) -> String {
        match self {
            Self::CredentialCreated { .. } => "operator.credential_created",
            Self::CredentialRotated { .. } => "operator.credential_rotated",
            Self::CredentialRevoked {} => "operator.credential_revoked",
        }
        .into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

impl Fact for OperatorEvent {
    fn control(&self) -> bool {
        true
    }

    fn narrows(&self) -> bool {
        match self {
            Self::CredentialCreated { .. } => false,
            Self::CredentialRotated { .. } | Self::CredentialRevoked {} => true,
        }
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::CredentialCreated { label, .. } => vec![("label", label)],
            Self::CredentialRotated { .. } | Self::CredentialRevoked {} => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::*;
    use crate::sample::{hours, noon, verifier};

    type Given = TestFramework<Operator>;

    fn grant(expires_at: Option<DateTime<Utc>>) -> OperatorGrant {
        OperatorGrant { verifier: verifier(), expires_at }
    }

    fn active(expires_at: Option<DateTime<Utc>>) -> OperatorCredential {
        OperatorCredential { grant: grant(expires_at), rotation: Rotation::default() }
    }

    fn create(label: &str, expires_at: Option<DateTime<Utc>>) -> OperatorCommand {
        OperatorCommand::Create { grant: grant(expires_at), label: label.into(), at: noon() }
    }

    fn created() -> OperatorEvent {
        OperatorEvent::CredentialCreated { grant: grant(None), label: "ops".into() }
    }

    fn next() -> Verifier {
        Verifier { credential_id: crate::Inline::new("next").unwrap(), ..verifier() }
    }

    fn rotate(former_until: Option<DateTime<Utc>>) -> OperatorCommand {
        OperatorCommand::Rotate { verifier: next(), former_until, at: noon() }
    }

    const REVOKED: OperatorEvent = OperatorEvent::CredentialRevoked {};

    #[test]
    fn credential_is_made_once() {
        let create = || create("ops", None);
        Given::with(()).given_no_previous_events().when(create()).then_expect_events(vec![created()]);
        for history in [vec![created()], vec![created(), REVOKED]] {
            Given::with(()).given(history).when(create()).then_expect_error(OperatorError::Exists);
        }
    }

    #[test]
    fn label_that_is_none_and_an_end_that_has_passed_are_refused() {
        for (command, error) in [
            (create("", None), OperatorError::Label),
            (create("ops", Some(noon())), OperatorError::ExpiresInThePast),
        ] {
            Given::with(()).given_no_previous_events().when(command).then_expect_error(error);
        }
    }

    #[test]
    fn credential_is_revoked_once() {
        let revoke = OperatorCommand::Revoke { others: true };
        Given::with(()).given(vec![created()]).when(revoke.clone()).then_expect_events(vec![REVOKED]);
        Given::with(()).given(vec![created(), REVOKED]).when(revoke.clone()).then_expect_events(vec![]);
        Given::with(()).given_no_previous_events().when(revoke).then_expect_error(OperatorError::Absent);
    }

    #[test]
    fn last_credential_in_force_is_not_revoked() {
        let revoke = OperatorCommand::Revoke { others: false };
        Given::with(()).given(vec![created()]).when(revoke).then_expect_error(OperatorError::LastOne);
    }

    #[test]
    fn rotated_credential_answers_to_both_secrets_for_a_while() {
        let rotated = OperatorEvent::CredentialRotated { verifier: next(), former_until: Some(hours(1)) };
        Given::with(())
            .given(vec![created()])
            .when(rotate(Some(hours(1))))
            .then_expect_events(vec![rotated.clone()]);
        let mut operator = Operator::default();
        operator.apply(created());
        operator.apply(rotated);
        assert_eq!(operator.secret("next"), Some((SecretNumber(1), &next())));
        let first = verifier();
        assert_eq!(operator.secret(first.credential_id.as_str()), Some((SecretNumber(0), &first)));
    }

    #[test]
    fn what_has_ended_is_not_rotated_and_grace_is_bounded() {
        let ended = OperatorEvent::CredentialCreated { grant: grant(Some(noon())), label: "ops".into() };
        for history in [vec![created(), REVOKED], vec![ended]] {
            Given::with(()).given(history).when(rotate(None)).then_expect_error(OperatorError::Ended);
        }
        let long = rotate(Some(hours(7 * 24 + 1)));
        Given::with(()).given(vec![created()]).when(long).then_expect_error(OperatorError::GraceTooLong);
    }

    #[test]
    fn credential_lives_until_the_moment_it_expires() {
        assert!(!Operator::Absent.lives(noon()));
        assert!(Operator::Active(active(None)).lives(noon()));
        assert!(Operator::Active(active(Some(hours(1)))).lives(noon()));
        assert!(!Operator::Active(active(Some(noon()))).lives(noon()));
        assert!(!Operator::Revoked(active(None)).lives(noon()));
    }

    #[test]
    fn credential_outlasts_what_ends_with_it_or_before() {
        let until = |end| Operator::Active(active(end));
        for (one, other, outlasts) in [
            (None, None, true),
            (None, Some(hours(9)), true),
            (Some(hours(9)), None, false),
            (Some(hours(9)), Some(hours(9)), true),
            (Some(hours(8)), Some(hours(9)), false),
            (Some(hours(1)), Some(noon()), true),
            (Some(noon()), Some(noon()), false),
        ] {
            assert_eq!(until(one).outlasts(&until(other), noon()), outlasts, "{one:?} {other:?}");
        }
        assert!(!Operator::Revoked(active(None)).outlasts(&until(Some(hours(1))), noon()));
    }

    #[test]
    fn revoked_credential_never_comes_back() {
        let mut operator = Operator::default();
        for event in [REVOKED, created(), REVOKED, REVOKED, created()] {
            operator.apply(event);
        }
        assert_eq!(operator, Operator::Revoked(active(None)));
        assert_eq!(operator.grant(), Some(&grant(None)));
    }
}
