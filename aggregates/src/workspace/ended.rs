//! What was ended in bulk in a workspace, told by when it was made.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::WhichKeys;
use crate::{ApiKeyId, UserId};

/// How often things had been ended in bulk when something was made: a clock that only this workspace's
/// events move.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u32);

impl Epoch {
    /// Of a workspace in which nothing was ended yet.
    pub const FIRST: Self = Self(0);

    /// Is it the first? It isn't written then.
    pub fn is_first(&self) -> bool {
        *self == Self::FIRST
    }
}

/// Everything made before these epochs has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    epoch: Epoch,
    keys: Epoch,
    keys_of: BTreeMap<UserId, Epoch>,
    members: BTreeMap<UserId, Epoch>,
    these: BTreeSet<ApiKeyId>,
    /// Until when nobody makes keys, or this person doesn't.
    paused: Vec<(Option<UserId>, DateTime<Utc>)>,
}

impl Ended {
    /// What is made now carries this.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Has what this person had, when they made it, ended with a membership that ended?
    pub fn membership(&self, user_id: UserId, made: Epoch) -> bool {
        self.members.get(&user_id).is_some_and(|ended| made < *ended)
    }

    /// Has this key ended in bulk?
    pub fn api_key(&self, id: ApiKeyId, user_id: UserId, made: Epoch) -> bool {
        made < self.keys
            || self.keys_of.get(&user_id).is_some_and(|ended| made < *ended)
            || self.these.contains(&id)
            || self.membership(user_id, made)
    }

    /// Until when this person makes no keys, if that was said.
    pub(super) fn paused(&self, user_id: UserId) -> Option<DateTime<Utc>> {
        let theirs = self.paused.iter().filter(|(whose, _)| whose.is_none_or(|whose| whose == user_id));
        theirs.map(|(_, until)| *until).max()
    }

    pub(super) fn keys_paused(&mut self, user_id: Option<UserId>, until: DateTime<Utc>) {
        match self.paused.iter_mut().find(|(whose, _)| *whose == user_id) {
            Some((_, before)) => *before = until.max(*before),
            None => self.paused.push((user_id, until)),
        }
    }

    pub(super) fn member_left(&mut self, user_id: UserId) {
        let next = self.next();
        self.members.insert(user_id, next);
    }

    pub(super) fn keys_revoked(&mut self, which: WhichKeys) {
        match which {
            WhichKeys::All => self.keys = self.next(),
            WhichKeys::Of(user_id) => {
                let next = self.next();
                self.keys_of.insert(user_id, next);
            }
            WhichKeys::These(ids) => self.these.extend(ids),
        }
    }

    fn next(&mut self) -> Epoch {
        self.epoch = Epoch(self.epoch.0.saturating_add(1));
        self.epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::id;

    const ADA: u128 = 1;
    const BOB: u128 = 2;

    fn gone(ended: &Ended, user: u128, made: u32) -> bool {
        ended.api_key(id(7), id(user), Epoch(made))
    }

    #[test]
    fn what_was_made_before_has_ended_and_what_is_made_since_has_not() {
        let mut ended = Ended::default();
        assert!(!gone(&ended, ADA, 0));
        ended.keys_revoked(WhichKeys::Of(id(ADA)));
        assert!(gone(&ended, ADA, 0) && !gone(&ended, BOB, 0));
        assert!(!gone(&ended, ADA, ended.epoch().0));
        ended.keys_revoked(WhichKeys::All);
        assert!(gone(&ended, ADA, 1) && gone(&ended, BOB, 1));
        assert!(!gone(&ended, ADA, ended.epoch().0) && !gone(&ended, BOB, ended.epoch().0));
        assert!(!ended.membership(id(ADA), Epoch::FIRST), "keys end, memberships don't");
    }

    #[test]
    fn whoever_comes_back_finds_nothing_of_what_they_had() {
        let mut ended = Ended::default();
        ended.member_left(id(ADA));
        assert!(ended.membership(id(ADA), Epoch::FIRST) && gone(&ended, ADA, 0));
        assert!(!ended.membership(id(ADA), ended.epoch()) && !gone(&ended, BOB, 0));
    }

    #[test]
    fn pause_is_for_whom_it_was_said_and_is_never_shortened() {
        let mut ended = Ended::default();
        let at = |hours| crate::sample::hours(hours);
        ended.keys_paused(Some(id(ADA)), at(2));
        ended.keys_paused(Some(id(ADA)), at(1));
        assert_eq!((ended.paused(id(ADA)), ended.paused(id(BOB))), (Some(at(2)), None));
        ended.keys_paused(None, at(3));
        assert_eq!((ended.paused(id(ADA)), ended.paused(id(BOB))), (Some(at(3)), Some(at(3))));
    }

    #[test]
    fn listed_keys_end_whenever_they_were_made() {
        let mut ended = Ended::default();
        ended.keys_revoked(WhichKeys::These(vec![id(7)]));
        assert!(gone(&ended, ADA, 0) && gone(&ended, BOB, 9));
        assert!(!ended.api_key(id(8), id(ADA), Epoch::FIRST));
    }
}
