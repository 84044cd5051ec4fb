//! What was refused because of its credential, told to the book: how often, in what way, from where. Most of
//! it comes from strangers; some from who holds the right secret of a credential that has ended.
//!
//! Strangers can't fill the book. A refusal is counted and answered; once a second, the most frequent are
//! written as samples with exact counts: at most [`A_TICK`] a second over all, and at most ten a minute
//! of one address. What had to wait is in the next sample. Of more addresses than are told apart, the
//! sum is told.

mod tally;

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tollbook_aggregates::{AuthenticationFailure, Instance, InstanceEvent, Private};
use tollbook_journal::{Expected, INSTANCE};

use crate::book::Draft;
use crate::commands::Commands;
use crate::limits::Network;
use tally::{Sample, Tally};

/// How often samples are taken.
const TICK: Duration = Duration::from_secs(1);
/// How many samples are written at once, at most: 120 a minute over all addresses.
pub const A_TICK: usize = 2;

/// Counts what is refused.
#[derive(Debug)]
pub struct Strangers {
    tally: Mutex<Tally>,
    /// Something is to be written.
    counted: Notify,
    begun: Instant,
}

impl Default for Strangers {
    fn default() -> Self {
        Self { tally: Mutex::default(), counted: Notify::new(), begun: Instant::now() }
    }
}

impl Strangers {
    /// Counts one refusal. Never waits for the book.
    pub fn refused(&self, address: IpAddr, how: AuthenticationFailure) {
        self.locked().count(Network::of(address), how, self.begun.elapsed());
        self.counted.notify_one();
    }

    /// How many refusals were counted that the book doesn't have yet.
    pub fn waiting(&self) -> u64 {
        self.locked().waiting()
    }

    /// Writes samples as long as it is polled.
    pub async fn tell(&self, commands: &Commands) {
        loop {
            self.counted.notified().await;
            while self.waiting() > 0 {
                let samples = self.locked().sample(self.begun.elapsed(), A_TICK);
                self.write(commands, samples).await;
                tokio::time::sleep(TICK).await;
            }
        }
    }

    /// Writes what is left, summed up over all addresses. For the end.
    pub async fn finish(&self, commands: &Commands) {
        let samples = self.locked().rest();
        self.write(commands, samples).await;
    }

    async fn write(&self, commands: &Commands, samples: Vec<Sample>) {
        if samples.is_empty() {
            return;
        }
        let events: Vec<_> = samples.iter().map(event).collect();
        let written = match Draft::new::<Instance>(INSTANCE, Instance::DOORS, Expected::Any, &events) {
            Ok(draft) => commands.write_as_system(vec![draft]).await.is_ok_and(|appended| appended.is_ok()),
            Err(error) => {
                tracing::error!(%error, "a sample of refused authentications does not serialize");
                false
            }
        };
        if !written {
            // They are in the next one.
            self.locked().put_back(samples);
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event(sample: &Sample) -> InstanceEvent {
    let address = sample.network.map(|network| Private::from(network.to_string().as_str()));
    InstanceEvent::AuthenticationRefused { kind: sample.how, count: sample.count, address }
}
