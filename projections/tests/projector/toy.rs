//! Projections for the tests alone: one that counts, so that an event folded twice would show, and
//! some that can't go on.

use serde::{Deserialize, Serialize};
use tollbook_journal::INSTANCE;
use tollbook_projections::{Happening, Misfit, Model, Projection, Rows, Term, Users};
use uuid::Uuid;

/// One row, which counts every event of the book and sums up their positions.
pub(crate) struct Count;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CountRow {
    pub(crate) events: u64,
    pub(crate) positions: u64,
}

impl Projection for Count {
    const NAME: &'static str = "count";
    const VERSION: u32 = 1;
    type Row = CountRow;

    fn key(_: &Happening) -> Option<String> {
        Some("all".into())
    }

    fn fold(row: Option<CountRow>, happening: &Happening) -> Result<Option<CountRow>, Misfit> {
        let CountRow { events, positions } = row.unwrap_or_default();
        Ok(Some(CountRow { events: events + 1, positions: positions + happening.position().0 }))
    }

    fn workspace(_: &Happening) -> Uuid {
        INSTANCE
    }
}

/// As [`Count`], by newer code.
pub(crate) struct NewerCount;

impl Projection for NewerCount {
    const NAME: &'static str = Count::NAME;
    const VERSION: u32 = 2;
    type Row = CountRow;

    fn key(happening: &Happening) -> Option<String> {
        Count::key(happening)
    }

    fn fold(row: Option<CountRow>, happening: &Happening) -> Result<Option<CountRow>, Misfit> {
        Count::fold(row, happening)
    }

    fn workspace(happening: &Happening) -> Uuid {
        Count::workspace(happening)
    }
}

/// Can't fold the event at position 7.
pub(crate) struct Picky;

impl Projection for Picky {
    const NAME: &'static str = "picky";
    const VERSION: u32 = 1;
    type Row = CountRow;

    fn key(happening: &Happening) -> Option<String> {
        Count::key(happening)
    }

    fn fold(row: Option<CountRow>, happening: &Happening) -> Result<Option<CountRow>, Misfit> {
        if happening.position().0 == 7 {
            return Err(Misfit("seven is not for me".into()));
        }
        Count::fold(row, happening)
    }

    fn workspace(happening: &Happening) -> Uuid {
        Count::workspace(happening)
    }
}

/// What it makes of the event at position 7 is refused by the database: two rows of one term.
pub(crate) struct Clashing;

impl Projection for Clashing {
    const NAME: &'static str = "clashing";
    const VERSION: u32 = 1;
    type Row = CountRow;

    fn key(happening: &Happening) -> Option<String> {
        Count::key(happening)
    }

    fn fold(row: Option<CountRow>, happening: &Happening) -> Result<Option<CountRow>, Misfit> {
        Count::fold(row, happening)
    }

    fn workspace(happening: &Happening) -> Uuid {
        Count::workspace(happening)
    }

    fn terms(row: &CountRow) -> Vec<Term> {
        // The eighth event is that of position 7; the test has laid this term in its way.
        if row.events >= 8 { vec![Term::new("taken", "already")] } else { Vec::new() }
    }
}

pub(crate) fn counting() -> Vec<Box<dyn Model>> {
    vec![Box::new(Rows::<Count>::new())]
}

pub(crate) fn newer_counting() -> Vec<Box<dyn Model>> {
    vec![Box::new(Rows::<NewerCount>::new())]
}

pub(crate) fn with_users<P: Projection>() -> Vec<Box<dyn Model>> {
    vec![Box::new(Rows::<Users>::new()), Box::new(Rows::<P>::new()), Box::new(Rows::<Count>::new())]
}
