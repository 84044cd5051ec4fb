//! The book's time, as this process knows it.
//!
//! On `SQLite` the book's clock is this machine's. On `PostgreSQL` it is the database's, and is heard with
//! whatever is read or written anyway: no question is asked for its sake. Between two answers it is
//! counted on by this process's monotonic clock, so that it makes no difference what the machine's own
//! clock shows, or whether somebody sets it.
//!
//! What is said here never runs ahead of the book's clock, and lies behind it by no more than the quickest
//! answer took to come back. docs/adr/0066 says why it is this side on which it errs.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// Two clocks part by less than one part in so many (200 µs a second): quartz by less than half of it.
const DRIFT: u32 = 5_000;

/// A machine's own clock and its monotonic one don't part by more than this between two answers, unless
/// somebody sets the one or the other stands still.
const DISTURBED: TimeDelta = TimeDelta::milliseconds(500);

/// The time by which the book decides. Clones are one clock.
#[derive(Clone)]
pub struct BookClock {
    machine: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    known: Arc<Mutex<Option<Known>>>,
}

/// What is known of the database's clock.
#[derive(Debug, Clone, Copy)]
struct Known {
    best: Heard,
    /// When the newest answer was here, and what this machine's own clock showed then.
    newest: Instant,
    machine: DateTime<Utc>,
}

impl BookClock {
    /// `machine` is what this machine's own clock shows: the book's time on `SQLite`, and on `PostgreSQL`
    /// until the database's has been heard for the first time.
    pub fn new(machine: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self { machine: Arc::new(machine), known: Arc::default() }
    }

    /// The time in whole microseconds, which is what the book stores.
    pub fn now(&self) -> DateTime<Utc> {
        self.at(Instant::now())
    }

    /// May this machine have been suspended since the database was last heard? Its monotonic clock stands
    /// still then, and its own doesn't; nor does it when it is set, which can't be told apart. Never on
    /// `SQLite`, where nothing happens without this process.
    pub fn is_disturbed(&self) -> bool {
        let known = *self.lock();
        known.is_some_and(|known| {
            let parted = (self.machine)() - known.machine - delta(known.newest.elapsed());
            parted.abs() > DISTURBED
        })
    }

    /// What the book's clock will show at `instant`, or a little less.
    pub(crate) fn at(&self, instant: Instant) -> DateTime<Utc> {
        // Not in one expression with what it falls back on: that isn't ours, and the lock would be held.
        let known = *self.lock();
        known.map_or_else(|| (self.machine)(), |known| known.best.at(instant)).trunc_subsecs(6)
    }

    /// The database's clock showed `theirs` at some moment since `asked`.
    pub(crate) fn heard(&self, asked: Instant, theirs: DateTime<Utc>) {
        let (newest, machine) = (Instant::now(), (self.machine)());
        let mut known = self.lock();
        let best =
            known.map_or(Heard { theirs, at: newest }, |known| known.best.take_in(asked, theirs, newest));
        *known = Some(Known { best, newest, machine });
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for BookClock {
    #[expect(clippy::disallowed_methods, reason = "on SQLite this is the database's clock")]
    fn default() -> Self {
        Self::new(Utc::now)
    }
}

impl fmt::Debug for BookClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BookClock")
    }
}

/// The answer that says most about the database's clock: of all of them the one that puts it furthest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Heard {
    /// What the database's clock showed, at least,
    theirs: DateTime<Utc>,
    /// at this moment: when the answer was here.
    at: Instant,
}

impl Heard {
    /// What the database's clock shows at `instant`, or less.
    fn at(self, instant: Instant) -> DateTime<Utc> {
        let since = instant.saturating_duration_since(self.at);
        self.theirs
            .checked_add_signed(delta(since.saturating_sub(since / DRIFT)))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// With an answer that was here at `answered`.
    fn take_in(self, asked: Instant, theirs: DateTime<Utc>, answered: Instant) -> Self {
        // On its way already when the best one was here: it may be from before the clock was set.
        if asked < self.at {
            return self;
        }
        let set_back = theirs < self.at(asked);
        let says_more = theirs > self.at(answered);
        if set_back || says_more { Self { theirs, at: answered } } else { self }
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database's clock and this process's monotonic one, both in the test's hands, in microseconds.
    struct World {
        begun: Instant,
        /// How much this process has counted.
        counted: u64,
        /// How far the database's clock is ahead of that.
        offset: i64,
        heard: Option<Heard>,
    }

    impl World {
        fn new() -> Self {
            Self { begun: Instant::now(), counted: 0, offset: 0, heard: None }
        }

        fn instant(&self) -> Instant {
            self.begun + Duration::from_micros(self.counted)
        }

        fn theirs(&self) -> DateTime<Utc> {
            let shown = i64::try_from(self.counted).unwrap() + self.offset;
            DateTime::from_timestamp(1_790_000_000, 0).unwrap() + TimeDelta::microseconds(shown)
        }

        /// A question that takes so long to get there, and its answer so long to come back.
        fn ask(&mut self, there: u64, back: u64) {
            let asked = self.instant();
            self.counted += there;
            let theirs = self.theirs();
            self.counted += back;
            self.hear(asked, theirs);
        }

        fn hear(&mut self, asked: Instant, theirs: DateTime<Utc>) {
            let answered = self.instant();
            self.heard = Some(match self.heard {
                Some(known) => known.take_in(asked, theirs, answered),
                None => Heard { theirs, at: answered },
            });
        }

        /// How far what is believed lies behind the database's clock.
        fn behind(&self) -> i64 {
            let believed = self.heard.unwrap().at(self.instant());
            (self.theirs() - believed).num_microseconds().unwrap()
        }
    }

    #[test]
    fn time_is_never_ahead_and_behind_by_no_more_than_the_quickest_way_back() {
        let mut world = World::new();
        // Ways that take 0.2 to 40 ms, the two directions independently of each other.
        let mut random = 1_u64;
        let mut way = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            200 + (random >> 40) % 40_000
        };
        let mut answers = Vec::new();
        for _ in 0..200 {
            let (there, back) = (way(), way());
            world.ask(there, back);
            answers.push((back, world.counted));
            world.counted += 500_000;
            // What two clocks may have parted since an answer is taken off.
            let most =
                answers.iter().map(|(back, at)| back + (world.counted - at) / u64::from(DRIFT) + 1).min();
            let behind = world.behind();
            assert!((0..=most.unwrap().cast_signed()).contains(&behind), "{behind} of {most:?}");
        }
    }

    #[test]
    fn one_slow_answer_moves_nothing() {
        let mut world = World::new();
        world.ask(100, 300);
        let known = world.heard;
        // It waited for the append lock, or was paused itself, before the clock was read or behind it.
        world.ask(300_000, 400);
        world.ask(300, 1_500_000);
        assert_eq!(world.heard, known);
        // By now two clocks may have parted by more than what this one took longer.
        world.ask(100, 500);
        assert_ne!(world.heard, known);
        assert_eq!(world.behind(), 500);
    }

    #[test]
    fn clock_of_the_database_that_is_set_is_followed_with_the_next_answer() {
        for set in [3_600_000_000, -3_600_000_000, 20_000, -20_000] {
            let mut world = World::new();
            world.ask(300, 300);
            world.counted += 500_000;
            world.offset += set;
            world.ask(300, 300);
            assert_eq!(world.behind(), 300, "set by {set} µs");
        }
    }

    #[test]
    fn answer_from_before_the_clock_was_set_is_not_believed_after_it() {
        for set in [3_600_000_000, -3_600_000_000] {
            let mut world = World::new();
            world.ask(300, 300);
            world.counted += 1_000;
            // Asked and read before, but here only after another answer.
            let (asked, theirs) = (world.instant(), world.theirs());
            world.counted += 1_000;
            world.offset += set;
            world.ask(300, 300);
            world.counted += 1_000;
            world.hear(asked, theirs);
            assert_eq!(world.behind(), 300, "set by {set} µs");
        }
    }

    #[test]
    fn machine_that_was_suspended_is_right_again_with_the_next_answer() {
        let mut world = World::new();
        world.ask(300, 300);
        // The monotonic clock stood still meanwhile; also once in the middle of a question.
        world.offset += 600_000_000;
        assert!(world.behind() > 0, "it is behind, and not ahead");
        world.ask(300, 300);
        assert_eq!(world.behind(), 300);
        let (asked, theirs) = (world.instant(), world.theirs());
        world.offset += 600_000_000;
        world.counted += 400;
        world.hear(asked, theirs);
        assert!(world.behind() > 0);
        world.ask(300, 300);
        assert_eq!(world.behind(), 300);
    }

    #[test]
    fn database_that_says_nothing_is_counted_on_and_never_overtaken() {
        // A monotonic clock that is 100 parts in a million fast, or slow, and an hour without an answer.
        for drift in [100, -100] {
            let mut world = World::new();
            world.ask(300, 300);
            world.counted += 3_600_000_000;
            world.offset -= 3_600 * drift;
            assert!((0..2_000_000).contains(&world.behind()), "{}", world.behind());
            world.ask(300, 300);
            assert_eq!(world.behind(), 300);
        }
    }

    #[test]
    fn step_of_the_machine_s_own_clock_changes_nothing_once_the_database_s_was_heard() {
        let machine = Arc::new(Mutex::new(DateTime::from_timestamp(1_000, 0).unwrap()));
        let clock = BookClock::new({
            let machine = Arc::clone(&machine);
            move || *machine.lock().unwrap()
        });
        assert_eq!(clock.now().timestamp(), 1_000, "nothing else is known yet");
        let theirs = DateTime::from_timestamp(9_000, 0).unwrap();
        let asked = Instant::now();
        clock.heard(asked, theirs);
        for machine_shows in [0, 1_000_000] {
            *machine.lock().unwrap() = DateTime::from_timestamp(machine_shows, 0).unwrap();
            let now = clock.now();
            assert!(now >= theirs && now - theirs <= delta(asked.elapsed()), "{now}");
            // It may as well have been suspended: until the database is heard again.
            assert!(clock.is_disturbed());
            clock.heard(asked, now);
            assert!(!clock.is_disturbed());
        }
    }
}
