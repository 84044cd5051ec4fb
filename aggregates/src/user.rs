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
    /// See [`Private::NAME_MAX`].
    #[error("`name` must have 1 to 100 characters and no control characters")]
    Name,
}

impl User {
    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: UserCommand) -> Result<Vec<UserEvent>, UserError> {
        match (self, command) {
            (Self::Absent, UserCommand::Register { name }) => {
                Ok(vec![UserEvent::Registered { name: name.into_name().ok_or(UserError::Name)? }])
            }
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

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::*;

    type Given = TestFramework<User>;

    fn register(name: &str) -> UserCommand {
        UserCommand::Register { name: name.into() }
    }

    fn registered() -> UserEvent {
        UserEvent::Registered { name: "Ada".into() }
    }

    #[test]
    fn person_is_made_known_once() {
        Given::with(())
            .given_no_previous_events()
            .when(register("Ada"))
            .then_expect_events(vec![registered()]);
        Given::with(()).given(vec![registered()]).when(register("Ada")).then_expect_error(UserError::Exists);
    }

    #[test]
    fn nobody_is_called_nothing() {
        Given::with(()).given_no_previous_events().when(register(" ")).then_expect_error(UserError::Name);
    }
}
