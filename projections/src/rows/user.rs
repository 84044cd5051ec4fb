//! People by id: whose name it is.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tollbook_aggregates::{Event, UserEvent, UserId};
use tollbook_journal::{INSTANCE, Position};
use uuid::Uuid;

use crate::happening::Happening;
use crate::projection::{Misfit, Projection, Sealed};

/// Users by id, listed under [`INSTANCE`].
#[derive(Debug)]
pub struct Users;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    /// Who.
    pub id: UserId,
    /// How they are called.
    pub name: Option<Sealed>,
    /// Since when they are known.
    pub registered_at: DateTime<Utc>,
    /// Of the newest event in here.
    pub position: Position,
}

impl Projection for Users {
    const NAME: &'static str = "user";
    const VERSION: u32 = 1;
    const EVENTS: Option<&'static [&'static str]> = Some(&["user"]);
    type Row = UserRow;

    fn key(happening: &Happening) -> Option<String> {
        match &happening.event {
            Event::User(UserEvent::Registered { .. }) => Some(happening.recorded.stream.aggregate_id.clone()),
            _ => None,
        }
    }

    fn fold(_: Option<UserRow>, happening: &Happening) -> Result<Option<UserRow>, Misfit> {
        Ok(Some(UserRow {
            id: happening.subject()?,
            name: happening.sealed("name"),
            registered_at: happening.recorded.recorded_at,
            position: happening.position(),
        }))
    }

    fn workspace(_: &Happening) -> Uuid {
        INSTANCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::given::{given, id, sealed, time};

    #[test]
    fn person_is_known_by_name() {
        let registered = Event::User(UserEvent::Registered { name: "Ada".into() });
        let row =
            UserRow { id: id(1), name: sealed(0, "name"), registered_at: time(0), position: Position(0) };
        assert_eq!(given::<Users>([(1, registered)]).only(), &row);
    }
}
