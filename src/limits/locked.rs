//! Who has failed too often, an address or a person, and until when they are turned away.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use governor::clock::{Clock, Reference as _};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{NotUntil, RateLimiter};

use super::TooMany;
use super::bucket::{Crowded, LOOK, MOST, quota};
use crate::config::Rate;

/// Counts refusals, and turns away who has no more of them left. That costs nothing as long as nobody is.
pub(super) struct Locked<K: Crowded, C: Clock> {
    refusals: RateLimiter<K, DashMapStateStore<K>, C, StateInformationMiddleware>,
    until: RwLock<HashMap<K, C::Instant>>,
    /// How many `until` has.
    turned_away: AtomicUsize,
    counted: AtomicUsize,
    crowded: AtomicBool,
    clock: C,
    name: &'static str,
    rate: Rate,
}

impl<K: Crowded, C: Clock + Clone> Locked<K, C> {
    pub(super) fn new(name: &'static str, rate: Rate, clock: &C) -> Self {
        let refusals = RateLimiter::dashmap_with_clock(quota(rate), clock.clone()).with_middleware();
        Self {
            refusals,
            until: RwLock::default(),
            turned_away: AtomicUsize::new(0),
            counted: AtomicUsize::new(0),
            crowded: AtomicBool::new(false),
            clock: clock.clone(),
            name,
            rate,
        }
    }

    fn whose(&self, who: K) -> K {
        if self.crowded.load(Ordering::Relaxed) { who.crowd() } else { who }
    }

    /// Are they turned away now?
    pub(super) fn look(&self, who: K) -> Result<(), TooMany> {
        if self.turned_away.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let until = self.until.read().unwrap_or_else(PoisonError::into_inner);
        // Who was turned away before it was a crowd is so still.
        let Some(until) = until.get(&who).or_else(|| until.get(&self.whose(who))).copied() else {
            return Ok(());
        };
        let retry_after: Duration = until.duration_since(self.clock.now()).into();
        if retry_after.is_zero() {
            return Ok(());
        }
        Err(TooMany { limit: self.name, rate: self.rate, retry_after })
    }

    /// One more refusal. Who has used up the last one is turned away until there is another.
    pub(super) fn count(&self, who: K) {
        if self.counted.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOK as usize)
            && self.refusals.len() >= MOST
        {
            self.crowded.store(true, Ordering::Relaxed);
        }
        let who = self.whose(who);
        let now = self.clock.now();
        let until = match self.refusals.check_key(&who) {
            Ok(left) if left.remaining_burst_capacity() > 0 => return,
            Ok(_) => now + quota(self.rate).replenish_interval().into(),
            // Several came at once, before they were turned away.
            Err(until) => earliest::<C>(&until, now),
        };
        let mut all = self.until.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(who, until);
        self.turned_away.store(all.len(), Ordering::Release);
    }

    /// Forgets who may try again.
    pub(super) fn sweep(&self) {
        self.refusals.retain_recent();
        self.refusals.shrink_to_fit();
        if self.refusals.len() < MOST / 2 {
            self.crowded.store(false, Ordering::Relaxed);
        }
        let now = self.clock.now();
        let mut all = self.until.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, until| *until > now);
        all.shrink_to_fit();
        self.turned_away.store(all.len(), Ordering::Release);
    }

    pub(super) fn kept(&self) -> usize {
        self.refusals.len() + self.turned_away.load(Ordering::Relaxed)
    }
}

fn earliest<C: Clock>(until: &NotUntil<C::Instant>, now: C::Instant) -> C::Instant {
    now + until.wait_time_from(now).into()
}
