//! An operator's credential: the right to look after the instance, and nothing inside a workspace.

use chrono::{DateTime, Utc};
use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::{Fact, Private, Verifier};

/// An id that was never written loads as [`Operator::Absent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// Never written.
    #[default]
    Absent,
    /// In force until it expires.
    Active(OperatorGrant),
    /// Ended for good.
    Revoked(OperatorGrant),
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
    },
    /// End it.
    Revoke,
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
}

impl Operator {
    /// Is the credential in force at this moment?
    pub fn lives(&self, at: DateTime<Utc>) -> bool {
        matches!(self, Self::Active(grant) if grant.expires_at.is_none_or(|end| at < end))
    }

    /// What it was made as, also after it ended.
    pub const fn grant(&self) -> Option<&OperatorGrant> {
        match self {
            Self::Absent => None,
            Self::Active(grant) | Self::Revoked(grant) => Some(grant),
        }
    }

    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: OperatorCommand) -> Result<Vec<OperatorEvent>, OperatorError> {
        use OperatorCommand::{Create, Revoke};
        match (self, command) {
            (Self::Absent, Create { grant, label }) => {
                let label = label.into_name().ok_or(OperatorError::Label)?;
                Ok(vec![OperatorEvent::CredentialCreated { grant, label }])
            }
            (_, Create { .. }) => Err(OperatorError::Exists),
            (Self::Absent, Revoke) => Err(OperatorError::Absent),
            (Self::Active(_), Revoke) => Ok(vec![OperatorEvent::CredentialRevoked {}]),
            // A brake may be pressed twice.
            (Self::Revoked(_), Revoke) => Ok(vec![]),
        }
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
            (OperatorEvent::CredentialCreated { grant, .. }, Self::Absent) => Self::Active(grant),
            (OperatorEvent::CredentialRevoked {}, Self::Active(grant)) => Self::Revoked(grant),
            // Made once, ended once, and never back.
            (_, state) => state,
        };
    }
}

impl DomainEvent for OperatorEvent {
    fn event_type(&self) -> String {
        match self {
            Self::CredentialCreated { .. } => "operator.credential_created",
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
            Self::CredentialRevoked {} => true,
        }
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::CredentialCreated { label, .. } => vec![("label", label)],
            Self::CredentialRevoked {} => vec![],
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

    fn create(label: &str) -> OperatorCommand {
        OperatorCommand::Create { grant: grant(None), label: label.into() }
    }

    fn created() -> OperatorEvent {
        OperatorEvent::CredentialCreated { grant: grant(None), label: "ops".into() }
    }

    const REVOKED: OperatorEvent = OperatorEvent::CredentialRevoked {};

    #[test]
    fn credential_is_made_once() {
        Given::with(()).given_no_previous_events().when(create("ops")).then_expect_events(vec![created()]);
        for history in [vec![created()], vec![created(), REVOKED]] {
            Given::with(()).given(history).when(create("ops")).then_expect_error(OperatorError::Exists);
        }
    }

    #[test]
    fn label_that_is_none_is_refused() {
        Given::with(()).given_no_previous_events().when(create("")).then_expect_error(OperatorError::Label);
    }

    #[test]
    fn credential_is_revoked_once() {
        let revoke = OperatorCommand::Revoke;
        Given::with(()).given(vec![created()]).when(revoke.clone()).then_expect_events(vec![REVOKED]);
        Given::with(()).given(vec![created(), REVOKED]).when(revoke.clone()).then_expect_events(vec![]);
        Given::with(()).given_no_previous_events().when(revoke).then_expect_error(OperatorError::Absent);
    }

    #[test]
    fn credential_lives_until_the_moment_it_expires() {
        assert!(!Operator::Absent.lives(noon()));
        assert!(Operator::Active(grant(None)).lives(noon()));
        assert!(Operator::Active(grant(Some(hours(1)))).lives(noon()));
        assert!(!Operator::Active(grant(Some(noon()))).lives(noon()));
        assert!(!Operator::Revoked(grant(None)).lives(noon()));
    }

    #[test]
    fn revoked_credential_never_comes_back() {
        let mut operator = Operator::default();
        for event in [REVOKED, created(), REVOKED, REVOKED, created()] {
            operator.apply(event);
        }
        assert_eq!(operator, Operator::Revoked(grant(None)));
        assert_eq!(operator.grant(), Some(&grant(None)));
    }
}
