//! How much one caller, or one address, may ask of this process.
//!
//! Two kinds of limits. The wide ones, for every request of an address and of a key, a person or a
//! session, keep one of them from taking the service away from the others; their defaults are beyond what
//! honest callers reach. The narrow ones are for an address whose credentials are refused again and again,
//! and for a person who tries one-time links that are none: nothing more is looked up for them. Who comes from
//! there with a credential that is known is let in all the same: others' failures are not theirs.
//!
//! A replica counts for itself: what is limited here is load, and load is a replica's own. What must hold
//! across replicas (who may do what, how many calls a session has) is decided by the book.
//!
//! Memory is bounded: what is idle is forgotten, and in a crowd of more addresses than are told apart,
//! those of one larger network share an allowance.

mod address;
mod bucket;
mod locked;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use governor::clock::{Clock, DefaultClock};
use ipnet::IpNet;
use uuid::Uuid;

use crate::config::{Config, Rate};

pub use address::Network;
use bucket::Bucket;
use locked::Locked;

/// How often what is idle is forgotten.
const SWEEP: Duration = Duration::from_secs(5);

/// Who asks, whose credential was right.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject {
    /// Their API key, or operator's credential.
    pub key: Option<Uuid>,
    /// The person.
    pub user: Option<Uuid>,
    /// The session, by its own token.
    pub session: Option<Uuid>,
}

/// Too much was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany {
    /// Which limit: `address`, `key`, `user`, `session`, `failures` or `links`.
    pub limit: &'static str,
    /// What it is.
    pub rate: Rate,
    /// When the next request will be let through.
    pub retry_after: Duration,
}

/// The limits in force, and what was asked so far.
pub struct Limits<C: Clock = DefaultClock> {
    addresses: Option<Bucket<Network, C>>,
    keys: Option<Bucket<Uuid, C>>,
    users: Option<Bucket<Uuid, C>>,
    sessions: Option<Bucket<Uuid, C>>,
    failures: Option<Locked<Network, C>>,
    links: Option<Locked<Uuid, C>>,
    trusted: Vec<IpNet>,
}

thread_local! {
    /// How often this thread has asked: shared, it would cost every request a fight for one cache line.
    static ASKED: Cell<u32> = const { Cell::new(0) };
}

/// At the first of every so many requests.
fn every_so_often() -> bool {
    let asked = ASKED.get();
    ASKED.set(asked.wrapping_add(1));
    asked.is_multiple_of(bucket::LOOK)
}

impl Limits {
    /// As configured.
    pub fn new(config: &Config) -> Self {
        Self::with_clock(config, &DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limits<C> {
    /// As configured, by this clock.
    pub fn with_clock(config: &Config, clock: &C) -> Self {
        let limits = &config.limits;
        let by_id = |name, rate: Option<Rate>| rate.map(|rate| Bucket::new(name, rate, clock));
        Self {
            addresses: limits.address.map(|rate| Bucket::new("address", rate, clock)),
            keys: by_id("key", limits.key),
            users: by_id("user", limits.user),
            sessions: by_id("session", limits.session),
            failures: limits.failures.map(|rate| Locked::new("failures", rate, clock)),
            links: limits.links.map(|rate| Locked::new("links", rate, clock)),
            trusted: config.trusted_proxies.clone(),
        }
    }

    /// Where a request comes from: the connection's other end, or what proxies that are trusted say of it.
    pub fn client(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> IpAddr {
        address::client(peer, headers, &self.trusted)
    }

    /// Lets a request in, or not; before anything is known of who asks.
    ///
    /// # Errors
    /// When its address asks too much.
    pub fn request(&self, address: IpAddr) -> Result<(), TooMany> {
        let Some(addresses) = &self.addresses else { return Ok(()) };
        if every_so_often() {
            addresses.look();
        }
        addresses.take(Network::of(address))
    }

    /// May a credential from this address that isn't known be looked for?
    ///
    /// # Errors
    /// When too many of them were refused.
    pub fn may_authenticate(&self, address: IpAddr) -> Result<(), TooMany> {
        self.failures.as_ref().map_or(Ok(()), |failures| failures.look(Network::of(address)))
    }

    /// A credential from this address was refused.
    pub fn refused(&self, address: IpAddr) {
        if let Some(failures) = &self.failures {
            failures.count(Network::of(address));
        }
    }

    /// May this person, who is signed in, try a one-time link?
    ///
    /// # Errors
    /// When too many that they tried were none. Whose links those were doesn't matter: nothing changes for them.
    pub fn may_try_link(&self, person: Uuid) -> Result<(), TooMany> {
        self.links.as_ref().map_or(Ok(()), |links| links.look(person))
    }

    /// They tried one that is none.
    pub fn tried_wrong_link(&self, person: Uuid) {
        if let Some(links) = &self.links {
            links.count(person);
        }
    }

    /// Lets whoever it turned out to be go on, or not.
    ///
    /// # Errors
    /// When they ask too much.
    pub fn admit(&self, subject: Subject) -> Result<(), TooMany> {
        let pairs =
            [(&self.keys, subject.key), (&self.users, subject.user), (&self.sessions, subject.session)];
        for (bucket, id) in pairs {
            if let (Some(bucket), Some(id)) = (bucket, id) {
                bucket.take(id)?;
            }
        }
        Ok(())
    }

    /// Is anybody limited by who they are, apart from their credential?
    pub fn knows_users(&self) -> bool {
        self.users.is_some()
    }

    /// Forgets who has not asked for long enough that it makes no difference.
    pub fn sweep(&self) {
        for bucket in [&self.keys, &self.users, &self.sessions].into_iter().flatten() {
            bucket.sweep();
        }
        if let Some(addresses) = &self.addresses {
            addresses.sweep();
        }
        if let Some(failures) = &self.failures {
            failures.sweep();
        }
        if let Some(links) = &self.links {
            links.sweep();
        }
    }

    /// How many allowances are kept in memory.
    pub fn kept(&self) -> usize {
        let by_id = [&self.keys, &self.users, &self.sessions].into_iter().flatten().map(Bucket::kept);
        let addresses = self.addresses.as_ref().map_or(0, Bucket::kept);
        let failures = self.failures.as_ref().map_or(0, Locked::kept);
        by_id.sum::<usize>() + addresses + failures + self.links.as_ref().map_or(0, Locked::kept)
    }

    /// Sweeps as long as it is polled.
    pub async fn keep_small(&self) {
        loop {
            tokio::time::sleep(SWEEP).await;
            self.sweep();
        }
    }
}
