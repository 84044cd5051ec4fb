//! The instance itself: one stream, whose id is the nil UUID, in which the first owner and the first
//! operator are named exactly once, however many replicas are asked at the same moment.
//!
//! Other events of it say what operators ordered of the read models: they change no decision, and a
//! projection's name is the only thing in them.
//!
//! What strangers do at its doors stands in a stream of its own ([`Instance::DOORS`]): a book that
//! somebody knocked at before it was opened can be opened still.

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Fact, OperatorId, Private, UserId, WorkspaceId};

/// A book that nobody has opened yet loads as [`Instance::Empty`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Instance {
    /// Never bootstrapped.
    #[default]
    Empty,
    /// Has its first owner and operator.
    Bootstrapped,
}

/// What can be asked of an instance.
#[derive(Debug, Clone)]
pub enum InstanceCommand {
    /// Name the first of each kind.
    Bootstrap {
        /// The first owner.
        user_id: UserId,
        /// Their workspace.
        workspace_id: WorkspaceId,
        /// The first operator credential.
        operator_id: OperatorId,
    },
    /// Do something with a read model.
    Order {
        /// What.
        order: ProjectionOrder,
        /// Which, by its name.
        projection: String,
    },
}

/// What an operator can have done with a read model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectionOrder {
    /// Build it anew beside the one that is read.
    Rebuild,
    /// Fold it again and compare.
    Verify,
    /// Read what was built from now on, although it differs.
    Swap,
    /// Read what was read before.
    Rollback,
}

/// What happened to an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceEvent {
    /// `instance.bootstrapped`
    Bootstrapped {
        /// The first owner.
        user_id: UserId,
        /// Their workspace.
        workspace_id: WorkspaceId,
        /// The first operator credential.
        operator_id: OperatorId,
    },
    /// `instance.projection_rebuild_requested`
    ProjectionRebuildRequested {
        /// Which.
        projection: String,
    },
    /// `instance.projection_verification_requested`
    ProjectionVerificationRequested {
        /// Which.
        projection: String,
    },
    /// `instance.projection_swap_requested`
    ProjectionSwapRequested {
        /// Which.
        projection: String,
    },
    /// `instance.projection_rollback_requested`
    ProjectionRollbackRequested {
        /// Which.
        projection: String,
    },
    /// `instance.authentication_refused`: a sample. Who was refused is not known; the counts are exact.
    AuthenticationRefused {
        /// In what way the credential wouldn't do.
        kind: AuthenticationFailure,
        /// How often, since the last sample of this kind and address.
        count: u64,
        /// From where, cut to its network: /32 of IPv4, /64 of IPv6. Absent where the samples of many
        /// addresses are summed up.
        #[serde(skip)]
        address: Option<Private>,
    },
}

/// In what way a credential wouldn't do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationFailure {
    /// There was none, where one is needed.
    Missing,
    /// It was none of ours, or mistyped.
    Malformed,
    /// It stood in a URL.
    InQuery,
    /// Two were sent.
    Twice,
    /// Nobody's, or with a wrong secret: the two look the same.
    Unknown,
    /// The right secret of one that was revoked.
    Revoked,
    /// The right secret of one that has expired.
    Expired,
    /// The right secret, from an address that it isn't for.
    Address,
    /// A one-time link that isn't known, or a wrong secret of one.
    Link,
}

impl AuthenticationFailure {
    /// As it is written in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::InQuery => "in_query",
            Self::Twice => "twice",
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Address => "address",
            Self::Link => "link",
        }
    }
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InstanceError {
    /// It has an owner.
    #[error("the instance was bootstrapped already")]
    AlreadyBootstrapped,
}

impl Instance {
    /// The id of the stream in which refused authentications are sampled. Written with any expectation.
    pub const DOORS: Uuid = Uuid::from_u128(1);

    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: InstanceCommand) -> Result<Vec<InstanceEvent>, InstanceError> {
        match (self, command) {
            (Self::Empty, InstanceCommand::Bootstrap { user_id, workspace_id, operator_id }) => {
                Ok(vec![InstanceEvent::Bootstrapped { user_id, workspace_id, operator_id }])
            }
            (Self::Bootstrapped, InstanceCommand::Bootstrap { .. }) => {
                Err(InstanceError::AlreadyBootstrapped)
            }
            (_, InstanceCommand::Order { order, projection }) => Ok(vec![order.requested(projection)]),
        }
    }
}

impl ProjectionOrder {
    fn requested(self, projection: String) -> InstanceEvent {
        match self {
            Self::Rebuild => InstanceEvent::ProjectionRebuildRequested { projection },
            Self::Verify => InstanceEvent::ProjectionVerificationRequested { projection },
            Self::Swap => InstanceEvent::ProjectionSwapRequested { projection },
            Self::Rollback => InstanceEvent::ProjectionRollbackRequested { projection },
        }
    }
}

impl Aggregate for Instance {
    const TYPE: &'static str = "instance";
    type Command = InstanceCommand;
    type Event = InstanceEvent;
    type Error = InstanceError;
    type Services = ();

    async fn handle(
        &mut self,
        command: InstanceCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), InstanceError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: InstanceEvent) {
        match event {
            InstanceEvent::Bootstrapped { .. } => *self = Self::Bootstrapped,
            InstanceEvent::ProjectionRebuildRequested { .. }
            | InstanceEvent::ProjectionVerificationRequested { .. }
            | InstanceEvent::ProjectionSwapRequested { .. }
            | InstanceEvent::ProjectionRollbackRequested { .. }
            | InstanceEvent::AuthenticationRefused { .. } => {}
        }
    }
}

impl DomainEvent for InstanceEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Bootstrapped { .. } => "instance.bootstrapped",
            Self::ProjectionRebuildRequested { .. } => "instance.projection_rebuild_requested",
            Self::ProjectionVerificationRequested { .. } => "instance.projection_verification_requested",
            Self::ProjectionSwapRequested { .. } => "instance.projection_swap_requested",
            Self::ProjectionRollbackRequested { .. } => "instance.projection_rollback_requested",
            Self::AuthenticationRefused { .. } => "instance.authentication_refused",
        }
        .into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

impl Fact for InstanceEvent {
    fn control(&self) -> bool {
        match self {
            Self::Bootstrapped { .. } => true,
            Self::ProjectionRebuildRequested { .. }
            | Self::ProjectionVerificationRequested { .. }
            | Self::ProjectionSwapRequested { .. }
            | Self::ProjectionRollbackRequested { .. }
            | Self::AuthenticationRefused { .. } => false,
        }
    }

    fn narrows(&self) -> bool {
        false
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::AuthenticationRefused { address, .. } => {
                address.iter().map(|address| ("address", address)).collect()
            }
            Self::Bootstrapped { .. }
            | Self::ProjectionRebuildRequested { .. }
            | Self::ProjectionVerificationRequested { .. }
            | Self::ProjectionSwapRequested { .. }
            | Self::ProjectionRollbackRequested { .. } => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::*;
    use crate::sample::id;

    type Given = TestFramework<Instance>;

    fn bootstrap() -> InstanceCommand {
        InstanceCommand::Bootstrap { user_id: id(1), workspace_id: id(2), operator_id: id(3) }
    }

    fn bootstrapped() -> InstanceEvent {
        InstanceEvent::Bootstrapped { user_id: id(1), workspace_id: id(2), operator_id: id(3) }
    }

    #[test]
    fn empty_book_is_opened_once() {
        Given::with(()).given_no_previous_events().when(bootstrap()).then_expect_events(vec![bootstrapped()]);
        Given::with(())
            .given(vec![bootstrapped()])
            .when(bootstrap())
            .then_expect_error(InstanceError::AlreadyBootstrapped);
    }

    #[test]
    fn every_order_is_recorded_each_time() {
        let projection = || "session".to_owned();
        for (order, event) in [
            (
                ProjectionOrder::Rebuild,
                InstanceEvent::ProjectionRebuildRequested { projection: projection() },
            ),
            (
                ProjectionOrder::Verify,
                InstanceEvent::ProjectionVerificationRequested { projection: projection() },
            ),
            (ProjectionOrder::Swap, InstanceEvent::ProjectionSwapRequested { projection: projection() }),
            (
                ProjectionOrder::Rollback,
                InstanceEvent::ProjectionRollbackRequested { projection: projection() },
            ),
        ] {
            let command = InstanceCommand::Order { order, projection: projection() };
            Given::with(())
                .given(vec![bootstrapped(), event.clone()])
                .when(command)
                .then_expect_events(vec![event]);
        }
    }

    #[test]
    fn knocking_opens_and_closes_nothing() {
        let kind = AuthenticationFailure::Unknown;
        let refused =
            InstanceEvent::AuthenticationRefused { kind, count: 3, address: Some("203.0.113.7/32".into()) };
        assert!(!refused.control() && !refused.narrows());
        Given::with(()).given(vec![refused]).when(bootstrap()).then_expect_events(vec![bootstrapped()]);
    }

    #[test]
    fn failure_is_named_as_it_is_written() {
        for kind in [AuthenticationFailure::InQuery, AuthenticationFailure::Link] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
