//! One allowance for each of many (GCRA, by `governor`).

use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use uuid::Uuid;

use super::TooMany;
use crate::config::Rate;

/// How many are told apart. A hundred thousand take some megabytes.
pub(super) const MOST: usize = 100_000;
/// How many requests there are between two looks at how many there are.
pub(super) const LOOK: u32 = 1024;

/// What can be put together with its like in a crowd.
pub(super) trait Crowded: Copy + Eq + Hash {
    /// Whom it shares its allowance with then.
    fn crowd(self) -> Self;
}

/// As many as there are credentials: those aren't a stranger's to make.
impl Crowded for Uuid {
    fn crowd(self) -> Self {
        self
    }
}

/// Allowances of one kind.
pub(super) struct Bucket<K: Crowded, C: Clock> {
    limiter: RateLimiter<K, DashMapStateStore<K>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    name: &'static str,
    rate: Rate,
    crowded: AtomicBool,
}

/// The rate as `governor` has it.
pub(super) fn quota(rate: Rate) -> Quota {
    let spread = Quota::with_period(rate.window / rate.count.get());
    // A window is never zero, and never that finely divided.
    spread.unwrap_or_else(|| Quota::per_second(rate.count)).allow_burst(rate.burst)
}

impl<K: Crowded, C: Clock + Clone> Bucket<K, C> {
    pub(super) fn new(name: &'static str, rate: Rate, clock: &C) -> Self {
        let limiter = RateLimiter::dashmap_with_clock(quota(rate), clock.clone());
        Self { limiter, clock: clock.clone(), name, rate, crowded: AtomicBool::new(false) }
    }

    /// Takes one from `whose` allowance.
    pub(super) fn take(&self, whose: K) -> Result<(), TooMany> {
        let whose = if self.crowded.load(Ordering::Relaxed) { whose.crowd() } else { whose };
        self.limiter.check_key(&whose).map_err(|until| {
            let retry_after = until.wait_time_from(self.clock.now());
            TooMany { limit: self.name, rate: self.rate, retry_after }
        })
    }

    /// Is it a crowd?
    pub(super) fn look(&self) {
        if self.limiter.len() >= MOST {
            self.crowded.store(true, Ordering::Relaxed);
        }
    }

    /// Forgets whose allowance is whole again.
    pub(super) fn sweep(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        if self.limiter.len() < MOST / 2 {
            self.crowded.store(false, Ordering::Relaxed);
        }
    }

    pub(super) fn kept(&self) -> usize {
        self.limiter.len()
    }
}
