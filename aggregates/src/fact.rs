//! What every event says of itself, beside its type and version.

use cqrs_es::DomainEvent;

use crate::Private;

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
}
