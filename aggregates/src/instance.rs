//! The instance itself: one stream, whose id is the nil UUID.
//!
//! Its one event so far makes the first owner and the first operator possible exactly once, however
//! many replicas are asked at the same moment.

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::{Fact, OperatorId, UserId, WorkspaceId};

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
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InstanceError {
    /// It has an owner.
    #[error("the instance was bootstrapped already")]
    AlreadyBootstrapped,
}

impl Instance {
    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: InstanceCommand) -> Result<Vec<InstanceEvent>, InstanceError> {
        match (self, command) {
            (Self::Empty, InstanceCommand::Bootstrap { user_id, workspace_id, operator_id }) => {
                Ok(vec![InstanceEvent::Bootstrapped { user_id, workspace_id, operator_id }])
            }
            (Self::Bootstrapped, InstanceCommand::Bootstrap { .. }) => {
                Err(InstanceError::AlreadyBootstrapped)
            }
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
        }
    }
}

impl DomainEvent for InstanceEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Bootstrapped { .. } => "instance.bootstrapped",
        }
        .into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

impl Fact for InstanceEvent {
    fn control(&self) -> bool {
        true
    }

    fn narrows(&self) -> bool {
        match self {
            Self::Bootstrapped { .. } => false,
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
}
