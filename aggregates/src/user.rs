//! A user: a person. What they may do is a matter of each workspace; here stands only that they are.

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::{Fact, Private};

/// An id that was never written loads as [`User::Absent`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum User {
    /// Never written.
    #[default]
    Absent,
    /// Known.
    Registered,
}

/// What can be asked of a user.
#[derive(Debug, Clone)]
pub enum UserCommand {
    /// Make them known.
    Register {
        /// How they are called.
        name: Private,
    },
}

/// What happened to a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserEvent {
    /// `user.registered`
    Registered {
        /// How they are called.
        #[serde(skip)]
        name: Private,
    },
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// The id is taken.
    #[error("the user exists already")]
    Exists,
}

impl User {
    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: UserCommand) -> Result<Vec<UserEvent>, UserError> {
        match (self, command) {
            (Self::Absent, UserCommand::Register { name }) => Ok(vec![UserEvent::Registered { name }]),
            (Self::Registered, UserCommand::Register { .. }) => Err(UserError::Exists),
        }
    }
}

impl Aggregate for User {
    const TYPE: &'static str = "user";
    type Command = UserCommand;
    type Event = UserEvent;
    type Error = UserError;
    type Services = ();

    async fn handle(
        &mut self,
        command: UserCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), UserError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: UserEvent) {
        match event {
            UserEvent::Registered { .. } => *self = Self::Registered,
        }
    }
}

impl DomainEvent for UserEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Registered { .. } => "user.registered",
        }
        .into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

impl Fact for UserEvent {
    fn control(&self) -> bool {
        true
    }

    fn narrows(&self) -> bool {
        match self {
            Self::Registered { .. } => false,
        }
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::Registered { name } => vec![("name", name)],
        }
    }
}
