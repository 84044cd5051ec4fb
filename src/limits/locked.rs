//! Addresses whose credentials were refused too often, and until when they are turned away.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use governor::clock::{Clock, Reference as _};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{NotUntil, RateLimiter};

use super::TooMany;
use super::address::Network;
use super::bucket::{Crowded as _, LOOK, MOST, quota};
use crate::config::Rate;

const NAME: &str = "failures";

/// Counts refusals, and turns away who has no more of them left. That costs nothing as long as nobody is.
pub(super) struct Locked<C: Clock> {
    refusals: RateLimiter<Network, DashMapStateStore<Network>, C, StateInformationMiddleware>,
    until: RwLock<HashMap<Network, C::Instant>>,
    /// How many `until` has.
    turned_away: AtomicUsize,
    counted: AtomicUsize,
    crowded: AtomicBool,
    clock: C,
    rate: Rate,
}

impl<C: Clock + Clone> Locked<C> {
    pub(super) fn new(rate: Rate, clock: &C) -> Self {
        let refusals = RateLimiter::dashmap_with_clock(quota(rate), clock.clone()).with_middleware();
        Self {
            refusals,
            until: RwLock::default(),
            turned_away: AtomicUsize::new(0),
            counted: AtomicUsize::new(0),
            crowded: AtomicBool::new(false),
            clock: clock.clone(),
            rate,
        }
    }

    fn whose(&self, network: Network) -> Network {
        if self.crowded.load(Ordering::Relaxed) { network.crowd() } else { network }
    }

    /// Is it turned away now?
    pub(super) fn look(&self, network: Network) -> Result<(), TooMany> {
        if self.turned_away.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let until = self.until.read().unwrap_or_else(PoisonError::into_inner);
        // Who was turned away before it was a crowd is so still.
        let Some(until) = until.get(&network).or_else(|| until.get(&self.whose(network))).copied() else {
            return Ok(());
        };
        let retry_after: Duration = until.duration_since(self.clock.now()).into();
        if retry_after.is_zero() {
            return Ok(());
        }
        Err(TooMany { limit: NAME, rate: self.rate, retry_after })
    }

    /// One more refusal. Who has used up the last one is turned away until there is another.
    pub(super) fn count(&self, network: Network) {
        if self.counted.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOK as usize)
            && self.refusals.len() >= MOST
        {
            self.crowded.store(true, Ordering::Relaxed);
        }
        let network = self.whose(network);
        let now = self.clock.now();
        let until = match self.refusals.check_key(&network) {
            Ok(left) if left.remaining_burst_capacity() > 0 => return,
            Ok(_) => now + quota(self.rate).replenish_interval().into(),
            // Several came at once, before they were turned away.
            Err(until) => earliest::<C>(&until, now),
        };
        let mut all = self.until.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(network, until);
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
