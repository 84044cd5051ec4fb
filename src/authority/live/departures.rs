//! Sessions leave memory a while after they are over, and come back when somebody asks for one. With them goes
//! what else is over ([`super::census`]).

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use tollbook_aggregates::access::{Caller, World as _};
use tollbook_aggregates::{Session, SessionId};
use tollbook_journal::Recorded;

use super::{Live, fold};
use crate::authority::FollowError;

/// How long a session is kept after its end: most of those who still ask, ask then.
const KEPT_FOR: TimeDelta = TimeDelta::minutes(10);
/// How long one that was recalled is kept, and how many at most.
const RECALLED_FOR: TimeDelta = TimeDelta::minutes(2);
const RECALLED_MAX: usize = 10_000;

/// Minutes since 1970.
pub(super) type Minute = i64;

pub(super) fn minute(at: DateTime<Utc>) -> Minute {
    at.timestamp().div_euclid(60)
}

/// When which session is to be looked at.
#[derive(Debug, Default)]
pub(super) struct Departures {
    due: BTreeMap<Minute, Vec<SessionId>>,
    recalled: VecDeque<(Minute, SessionId)>,
    /// What was due before this has left.
    horizon: Option<Minute>,
    /// A session that is being read from the book, and whether something happened to it meanwhile.
    reading: Option<(SessionId, bool)>,
}

impl Departures {
    /// Says whether the session is to be held: not one that has left already.
    pub(super) fn await_expiry(&mut self, id: SessionId, expires_at: DateTime<Utc>) -> bool {
        let due = minute(expires_at.checked_add_signed(KEPT_FOR).unwrap_or(expires_at));
        if self.horizon.is_some_and(|horizon| due < horizon) {
            return false;
        }
        self.due.entry(due).or_default().push(id);
        true
    }

    /// It was ended at this time.
    pub(super) fn await_end(&mut self, id: SessionId, at: DateTime<Utc>) {
        self.due.entry(minute(at + KEPT_FOR)).or_default().push(id);
    }

    /// Something happened to this session.
    pub(super) fn heard_of(&mut self, id: SessionId) {
        if let Some((_, heard)) = self.reading.as_mut().filter(|(reading, _)| *reading == id) {
            *heard = true;
        }
    }

    /// Takes out who is due, and who was recalled long enough ago.
    fn take_due(&mut self, now: Minute) -> Vec<SessionId> {
        let later = self.due.split_off(&now);
        let due = std::mem::replace(&mut self.due, later);
        let mut taken: Vec<_> = due.into_values().flatten().collect();
        while let Some((until, id)) = self.recalled.front()
            && (*until < now || self.recalled.len() > RECALLED_MAX)
        {
            taken.push(*id);
            self.recalled.pop_front();
        }
        self.horizon = self.horizon.max(Some(now));
        taken
    }
}

impl Live {
    /// Is the session held? If not, it ended a while ago, or never was.
    pub fn knows_session(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    /// What was over long before `now` isn't taken in at all.
    pub(in super::super) fn set_horizon(&mut self, now: DateTime<Utc>) {
        self.departures.horizon = Some(minute(now));
    }

    /// Lets go of what is over, and answers with which sessions that were.
    pub(in super::super) fn depart(&mut self, now: DateTime<Utc>) -> Vec<SessionId> {
        let due = self.departures.take_due(minute(now));
        let gone: Vec<_> = due.into_iter().filter(|id| self.let_go(*id, now)).collect();
        if gone.len() > self.sessions.len() {
            self.sessions.shrink_to_fit();
            self.callers.shrink_to_fit();
        }
        self.let_go_of_what_is_over(now);
        gone
    }

    fn let_go(&mut self, id: SessionId, now: DateTime<Utc>) -> bool {
        let Some(kept) = self.sessions.get(&id) else { return true };
        match &kept.state {
            // The clock was set back: it isn't over.
            Session::Open(grant) if now < grant.expires_at => {
                let again = minute(grant.expires_at + KEPT_FOR);
                self.departures.due.entry(again).or_default().push(id);
                return false;
            }
            Session::Open(grant) | Session::Revoked(grant) => {
                self.callers.remove(&grant.verifier.credential_id);
            }
            Session::Absent => {}
        }
        self.sessions.remove(&id);
        true
    }

    /// A session is about to be read from the book.
    pub(in super::super) fn expect(&mut self, id: SessionId) {
        self.departures.reading = Some((id, false));
    }

    /// Takes in what was read of it, unless something happened to it meanwhile.
    pub(in super::super) fn take_back(
        &mut self,
        id: SessionId,
        events: &[Recorded],
        now: DateTime<Utc>,
    ) -> Result<bool, FollowError> {
        if self.departures.reading.take() != Some((id, false)) {
            return Ok(false);
        }
        for recorded in events {
            if let (tollbook_aggregates::Event::Session(event), _) = super::decode(&recorded.into())? {
                fold(&mut self.sessions, id, event, recorded.position);
            }
        }
        if let Some(verifier) = self.session(id).grant().map(|grant| grant.verifier) {
            self.remember(&verifier, Caller::Session(id));
            self.departures.recalled.push_back((minute(now + RECALLED_FOR), id));
        }
        Ok(true)
    }

    /// Has the session ended by an event (expiry aside)?
    pub(in super::super) fn session_has_ended(&self, session: SessionId) -> bool {
        self.session(session).grant().is_none_or(|grant| {
            // Any time before its expiry will do: only events matter here.
            let at = grant.expires_at - TimeDelta::days(36_500);
            tollbook_aggregates::access::session_lives(self, session, at).is_err()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(minutes * 60, 0).unwrap()
    }

    fn session(number: u128) -> SessionId {
        uuid::Uuid::from_u128(number).into()
    }

    #[test]
    fn session_is_due_a_while_after_its_end_and_once() {
        let mut departures = Departures::default();
        assert!(departures.await_expiry(session(1), at(5)));
        departures.await_end(session(2), at(1));
        assert_eq!(departures.take_due(11), []);
        assert_eq!(departures.take_due(12), [session(2)]);
        assert_eq!(departures.take_due(16), [session(1)]);
        assert_eq!(departures.take_due(1_000), []);
    }

    #[test]
    fn session_that_was_over_before_the_start_is_not_taken_in() {
        let mut departures = Departures { horizon: Some(100), ..Departures::default() };
        assert!(!departures.await_expiry(session(1), at(80)));
        assert!(departures.await_expiry(session(2), at(95)));
        assert_eq!(departures.take_due(1_000), [session(2)]);
    }

    #[test]
    fn what_happens_to_a_session_while_it_is_read_is_noticed() {
        let mut live = Live::default();
        live.expect(session(1));
        live.departures.heard_of(session(2));
        assert!(live.take_back(session(1), &[], at(0)).unwrap());
        live.expect(session(1));
        live.departures.heard_of(session(1));
        assert!(!live.take_back(session(1), &[], at(0)).unwrap());
    }

    #[test]
    fn only_so_many_recalled_sessions_are_kept() {
        let mut departures = Departures::default();
        let many = u128::try_from(RECALLED_MAX).unwrap() + 2;
        departures.recalled.extend((1..=many).map(|number| (9, session(number))));
        assert_eq!(departures.take_due(1), [session(1), session(2)]);
        assert_eq!(departures.take_due(10).len(), RECALLED_MAX);
    }
}
