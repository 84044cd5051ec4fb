//! What every event says of itself, beside its type and version.

use cqrs_es::DomainEvent;

use uuid::Uuid;

use crate::{Private, UserId};

/// An event that the book can take.
pub trait Fact: DomainEvent {
    /// Can it change a decision? Control events are folded into the live state of every replica.
    fn control(&self) -> bool;

    /// Can it take something away? Then it moves the fence: what was decided before it, but isn't
    /// in the book yet, is decided again. Every event that can turn a permit into a denial must
    /// say yes here, and only control events may.
    fn narrows(&self) -> bool;

    /// Its private fields by name, in a fixed order. Each is sealed and committed to.
    fn private(&self) -> Vec<(&'static str, &Private)> {
        Vec::new()
    }

    /// The person that its private fields are about, if they are about one: they are sealed under that
    /// person's own key, and can't be read any more once the person is erased. `stream` is the id of
    /// the stream that it is written to.
    fn person(&self, _stream: Uuid) -> Option<UserId> {
        None
    }
}
