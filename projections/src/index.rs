//! What an index over the book is.

use crate::happening::Happening;
use crate::term::Term;

/// Says by which terms an event is found. It keeps no rows: what is found is read from the book, which
/// is the only copy.
pub trait Index: Send + Sync + 'static {
    /// Stable, as it is written in tables and shown to operators.
    const NAME: &'static str;
    /// Raise it with every change of [`Self::terms`]: the index is then built anew at the next start.
    const VERSION: u32;

    /// The terms of an event. May look at nothing but the event.
    fn terms(happening: &Happening) -> Vec<Term>;
}
