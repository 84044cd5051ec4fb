//! Rows while they are folded: what is not written yet, and some of what was written last.
//!
//! A row that is touched again soon costs no reading. Kept are the rows that were last touched, in two
//! generations: when the young one is full it becomes the old one, and what the old one had is forgotten.
//! What was forgotten is read back from the tables, many rows at a time.

use std::collections::{BTreeSet, HashMap};

use crate::model::{Block, Folded, Posting, Stored, Update};

/// How many rows a generation holds.
const GENERATION: usize = 25_000;
/// How many changes are gathered before they are written.
const CHANGES: usize = 20_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pending: HashMap<String, Pending>,
    added: BTreeSet<Posting>,
    removed: BTreeSet<Posting>,
    blocks: Vec<Block>,
    young: HashMap<String, Stored>,
    old: HashMap<String, Stored>,
    /// Is there anything in the tables that isn't in here?
    forgot: bool,
}

/// A row that was touched since the last writing.
#[derive(Debug)]
struct Pending {
    /// Its ordinal in the tables, if it is there.
    written: Option<i64>,
    now: Option<Stored>,
}

impl Memory {
    /// Of a build that has rows in the tables already, or none.
    pub(super) fn new(begun: bool) -> Self {
        Self { forgot: begun, ..Self::default() }
    }

    /// Those of `keys` that have to be looked for in the tables.
    pub(super) fn unknown(&self, keys: &[String]) -> Vec<String> {
        if !self.forgot {
            return Vec::new();
        }
        let known = |key: &&String| {
            self.pending.contains_key(*key) || self.young.contains_key(*key) || self.old.contains_key(*key)
        };
        keys.iter().filter(|key| !known(key)).cloned().collect()
    }

    /// What the tables had.
    pub(super) fn learn(&mut self, rows: Vec<Stored>) {
        for row in rows {
            self.keep(row);
        }
    }

    /// The rows of these keys, as far as there are any.
    pub(super) fn rows(&self, keys: &[String]) -> Vec<Stored> {
        keys.iter().filter_map(|key| self.row(key).cloned()).collect()
    }

    /// Takes in what a page of events made of the rows.
    pub(super) fn absorb(&mut self, folded: Folded) {
        let Folded { inserts, updates, deletes, added, removed, blocks, poison: _ } = folded;
        for key in deletes {
            self.touch(&key).now = None;
        }
        for row in inserts {
            let key = row.key.clone();
            self.touch(&key).now = Some(row);
        }
        for Update { key, data } in updates {
            if let Some(row) = self.touch(&key).now.as_mut() {
                row.data = data;
            }
        }
        for posting in removed {
            if !self.added.remove(&posting) {
                self.removed.insert(posting);
            }
        }
        for posting in added {
            if !self.removed.remove(&posting) {
                self.added.insert(posting);
            }
        }
        self.blocks.extend(blocks);
    }

    /// Is it time to write?
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() + self.added.len() + self.removed.len() + self.blocks.len() >= CHANGES
    }

    /// All that isn't written yet, to be written now.
    pub(super) fn drain(&mut self) -> Folded {
        let mut folded = Folded {
            added: std::mem::take(&mut self.added).into_iter().collect(),
            removed: std::mem::take(&mut self.removed).into_iter().collect(),
            blocks: std::mem::take(&mut self.blocks),
            ..Folded::default()
        };
        for (key, Pending { written, now }) in std::mem::take(&mut self.pending) {
            match (written, now) {
                (Some(ordinal), Some(row)) if row.ordinal == ordinal => {
                    folded.updates.push(Update { key, data: row.data.clone() });
                    self.keep(row);
                }
                (written, Some(row)) => {
                    folded.deletes.extend(written.map(|_| key));
                    folded.inserts.push(row.clone());
                    self.keep(row);
                }
                (Some(_), None) => folded.deletes.push(key),
                (None, None) => {}
            }
        }
        // In the order of the index that they go into.
        folded.inserts.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        folded
    }

    fn row(&self, key: &str) -> Option<&Stored> {
        match self.pending.get(key) {
            Some(pending) => pending.now.as_ref(),
            None => self.young.get(key).or_else(|| self.old.get(key)),
        }
    }

    fn touch(&mut self, key: &str) -> &mut Pending {
        let (young, old) = (&mut self.young, &mut self.old);
        self.pending.entry(key.to_owned()).or_insert_with(|| {
            let now = young.remove(key).or_else(|| old.remove(key));
            Pending { written: now.as_ref().map(|row| row.ordinal), now }
        })
    }

    fn keep(&mut self, row: Stored) {
        if self.young.len() >= GENERATION {
            let forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            self.forgot |= !forgotten.is_empty();
        }
        self.young.insert(row.key.clone(), row);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn row(number: usize) -> Stored {
        let ordinal = i64::try_from(number).unwrap();
        Stored { key: format!("{number:06}"), workspace_id: Uuid::nil(), ordinal, data: "1".into() }
    }

    fn inserted(rows: impl IntoIterator<Item = usize>) -> Folded {
        Folded { inserts: rows.into_iter().map(row).collect(), ..Folded::default() }
    }

    fn updated(number: usize) -> Folded {
        let update = Update { key: row(number).key, data: "2".into() };
        Folded { updates: vec![update], ..Folded::default() }
    }

    #[test]
    fn row_that_is_changed_before_it_is_written_is_written_once() {
        let mut memory = Memory::new(false);
        memory.absorb(inserted([1]));
        memory.absorb(updated(1));
        let drained = memory.drain();
        assert_eq!(drained.inserts, [Stored { data: "2".into(), ..row(1) }]);
        assert!(drained.updates.is_empty());
        memory.absorb(updated(1));
        assert_eq!(memory.drain().updates.len(), 1, "now it is there");
    }

    #[test]
    fn row_that_comes_and_goes_is_never_written() {
        let mut memory = Memory::new(false);
        memory.absorb(inserted([1]));
        memory.absorb(Folded { deletes: vec![row(1).key], ..Folded::default() });
        assert_eq!(memory.drain(), Folded::default());
    }

    #[test]
    fn term_that_is_added_and_taken_away_is_never_written() {
        let mut memory = Memory::new(false);
        let posting = Posting { term: Uuid::nil(), ordinal: 1 };
        memory.absorb(Folded { added: vec![posting], ..Folded::default() });
        memory.absorb(Folded { removed: vec![posting], ..Folded::default() });
        assert_eq!(memory.drain(), Folded::default());
    }

    #[test]
    fn what_was_forgotten_is_read_back_and_nothing_else() {
        let mut memory = Memory::new(false);
        assert!(memory.unknown(&[row(1).key]).is_empty(), "there is nothing in the tables");
        for start in (0..3 * GENERATION).step_by(1000) {
            memory.absorb(inserted(start..start + 1000));
            memory.drain();
        }
        assert_eq!(memory.unknown(&[row(1).key, row(3 * GENERATION - 1).key]), [row(1).key]);
        assert!(memory.young.len() + memory.old.len() <= 2 * GENERATION);
        memory.learn(vec![row(1)]);
        assert_eq!(memory.rows(&[row(1).key]), [row(1)]);
        assert!(Memory::new(true).unknown(&[row(1).key]) == [row(1).key], "a build that was begun before");
    }
}
