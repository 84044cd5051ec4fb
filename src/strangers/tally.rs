//! Counts, until they are told.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tollbook_aggregates::AuthenticationFailure;

use crate::limits::Network;

/// How many pairs of an address and a way to fail are told apart.
const MOST: usize = 10_000;
/// Between two samples of one address: ten in any minute.
const APART: Duration = Duration::from_secs(6);
/// What has waited so long for its turn is told as part of a sum.
const LONGEST: Duration = Duration::from_secs(60);

/// What is written as one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// From where; `None` where it is a sum.
    pub(super) network: Option<Network>,
    pub(super) how: AuthenticationFailure,
    pub(super) count: u64,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    count: u64,
    since: Duration,
}

/// Times are counted from the start of the process.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: HashMap<(Network, AuthenticationFailure), Count>,
    /// Of addresses that are not told apart.
    sums: BTreeMap<AuthenticationFailure, u64>,
    /// When an address was last told of. As many as are told of within [`APART`].
    told: HashMap<Network, Duration>,
}

impl Tally {
    pub(super) fn count(&mut self, network: Network, how: AuthenticationFailure, at: Duration) {
        self.add(network, how, 1, at);
    }

    fn add(&mut self, network: Network, how: AuthenticationFailure, count: u64, at: Duration) {
        let full = self.counts.len() >= MOST;
        match self.counts.get_mut(&(network, how)) {
            Some(counted) => counted.count += count,
            None if full => *self.sums.entry(how).or_default() += count,
            None => drop(self.counts.insert((network, how), Count { count, since: at })),
        }
    }

    pub(super) fn waiting(&self) -> u64 {
        self.counts.values().map(|counted| counted.count).sum::<u64>() + self.sums.values().sum::<u64>()
    }

    /// The most frequent, as far as they may be told of now.
    pub(super) fn sample(&mut self, at: Duration, most: usize) -> Vec<Sample> {
        self.told.retain(|_, told| at.saturating_sub(*told) < APART);
        self.sum_up(at);
        let sums = self.sums.iter().map(|(how, count)| Sample { network: None, how: *how, count: *count });
        let single = self.counts.iter().map(|((network, how), counted)| Sample {
            network: Some(*network),
            how: *how,
            count: counted.count,
        });
        let mut all: Vec<Sample> = sums.chain(single).collect();
        all.sort_unstable_by_key(|sample| (std::cmp::Reverse(sample.count), sample.network, sample.how));
        let mut samples = Vec::with_capacity(most);
        for sample in all {
            if samples.len() == most {
                break;
            }
            if let Some(network) = sample.network {
                if self.told.contains_key(&network) {
                    continue;
                }
                self.told.insert(network, at);
                self.counts.remove(&(network, sample.how));
            } else {
                self.sums.remove(&sample.how);
            }
            samples.push(sample);
        }
        samples
    }

    /// An address that has to wait because it was told of lately waits for its next turn; others that had
    /// none for long aren't worth one of their own.
    fn sum_up(&mut self, at: Duration) {
        let Self { counts, sums, told } = self;
        counts.retain(|(network, how), counted| {
            let stays = told.contains_key(network) || at.saturating_sub(counted.since) < LONGEST;
            if !stays {
                *sums.entry(*how).or_default() += counted.count;
            }
            stays
        });
    }

    /// Everything, without addresses.
    pub(super) fn rest(&mut self) -> Vec<Sample> {
        for ((_, how), counted) in self.counts.drain() {
            *self.sums.entry(how).or_default() += counted.count;
        }
        let sums = std::mem::take(&mut self.sums);
        sums.into_iter().map(|(how, count)| Sample { network: None, how, count }).collect()
    }

    /// Couldn't be told: is part of the next one.
    pub(super) fn put_back(&mut self, samples: Vec<Sample>) {
        for Sample { network, how, count } in samples {
            match network {
                Some(network) => self.add(network, how, count, Duration::ZERO),
                None => *self.sums.entry(how).or_default() += count,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use AuthenticationFailure::{Malformed, Missing, Unknown};

    use super::*;

    fn network(number: u32) -> Network {
        Network::of(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number)))
    }

    /// Ten minutes of a flood from one address and a trickle from others, second by second.
    #[test]
    fn one_address_has_at_most_ten_samples_in_any_minute_and_no_refusal_is_lost() {
        let (mut tally, mut counted, mut told) = (Tally::default(), 0_u64, 0_u64);
        let mut samples: Vec<(u64, Sample)> = Vec::new();
        for second in 0..600 {
            let at = Duration::from_secs(second);
            for _ in 0..1000 {
                tally.count(network(1), Unknown, at);
                tally.count(network(1), Malformed, at);
                counted += 2;
            }
            tally.count(network(2 + u32::try_from(second % 7).unwrap()), Missing, at);
            counted += 1;
            samples.extend(tally.sample(at, 2).into_iter().map(|sample| (second, sample)));
        }
        for start in 0..540 {
            let of_one = samples.iter().filter(|(second, sample)| {
                (start..start + 60).contains(second) && sample.network == Some(network(1))
            });
            assert!(of_one.count() <= 10, "from {start}");
        }
        assert!(samples.len() <= 1200);
        assert!(samples.iter().any(|(_, sample)| sample.how == Missing), "the trickle is told of, too");
        told += samples.iter().map(|(_, sample)| sample.count).sum::<u64>();
        told += tally.rest().iter().map(|sample| sample.count).sum::<u64>();
        assert_eq!(told, counted);
    }

    #[test]
    fn more_addresses_than_are_told_apart_are_summed_up() {
        let mut tally = Tally::default();
        for number in 0..50_000 {
            tally.count(network(number), Unknown, Duration::ZERO);
        }
        assert_eq!((tally.counts.len(), tally.waiting()), (MOST, 50_000));
        let first = tally.sample(Duration::ZERO, 2);
        assert_eq!(first[0], Sample { network: None, how: Unknown, count: 40_000 });
        assert_eq!(first[1].count, 1);
        // Nobody waits for 10,000 turns.
        let later = tally.sample(LONGEST, 2);
        assert_eq!(later, [Sample { network: None, how: Unknown, count: 9_999 }]);
        assert_eq!(tally.waiting(), 0);
    }

    #[test]
    fn what_could_not_be_written_is_in_the_next_sample() {
        let mut tally = Tally::default();
        tally.count(network(1), Unknown, Duration::ZERO);
        let lost = tally.sample(Duration::ZERO, 2);
        tally.count(network(1), Unknown, Duration::ZERO);
        tally.put_back(lost);
        assert_eq!(tally.waiting(), 2);
        assert!(tally.sample(Duration::from_secs(5), 2).is_empty(), "its address has to wait");
        let next = tally.sample(APART, 2);
        assert_eq!(next, [Sample { network: Some(network(1)), how: Unknown, count: 2 }]);
    }
}
