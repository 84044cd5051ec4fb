//! What this replica has seen of the use of credentials, in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A use so soon after one that was noted isn't noted, in microseconds.
const SECOND: i64 = 1_000_000;

/// A credential, and when it was used.
pub(super) type Use = (Uuid, DateTime<Utc>);

/// By credential: as many as were ever used here. Only one that comes for the first time takes it exclusively.
#[derive(Debug, Default)]
pub(super) struct Noted(RwLock<HashMap<Uuid, Times>>);

/// Microseconds since 1970.
#[derive(Debug)]
struct Times {
    used: AtomicI64,
    /// What the table has of it.
    kept: AtomicI64,
}

impl Noted {
    /// Was it used, by what was noted, less than a second before `at`?
    pub(super) fn knows(&self, (id, at): Use) -> bool {
        let used = |times: &Times| times.used.load(Ordering::Relaxed);
        self.read().get(&id).is_some_and(|times| at.timestamp_micros() < used(times).saturating_add(SECOND))
    }

    /// Notes a use. An earlier one than is noted changes nothing.
    pub(super) fn note(&self, (id, at): Use) {
        let at = at.timestamp_micros();
        if let Some(times) = self.read().get(&id) {
            times.used.fetch_max(at, Ordering::Relaxed);
            return;
        }
        let fresh = || Times { used: AtomicI64::new(at), kept: AtomicI64::new(i64::MIN) };
        self.write().entry(id).or_insert_with(fresh).used.fetch_max(at, Ordering::Relaxed);
    }

    /// The last use that was noted.
    pub(super) fn of(&self, id: Uuid) -> Option<DateTime<Utc>> {
        time(self.read().get(&id)?.used.load(Ordering::Relaxed))
    }

    /// What the table doesn't have yet, in the order of ids: two replicas that write the same rows never wait for
    /// each other in a circle.
    pub(super) fn unkept(&self) -> Vec<Use> {
        let uses = self.read();
        let unkept = uses.iter().filter_map(|(id, times)| {
            let used = times.used.load(Ordering::Relaxed);
            (used > times.kept.load(Ordering::Relaxed)).then(|| time(used).map(|used| (*id, used)))?
        });
        let mut unkept: Vec<Use> = unkept.collect();
        unkept.sort_unstable();
        unkept
    }

    /// The table has these.
    pub(super) fn kept(&self, batch: &[Use]) {
        let uses = self.read();
        for (id, at) in batch {
            if let Some(times) = uses.get(id) {
                times.kept.fetch_max(at.timestamp_micros(), Ordering::Relaxed);
            }
        }
    }

    /// Knows nothing of these any more.
    pub(super) fn forget(&self, ids: &[Uuid]) {
        let mut uses = self.write();
        for id in ids {
            uses.remove(id);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Uuid, Times>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Uuid, Times>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn time(microseconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(microseconds)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const KEY: Uuid = Uuid::from_u128(7);
    const OTHER: Uuid = Uuid::from_u128(3);

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_767_225_600_000 + milliseconds).unwrap()
    }

    #[test]
    fn never_used_is_not_the_same_as_used_long_ago() {
        let noted = Noted::default();
        assert_eq!(noted.of(KEY), None);
        assert!(!noted.knows((KEY, at(0))));
        noted.note((KEY, DateTime::UNIX_EPOCH));
        assert_eq!(noted.of(KEY), Some(DateTime::UNIX_EPOCH));
        assert_eq!(noted.unkept(), [(KEY, DateTime::UNIX_EPOCH)]);
    }

    #[test]
    fn a_use_within_a_second_of_a_noted_one_is_known_and_the_next_is_not() {
        let noted = Noted::default();
        noted.note((KEY, at(250)));
        assert!(noted.knows((KEY, at(250))) && noted.knows((KEY, at(1_249))));
        assert!(!noted.knows((KEY, at(1_250))));
        assert!(!noted.knows((OTHER, at(250))), "of another credential it says nothing");
        // A clock that was set back: later is later.
        assert!(noted.knows((KEY, at(-60_000))));
    }

    #[test]
    fn the_latest_use_counts_in_whatever_order_they_come() {
        let noted = Noted::default();
        for then in [5_000, 9_000, 7_000] {
            noted.note((KEY, at(then)));
        }
        assert_eq!(noted.of(KEY), Some(at(9_000)));
    }

    #[test]
    fn what_was_kept_is_not_kept_again_until_it_is_used_again() {
        let noted = Noted::default();
        noted.note((KEY, at(0)));
        noted.note((OTHER, at(1)));
        let batch = noted.unkept();
        assert_eq!(batch, [(OTHER, at(1)), (KEY, at(0))], "in the order of ids");
        assert_eq!(noted.unkept(), batch, "what isn't written stays");
        noted.kept(&batch);
        assert_eq!(noted.unkept(), []);
        noted.note((KEY, at(2_000)));
        assert_eq!(noted.unkept(), [(KEY, at(2_000))]);
    }

    #[test]
    fn a_use_while_the_batch_is_written_goes_with_the_next() {
        let noted = Noted::default();
        noted.note((KEY, at(0)));
        let batch = noted.unkept();
        noted.note((KEY, at(1_500)));
        noted.kept(&batch);
        assert_eq!(noted.unkept(), [(KEY, at(1_500))]);
    }

    #[test]
    fn the_forgotten_is_in_no_batch() {
        let noted = Noted::default();
        noted.note((KEY, at(0)));
        noted.note((OTHER, at(0)));
        let batch = noted.unkept();
        noted.forget(&[KEY]);
        noted.kept(&batch);
        assert_eq!((noted.of(KEY), noted.unkept()), (None, vec![]));
    }

    #[test]
    fn many_at_once_leave_the_latest() {
        let noted = Noted::default();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let noted = &noted;
                scope.spawn(move || (0..500).for_each(|step| noted.note((KEY, at(step * 4 + thread)))));
            }
        });
        assert_eq!(noted.of(KEY), Some(at(499 * 4 + 3)));
    }
}
