//! Holding two builds against each other, at one position: row by row, term by term, by digests.
//!
//! Both are read side by side in the order of their keys, so that it takes no memory however much there
//! is, and what differs is named by its key.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::store::Work;
use crate::store::compared::{RowEntry, TermEntry};

/// How many differences are shown.
const EXAMPLES: usize = 20;
/// How many are counted: so many say enough.
const COUNTED: usize = 100_000;

/// What stands, and what the book makes of it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Of the row; of an index, the position of the event.
    pub key: String,
    /// What of it: `row`, or the `terms` that it is found by.
    pub what: String,
    /// What stands; none, where there is nothing.
    pub stands: Option<Value>,
    /// What was folded anew; none, where nothing should be.
    pub folded: Option<Value>,
}

/// What came of comparing.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// How many rows, or events of an index, differ. No more than 100,000 are counted.
    pub(super) differences: u64,
    pub(super) examples: Vec<Difference>,
}

/// Holds the build that stands against the one that was folded anew, as `work` sees them.
pub(super) async fn compare(work: &mut Work, builds: [i32; 2]) -> Result<Comparison, sqlx::Error> {
    let mut found = Found::default();
    merge::<Rows>(work, builds, &mut found).await?;
    merge::<Terms>(work, builds, &mut found).await?;
    merge::<Postings>(work, builds, &mut found).await?;
    found.comparison(work, builds).await
}

/// Of which rows it is known that they differ.
#[derive(Default)]
struct Found {
    /// By ordinal, so that a row that differs in several ways counts once.
    ordinals: BTreeSet<i64>,
    rows: BTreeSet<String>,
    /// By ordinal: the terms that only one of the two has.
    terms: BTreeMap<i64, [Vec<Uuid>; 2]>,
}

impl Found {
    fn is_enough(&self) -> bool {
        self.ordinals.len() >= COUNTED
    }

    fn note_terms(&mut self, entry: &TermEntry, side: usize) {
        let (term, ordinal) = *entry;
        self.ordinals.insert(ordinal);
        let shown = self.terms.len() < EXAMPLES || self.terms.contains_key(&ordinal);
        if shown && let Some(terms) = self.terms.entry(ordinal).or_default().get_mut(side) {
            terms.push(term);
        }
    }

    async fn comparison(self, work: &mut Work, builds: [i32; 2]) -> Result<Comparison, sqlx::Error> {
        let [stands, folded] = builds;
        let mut examples = Vec::new();
        for key in self.rows {
            let stands = work.row_of(stands, &key).await?.map(shown);
            let folded = work.row_of(folded, &key).await?.map(shown);
            examples.push(Difference { key, what: "row".into(), stands, folded });
        }
        for (ordinal, [only_stands, only_folded]) in self.terms {
            if examples.len() >= EXAMPLES {
                break;
            }
            let row = match work.row_at(folded, ordinal).await? {
                Some(row) => Some(row),
                None => work.row_at(stands, ordinal).await?,
            };
            let key = row.map_or_else(|| ordinal.to_string(), |(key, _)| key);
            if examples.iter().any(|example| example.key == key) {
                continue;
            }
            let (stands, folded) = (terms(&only_stands), terms(&only_folded));
            examples.push(Difference { key, what: "terms".into(), stands, folded });
        }
        let differences = u64::try_from(self.ordinals.len()).unwrap_or(u64::MAX);
        Ok(Comparison { differences, examples })
    }
}

/// A row's data; as text, if somebody has made something else of it than JSON.
fn shown(data: String) -> Value {
    serde_json::from_str(&data).unwrap_or(Value::String(data))
}

fn terms(terms: &[Uuid]) -> Option<Value> {
    (!terms.is_empty()).then(|| terms.iter().map(|term| Value::String(term.to_string())).collect())
}

/// What is read of a build, entry by entry.
trait Listing {
    type Key: Ord + Send;
    type Value: PartialEq + Send;
    /// Behind what the last page ended.
    type Cursor: Send;

    /// The next page of a build, and where it ended; none at the end.
    async fn page(
        work: &mut Work,
        build: i32,
        after: Option<&Self::Cursor>,
    ) -> Result<Option<Page<Self>>, sqlx::Error>;

    /// One side has it, or has it differently.
    fn note(found: &mut Found, entry: &(Self::Key, Self::Value), side: usize);
}

type Page<L> = (Vec<(<L as Listing>::Key, <L as Listing>::Value)>, <L as Listing>::Cursor);

struct Rows;
struct Terms;
struct Postings;

impl Listing for Rows {
    type Key = String;
    type Value = (Uuid, i64, Vec<u8>);
    type Cursor = String;

    async fn page(
        work: &mut Work,
        build: i32,
        after: Option<&String>,
    ) -> Result<Option<Page<Self>>, sqlx::Error> {
        let page = work.rows_behind(build, after.map(String::as_str)).await?;
        let last = page.last().map(|(key, _)| key.clone());
        Ok(last.map(|last| (page, last)))
    }

    fn note(found: &mut Found, (key, (_, ordinal, _)): &RowEntry, _: usize) {
        if found.rows.len() < EXAMPLES {
            found.rows.insert(key.clone());
        }
        found.ordinals.insert(*ordinal);
    }
}

impl Listing for Terms {
    type Key = TermEntry;
    type Value = ();
    type Cursor = TermEntry;

    async fn page(
        work: &mut Work,
        build: i32,
        after: Option<&TermEntry>,
    ) -> Result<Option<Page<Self>>, sqlx::Error> {
        let page = work.terms_behind(build, after.copied()).await?;
        let last = page.last().copied();
        Ok(last.map(|last| (page.into_iter().map(|entry| (entry, ())).collect(), last)))
    }

    fn note(found: &mut Found, (entry, ()): &(TermEntry, ()), side: usize) {
        found.note_terms(entry, side);
    }
}

impl Listing for Postings {
    type Key = TermEntry;
    type Value = ();
    type Cursor = TermEntry;

    async fn page(
        work: &mut Work,
        build: i32,
        after: Option<&TermEntry>,
    ) -> Result<Option<Page<Self>>, sqlx::Error> {
        let page = work.postings_behind(build, after.copied()).await?;
        let Some((term, first, _)) = page.last() else { return Ok(None) };
        let last = (*term, *first);
        let mut entries = Vec::new();
        for (term, first, offsets) in page {
            // Whoever has made something else of it than numbers has made a difference.
            let offsets: Vec<i64> =
                offsets.map_or_else(|| vec![0], |text| serde_json::from_str(&text).unwrap_or_default());
            entries.extend(offsets.into_iter().map(|offset| ((term, first + offset), ())));
        }
        Ok(Some((entries, last)))
    }

    fn note(found: &mut Found, (entry, ()): &(TermEntry, ()), side: usize) {
        found.note_terms(entry, side);
    }
}

/// A build while it is read.
struct Side<L: Listing + ?Sized> {
    build: i32,
    read: VecDeque<(L::Key, L::Value)>,
    cursor: Option<L::Cursor>,
    ended: bool,
}

impl<L: Listing> Side<L> {
    const fn new(build: i32) -> Self {
        Self { build, read: VecDeque::new(), cursor: None, ended: false }
    }

    async fn fill(&mut self, work: &mut Work) -> Result<(), sqlx::Error> {
        while self.read.is_empty() && !self.ended {
            match L::page(work, self.build, self.cursor.as_ref()).await? {
                Some((entries, cursor)) => {
                    self.read.extend(entries);
                    self.cursor = Some(cursor);
                }
                None => self.ended = true,
            }
        }
        Ok(())
    }
}

async fn merge<L: Listing>(
    work: &mut Work,
    [stands, folded]: [i32; 2],
    found: &mut Found,
) -> Result<(), sqlx::Error> {
    let (mut stands, mut folded) = (Side::<L>::new(stands), Side::<L>::new(folded));
    while !found.is_enough() {
        stands.fill(work).await?;
        folded.fill(work).await?;
        let order = match (stands.read.front(), folded.read.front()) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((one, _)), Some((other, _))) => one.cmp(other),
        };
        let one = if order.is_le() { stands.read.pop_front() } else { None };
        let other = if order.is_ge() { folded.read.pop_front() } else { None };
        match (one, other) {
            (Some(one), Some(other)) if one.1 == other.1 => {}
            (one, Some(other)) => {
                drop(one);
                L::note(found, &other, 1);
            }
            (Some(one), None) => L::note(found, &one, 0),
            (None, None) => {}
        }
    }
    Ok(())
}
