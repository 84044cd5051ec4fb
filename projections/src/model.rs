//! Projections and indexes as the projector sees them: all alike.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::marker::PhantomData;

use serde::Serialize;
use tollbook_journal::Position;
use uuid::Uuid;

use crate::happening::Happening;
use crate::index::Index;
use crate::projection::Projection;
use crate::term::Term;

/// A projection whose row's type is forgotten. Only [`Rows`] and [`Indexed`] are.
pub trait Model: Send + Sync + folding::Fold {
    /// Stable, as it is written in tables and shown to operators.
    fn name(&self) -> &'static str;
    /// Of the code.
    fn version(&self) -> u32;
    /// The types of events, or of aggregates, that it looks at; everything, when absent.
    fn events(&self) -> Option<&'static [&'static str]>;
}

/// A [`Projection`] for the projector.
#[derive(Debug)]
pub struct Rows<P>(PhantomData<fn() -> P>);

/// An [`Index`] for the projector.
#[derive(Debug)]
pub struct Indexed<I>(PhantomData<fn() -> I>);

impl<P> Rows<P> {
    /// Of the projection `P`.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<I> Indexed<I> {
    /// Of the index `I`.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P> Default for Rows<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<I> Default for Indexed<I> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Projection> Model for Rows<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn version(&self) -> u32 {
        P::VERSION
    }

    fn events(&self) -> Option<&'static [&'static str]> {
        P::EVENTS
    }
}

impl<I: Index> Model for Indexed<I> {
    fn name(&self) -> &'static str {
        I::NAME
    }

    fn version(&self) -> u32 {
        I::VERSION
    }

    fn events(&self) -> Option<&'static [&'static str]> {
        None
    }
}

/// A row as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub(crate) key: String,
    pub(crate) workspace_id: Uuid,
    pub(crate) ordinal: i64,
    /// JSON.
    pub(crate) data: String,
}

/// What a row becomes: nothing else of it ever changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) key: String,
    /// JSON.
    pub(crate) data: String,
}

/// A term of a row or of an event, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Posting {
    pub(crate) term: Uuid,
    pub(crate) ordinal: i64,
}

/// What of a page has a term and never loses it, as it is stored: one row of the tables. Events of an
/// index, or rows that begin in this page and their fixed terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) term: Uuid,
    pub(crate) first: i64,
    /// How far behind `first` each of them stands, in order, itself (0) among them.
    pub(crate) offsets: Vec<i16>,
}

/// What a page of events makes of the rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Rows that aren't there, or are among `deletes`.
    pub(crate) inserts: Vec<Stored>,
    /// Rows that are there.
    pub(crate) updates: Vec<Update>,
    pub(crate) deletes: Vec<String>,
    pub(crate) added: Vec<Posting>,
    pub(crate) removed: Vec<Posting>,
    pub(crate) blocks: Vec<Block>,
    /// The event at which it stopped, and why: nothing of it or behind it is in here.
    pub(crate) poison: Option<(Position, String)>,
}

/// Kept apart so that nobody else can be a model, and no caller folds past the projector.
pub(crate) mod folding {
    use super::{Folded, Happening, Stored};

    pub trait Fold {
        /// The rows that a page needs.
        fn keys(&self, page: &[Happening]) -> Vec<String>;
        /// What the page makes of them.
        fn fold(&self, page: &[Happening], rows: Vec<Stored>) -> Folded;
    }
}

impl<I: Index> folding::Fold for Indexed<I> {
    fn keys(&self, _page: &[Happening]) -> Vec<String> {
        Vec::new()
    }

    fn fold(&self, page: &[Happening], _rows: Vec<Stored>) -> Folded {
        let mut postings = Vec::new();
        for happening in page {
            let (workspace_id, ordinal) = (happening.recorded.workspace_id, ordinal(happening));
            let posting = |term: Term| Posting { term: term.stored(workspace_id), ordinal };
            postings.extend(I::terms(happening).into_iter().map(posting));
        }
        Folded { blocks: blocks(postings), ..Folded::default() }
    }
}

/// Brings together what has the same term.
fn blocks(mut postings: Vec<Posting>) -> Vec<Block> {
    postings.sort_unstable();
    let mut blocks: Vec<Block> = Vec::new();
    for Posting { term, ordinal } in postings {
        let last = blocks.last_mut().filter(|block| block.term == term);
        if !last.is_some_and(|block| block.add(ordinal)) {
            blocks.push(Block { term, first: ordinal, offsets: vec![0] });
        }
    }
    blocks
}

impl Block {
    /// As the databases read arrays. None if it stands alone.
    pub(crate) fn offsets_between(&self, open: char, close: char) -> Option<String> {
        let mut text = String::with_capacity(2 + 4 * self.offsets.len());
        for offset in &self.offsets {
            text.push(if text.is_empty() { open } else { ',' });
            // Writing to a string never fails.
            let _ = write!(text, "{offset}");
        }
        text.push(close);
        (self.offsets.len() > 1).then_some(text)
    }

    /// Adds the event at `ordinal`, which is the last or behind it, if it isn't too far from the first.
    fn add(&mut self, ordinal: i64) -> bool {
        let Ok(offset) = i16::try_from(ordinal - self.first) else { return false };
        if self.offsets.last() != Some(&offset) {
            self.offsets.push(offset);
        }
        true
    }
}

impl<P: Projection> folding::Fold for Rows<P> {
    fn keys(&self, page: &[Happening]) -> Vec<String> {
        page.iter().filter_map(key::<P>).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn fold(&self, page: &[Happening], rows: Vec<Stored>) -> Folded {
        let mut stored: HashMap<String, Stored> =
            rows.into_iter().map(|row| (row.key.clone(), row)).collect();
        let mut slots: BTreeMap<String, Slot<P>> = BTreeMap::new();
        let mut poison = None;
        for happening in page {
            let Some(key) = key::<P>(happening) else { continue };
            let folded = match slots.remove(&key) {
                Some(slot) => Ok(slot),
                None => Slot::of(stored.remove(&key)),
            }
            .and_then(|slot| slot.fold(happening));
            match folded {
                Ok(slot) => {
                    slots.insert(key, slot);
                }
                Err((slot, error)) => {
                    slots.extend(slot.map(|slot| (key, slot)));
                    poison = Some((happening.position(), error));
                    break;
                }
            }
        }
        let mut folded = Folded { poison, ..Folded::default() };
        let mut fixed = Vec::new();
        for (key, slot) in slots {
            if let Err(error) = slot.finish(key, &mut folded, &mut fixed) {
                // A row is plain data and always encodes, and no fold changes what it says is fixed; were one
                // to, nothing of the page is written.
                let first = page.first().map_or(Position(0), Happening::position);
                return Folded { poison: Some((first, error)), ..Folded::default() };
            }
        }
        folded.blocks = blocks(fixed);
        folded
    }
}

/// The row that an event belongs to. What the projection doesn't look at belongs to none, whoever folds:
/// so a rebuild, which doesn't even read it, makes the same.
fn key<P: Projection>(happening: &Happening) -> Option<String> {
    if P::looks_at(happening) {
        return P::key(happening);
    }
    debug_assert!(P::key(happening).is_none(), "`{}` folds what it says it doesn't look at", P::NAME);
    None
}

/// One row while a page is folded.
struct Slot<P: Projection> {
    before: Option<Current<P>>,
    now: Option<Current<P>>,
}

struct Current<P: Projection> {
    row: P::Row,
    workspace_id: Uuid,
    ordinal: i64,
}

/// What stood before the event that doesn't fit, if anything, and why it doesn't.
type Stuck<P> = (Option<Slot<P>>, String);

impl<P: Projection> Slot<P> {
    fn of(stored: Option<Stored>) -> Result<Self, Stuck<P>> {
        let Some(Stored { workspace_id, ordinal, data, .. }) = stored else {
            return Ok(Self { before: None, now: None });
        };
        let row: P::Row = serde_json::from_str(&data)
            .map_err(|error| (None, format!("the row doesn't decode: {error}")))?;
        let now = Current { row: row.clone(), workspace_id, ordinal };
        Ok(Self { before: Some(Current { row, workspace_id, ordinal }), now: Some(now) })
    }

    fn fold(mut self, happening: &Happening) -> Result<Self, Stuck<P>> {
        let kept = self.now.as_ref().map(|now| (now.workspace_id, now.ordinal));
        match P::fold(self.now.as_ref().map(|now| now.row.clone()), happening) {
            Ok(row) => {
                let (workspace_id, ordinal) =
                    kept.unwrap_or_else(|| (P::workspace(happening), ordinal(happening)));
                self.now = row.map(|row| Current { row, workspace_id, ordinal });
                Ok(self)
            }
            Err(misfit) => Err((Some(self), misfit.to_string())),
        }
    }

    fn finish(self, key: String, folded: &mut Folded, fixed: &mut Vec<Posting>) -> Result<(), String> {
        let terms = |of: &Option<Current<P>>| of.as_ref().map(Current::terms).unwrap_or_default();
        let ((fixed_before, before), (fixed_after, after)) = (terms(&self.before), terms(&self.now));
        folded.removed.extend(before.difference(&after).copied());
        folded.added.extend(after.difference(&before).copied());
        match (self.before, self.now) {
            (Some(before), Some(Current { row, ordinal, .. })) if before.ordinal == ordinal => {
                if fixed_before != fixed_after {
                    return Err(format!("a fixed term of `{key}` has changed"));
                }
                folded.updates.push(Update { data: encode(&row)?, key });
            }
            (before, Some(Current { row, workspace_id, ordinal })) => {
                // What was there is no more; this one only has its key.
                folded.deletes.extend(before.map(|_| key.clone()));
                folded.inserts.push(Stored { data: encode(&row)?, key, workspace_id, ordinal });
                fixed.extend(fixed_after);
            }
            (Some(_), None) => folded.deletes.push(key),
            (None, None) => {}
        }
        Ok(())
    }
}

fn encode<R: Serialize>(row: &R) -> Result<String, String> {
    serde_json::to_string(row).map_err(|error| error.to_string())
}

impl<P: Projection> Current<P> {
    /// Those that are fixed, and those that come and go.
    fn terms(&self) -> (BTreeSet<Posting>, BTreeSet<Posting>) {
        let (mut fixed, mut changing) = (BTreeSet::new(), BTreeSet::new());
        for term in P::terms(&self.row) {
            let posting = Posting { term: term.stored(self.workspace_id), ordinal: self.ordinal };
            let into = if P::FIXED.contains(&term.kind()) { &mut fixed } else { &mut changing };
            into.insert(posting);
        }
        (fixed, changing)
    }
}

/// Positions stay far below 2⁶³.
fn ordinal(happening: &Happening) -> i64 {
    i64::try_from(happening.position().0).unwrap_or(i64::MAX)
}
