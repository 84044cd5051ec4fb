//! A user: a person. What they may do is a matter of each workspace; here stands only that they are.
//!
//! An erased person's acts stay in the book as those of their id; what was said about them there can't
//! be read any more, and nothing that hangs on them is in force.

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use uuid::Uuid;

use crate::{Fact, Private, UserId};

/// An id that was never written loads as [`User::Absent`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum User {
    /// Never written.
    #[default]
    Absent,
    /// Known.
    Registered,
    /// A pseudonym, for good.
    Erased,
}

/// What can be asked of a user.
#[derive(Debug, Clone)]
pub enum UserCommand {
    /// Make them known.
    Register {
        /// How they are called.
        name: Private,
    },
    /// Make them unknown again.
    Erase {
        /// The data keys under which what is about them was sealed, by their public names.
        key_ids: Vec<Uuid>,
    },
    /// Destroy more keys of somebody who was erased: something was written about them while they were.
    EraseKeys {
        /// Those that weren't named yet.
        key_ids: Vec<Uuid>,
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
    /// `user.erased`: what was sealed under their keys is unreadable, and nothing of theirs is in force.
    Erased {
        /// The data keys that are destroyed with this: on every replica, and again after a restore.
        key_ids: Vec<Uuid>,
    },
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// Never written.
    #[error("the user does not exist")]
    Absent,
    /// The id is taken.
    #[error("the user exists already")]
    Exists,
    /// See [`Private::NAME_MAX`].
    #[error("`name` must have 1 to 100 characters and no control characters")]
    Name,
}

impl User {
    /// Is it somebody, and not only a pseudonym?
    pub const fn is_known(self) -> bool {
        matches!(self, Self::Registered)
    }

    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: UserCommand) -> Result<Vec<UserEvent>, UserError> {
        match (self, command) {
            (Self::Absent, UserCommand::Register { name }) => {
                Ok(vec![UserEvent::Registered { name: name.into_name().ok_or(UserError::Name)? }])
            }
            (Self::Registered | Self::Erased, UserCommand::Register { .. }) => Err(UserError::Exists),
            (Self::Absent, UserCommand::Erase { .. } | UserCommand::EraseKeys { .. }) => {
                Err(UserError::Absent)
            }
            (Self::Registered, UserCommand::Erase { key_ids }) => Ok(vec![UserEvent::Erased { key_ids }]),
            (Self::Erased, UserCommand::EraseKeys { key_ids }) if !key_ids.is_empty() => {
                Ok(vec![UserEvent::Erased { key_ids }])
            }
            // Asked twice, done once.
            (Self::Erased, UserCommand::Erase { .. })
            | (Self::Registered | Self::Erased, UserCommand::EraseKeys { .. }) => Ok(vec![]),
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
        *self = match (event, *self) {
            (UserEvent::Registered { .. }, Self::Absent) => Self::Registered,
            (UserEvent::Erased { .. }, Self::Registered) => Self::Erased,
            // Known once, erased once, and never back.
            (_, state) => state,
        };
    }
}

impl DomainEvent for UserEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Registered { .. } => "user.registered",
            Self::Erased { .. } => "user.erased",
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
            Self::Erased { .. } => true,
        }
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::Registered { name } => vec![("name", name)],
            Self::Erased { .. } => vec![],
        }
    }

    fn person(&self, stream: Uuid) -> Option<UserId> {
        Some(stream.into())
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

    fn erase() -> UserCommand {
        UserCommand::Erase { key_ids: vec![Uuid::from_u128(7)] }
    }

    fn erased() -> UserEvent {
        UserEvent::Erased { key_ids: vec![Uuid::from_u128(7)] }
    }

    #[test]
    fn person_is_erased_once_and_never_comes_back() {
        Given::with(()).given(vec![registered()]).when(erase()).then_expect_events(vec![erased()]);
        let gone = vec![registered(), erased()];
        Given::with(()).given(gone.clone()).when(erase()).then_expect_events(vec![]);
        Given::with(()).given(gone).when(register("Ada")).then_expect_error(UserError::Exists);
        Given::with(()).given_no_previous_events().when(erase()).then_expect_error(UserError::Absent);
        let more = |key_ids: Vec<u128>| UserCommand::EraseKeys {
            key_ids: key_ids.into_iter().map(Uuid::from_u128).collect(),
        };
        let named = UserEvent::Erased { key_ids: vec![Uuid::from_u128(8)] };
        let gone = vec![registered(), erased()];
        Given::with(()).given(gone.clone()).when(more(vec![8])).then_expect_events(vec![named]);
        Given::with(()).given(gone).when(more(vec![])).then_expect_events(vec![]);
        Given::with(()).given(vec![registered()]).when(more(vec![8])).then_expect_events(vec![]);
        let mut user = User::default();
        for event in [erased(), registered(), erased(), registered()] {
            user.apply(event);
        }
        assert_eq!(user, User::Erased);
    }

    #[test]
    fn what_is_private_is_about_the_person_of_the_stream() {
        let stream = Uuid::from_u128(3);
        assert_eq!(registered().person(stream), Some(UserId(stream)));
    }

    #[test]
    fn nobody_is_called_nothing() {
        Given::with(()).given_no_previous_events().when(register(" ")).then_expect_error(UserError::Name);
    }
}
