//! How much there is of what is bounded, counted as events are applied; and when what is over leaves memory.
//!
//! Anybody who may make keys, links or sign-ins can make them without end. What is in force is bounded where it is
//! made; what is over must not pile up here, on every replica and at every start. Links and sign-ins leave a day
//! after their end: whoever comes with one later is told that nobody knows it. Keys stay, because whoever holds
//! one is told what became of it, but what they were narrowed to goes.

use std::collections::BTreeMap;
use std::hash::Hash;

use chrono::{DateTime, TimeDelta, Utc};
use rustc_hash::FxHashMap;
use tollbook_aggregates::access::{self, Caller, Denial, World as _};
use tollbook_aggregates::{
    ApiKeyEvent, ApiKeyId, Event, LinkEvent, LinkId, LinkPurpose, OneTimeLink, SignIn, SignInEvent,
    SignInGrant, SignInId, UserId, WhichKeys, WorkspaceEvent, WorkspaceId,
};
use uuid::Uuid;

use super::departures::{Minute, minute};
use super::{Kept, Live};

/// How long links and sign-ins are kept after their end. It is much more than clocks are ever wrong.
const KEPT_FOR: TimeDelta = TimeDelta::days(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// Those that aren't known to have ended, by their holders.
    keys: FxHashMap<WorkspaceId, FxHashMap<UserId, Vec<ApiKeyId>>>,
    invitations: FxHashMap<WorkspaceId, Vec<LinkId>>,
    /// All that a person ever had: some bytes of each are kept.
    sign_ins: FxHashMap<UserId, Vec<SignInId>>,
    /// What is to be looked at when.
    due: BTreeMap<Minute, Vec<Due>>,
}

/// What is over by then, or leaves.
#[derive(Debug, Clone, Copy)]
enum Due {
    KeyExpires(ApiKeyId),
    Key(ApiKeyId),
    InvitationExpires(LinkId),
    Link(LinkId),
    SignIn(SignInId),
}

impl Census {
    /// Every sign-in that a person ever had.
    pub(super) fn sign_ins(&self, user_id: UserId) -> impl Iterator<Item = SignInId> {
        self.sign_ins.get(&user_id).into_iter().flatten().copied()
    }

    fn look_at(&mut self, due: Due, at: DateTime<Utc>) {
        // Not before it: minutes are rounded up.
        self.due.entry(minute(at).saturating_add(1)).or_default().push(due);
    }

    fn take_due(&mut self, now: Minute) -> Vec<Due> {
        let later = self.due.split_off(&now.saturating_add(1));
        std::mem::replace(&mut self.due, later).into_values().flatten().collect()
    }

    /// Those of a workspace, or of a person there, that ended together.
    fn take_keys(&mut self, workspace_id: WorkspaceId, which: &WhichKeys) -> Vec<ApiKeyId> {
        let Some(here) = self.keys.get_mut(&workspace_id) else { return Vec::new() };
        match which {
            WhichKeys::All => here.drain().flat_map(|(_, keys)| keys).collect(),
            WhichKeys::Of(user_id) => here.remove(user_id).into_iter().flatten().collect(),
            WhichKeys::These(ids) => ids.clone(),
        }
    }
}

impl Live {
    /// The keys of a workspace, or of a person in it, that are in force, in no order; one that was reset comes
    /// back by its link.
    pub fn standing_keys(
        &self,
        workspace_id: WorkspaceId,
        user_id: Option<UserId>,
        at: DateTime<Utc>,
    ) -> impl Iterator<Item = ApiKeyId> {
        let here = self.census.keys.get(&workspace_id).into_iter().flatten();
        let ours = here.filter(move |(holder, _)| user_id.is_none_or(|user_id| **holder == user_id));
        let stands = move |id| matches!(access::key_stands(self, id, at), Ok(_) | Err(Denial::KeyReset));
        ours.flat_map(|(_, keys)| keys).copied().filter(move |id| stands(*id))
    }

    /// About how many keys of a workspace are in force: one that has just expired still counts.
    pub fn keys_here(&self, workspace_id: WorkspaceId) -> usize {
        self.census.keys.get(&workspace_id).map_or(0, |here| here.values().map(Vec::len).sum())
    }

    /// About how many invitations into a workspace are open: one that has just expired still counts.
    pub fn invitations_here(&self, workspace_id: WorkspaceId) -> usize {
        self.census.invitations.get(&workspace_id).map_or(0, Vec::len)
    }

    /// The sign-ins of a person that weren't ended, in no order.
    pub fn sign_ins_of(&self, user_id: UserId) -> impl Iterator<Item = (SignInId, &SignInGrant)> {
        self.census.sign_ins(user_id).filter_map(|id| match self.sign_in(id) {
            SignIn::Open(grant) => Some((id, grant)),
            SignIn::Ended(_) | SignIn::Absent => None,
        })
    }

    /// Counts what an event makes or ends; before it is applied.
    pub(super) fn count(&mut self, event: &Event, id: Uuid, at: DateTime<Utc>) {
        match event {
            Event::ApiKey(event) => self.count_key(event, id.into()),
            Event::Workspace(WorkspaceEvent::ApiKeysRevoked { which, .. }) => {
                self.keys_ended(id.into(), which);
            }
            Event::Workspace(WorkspaceEvent::MemberRemoved { user_id }) => {
                self.keys_ended(id.into(), &WhichKeys::Of(*user_id));
            }
            Event::OneTimeLink(event) => self.count_link(event, id.into(), at),
            Event::SignIn(event) => self.count_sign_in(event, id.into(), at),
            _ => {}
        }
    }

    fn count_key(&mut self, event: &ApiKeyEvent, id: ApiKeyId) {
        match event {
            ApiKeyEvent::Created { grant, .. } => {
                let here = self.census.keys.entry(grant.workspace_id).or_default();
                here.entry(grant.user_id).or_default().push(id);
                if let Some(end) = grant.expires_at {
                    self.census.look_at(Due::KeyExpires(id), end);
                    self.census.look_at(Due::Key(id), end.checked_add_signed(KEPT_FOR).unwrap_or(end));
                }
            }
            ApiKeyEvent::Revoked { .. } => self.key_ended(id),
            ApiKeyEvent::Rotated { .. } | ApiKeyEvent::Reset { .. } | ApiKeyEvent::OneTimeView { .. } => {}
        }
    }

    fn count_link(&mut self, event: &LinkEvent, id: LinkId, at: DateTime<Utc>) {
        match event {
            LinkEvent::Created { grant, .. } => {
                if let LinkPurpose::Invitation { workspace_id, .. } = grant.purpose {
                    self.census.invitations.entry(workspace_id).or_default().push(id);
                    self.census.look_at(Due::InvitationExpires(id), grant.expires_at);
                }
                self.census.look_at(Due::Link(id), grant.expires_at + KEPT_FOR);
            }
            LinkEvent::Redeemed { .. } | LinkEvent::Revoked {} => {
                self.invitation_ended(id);
                self.census.look_at(Due::Link(id), at + KEPT_FOR);
            }
        }
    }

    fn count_sign_in(&mut self, event: &SignInEvent, id: SignInId, at: DateTime<Utc>) {
        match event {
            SignInEvent::Created { grant, .. } => {
                self.census.sign_ins.entry(grant.user_id).or_default().push(id);
                self.census.look_at(Due::SignIn(id), grant.expires_at + KEPT_FOR);
            }
            SignInEvent::Ended {} => self.census.look_at(Due::SignIn(id), at + KEPT_FOR),
        }
    }

    fn keys_ended(&mut self, workspace_id: WorkspaceId, which: &WhichKeys) {
        for id in self.census.take_keys(workspace_id, which) {
            self.key_ended(id);
            if let Some(key) = self.api_keys.get_mut(&id) {
                key.state.forget_narrowing();
            }
        }
    }

    fn key_ended(&mut self, id: ApiKeyId) {
        let Some(grant) = self.api_key(id).grant() else { return };
        let (workspace_id, user_id) = (grant.workspace_id, grant.user_id);
        if let Some(here) = self.census.keys.get_mut(&workspace_id) {
            remove(here, &user_id, &id);
        }
    }

    fn invitation_ended(&mut self, id: LinkId) {
        let purpose = self.one_time_link(id).grant().map(|grant| grant.purpose);
        if let Some(workspace_id) = purpose.and_then(|purpose| purpose.workspace_id()) {
            remove(&mut self.census.invitations, &workspace_id, &id);
        }
    }

    /// Lets go of what is over.
    pub(super) fn let_go_of_what_is_over(&mut self, now: DateTime<Utc>) {
        for due in self.census.take_due(minute(now)) {
            match due {
                Due::KeyExpires(id) => self.key_ended(id),
                Due::Key(id) => {
                    // It has expired by this clock, and clocks may be wrong: what is kept permits nothing.
                    if let Some(key) = self.api_keys.get_mut(&id) {
                        key.state.narrow_to_nothing();
                    }
                }
                Due::InvitationExpires(id) => self.invitation_ended(id),
                Due::Link(id) => self.let_go_of_link(id),
                Due::SignIn(id) => self.let_go_of_sign_in(id),
            }
        }
        shrink(&mut self.links);
        shrink(&mut self.links_by_credential);
        shrink(&mut self.sign_ins);
    }

    fn let_go_of_link(&mut self, id: LinkId) {
        if let Some(Kept { state, .. }) = self.links.remove(&id)
            && let Some(grant) = OneTimeLink::grant(&state)
        {
            self.links_by_credential.remove(&grant.verifier.credential_id);
        }
    }

    fn let_go_of_sign_in(&mut self, id: SignInId) {
        if let Some(Kept { state, .. }) = self.sign_ins.remove(&id)
            && let Some(grant) = SignIn::grant(&state)
            && self.callers.get(&grant.verifier.credential_id) == Some(&Caller::SignIn(id))
        {
            self.callers.remove(&grant.verifier.credential_id);
        }
    }
}

/// Gives back the room of most of what was in it, once it is gone.
fn shrink<K: Eq + Hash, V>(map: &mut FxHashMap<K, V>) {
    if map.capacity() / 4 > map.len().max(1_024) {
        map.shrink_to_fit();
    }
}

fn remove<K: Eq + Hash, V: Eq>(lists: &mut FxHashMap<K, Vec<V>>, key: &K, value: &V) {
    let Some(list) = lists.get_mut(key) else { return };
    if let Some(place) = list.iter().position(|listed| listed == value) {
        list.swap_remove(place);
    }
    if list.is_empty() {
        lists.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cqrs_es::{Aggregate, DomainEvent};
    use tollbook_aggregates::{
        ApiKey, How, Inline, KeyGrant, LinkGrant, LinkMaker, Narrowing, Role, Verifier, Workspace,
    };
    use tollbook_journal::{ControlEvent, Position};

    use super::*;

    const PLACE: u128 = 1;
    const HOLDER: u128 = 2;

    fn id<T: From<Uuid>>(number: u128) -> T {
        Uuid::from_u128(number).into()
    }

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(hours * 3_600, 0).unwrap()
    }

    fn verifier(number: u128) -> Verifier {
        Verifier { credential_id: Inline::new(&format!("{number:012}")).unwrap(), ..Verifier::default() }
    }

    struct World(Live);

    impl World {
        /// With a workspace and its owner.
        fn new() -> Self {
            let mut world = Self(Live::default());
            world.apply::<Workspace>(PLACE, 0, &WorkspaceEvent::Created { name: "x".into() });
            let (user_id, role) = (id(HOLDER), Role::Owner);
            world.apply::<Workspace>(PLACE, 0, &WorkspaceEvent::MemberAdded { user_id, role });
            world
        }

        fn apply<A: Aggregate>(&mut self, stream: u128, hours: i64, event: &A::Event) {
            let recorded = ControlEvent {
                position: Position(self.0.next().0),
                aggregate_type: A::TYPE,
                aggregate_id: &Uuid::from_u128(stream).to_string(),
                event_type: &event.event_type(),
                event_version: &event.event_version(),
                payload: &serde_json::to_string(event).unwrap(),
                recorded_at: at(hours),
            };
            self.0.apply(&recorded).unwrap();
        }

        fn make_key(&mut self, number: u128, expires_at: Option<DateTime<Utc>>) {
            let range = |third| format!("10.{}.{third}.0/24", number % 200).parse().unwrap();
            let addresses = Some((0..64).map(range).collect());
            let grant = KeyGrant {
                workspace_id: id(PLACE),
                user_id: id(HOLDER),
                verifier: verifier(number),
                role: Role::Member,
                expires_at,
                narrowing: Some(Box::new(Narrowing { addresses, ..Narrowing::default() })),
                epoch: self.0.workspace(id(PLACE)).epoch(),
            };
            self.apply::<ApiKey>(number, 0, &ApiKeyEvent::Created { grant, device_label: "x".into() });
        }

        fn invite(&mut self, number: u128) {
            let (workspace_id, user_id) = (id(PLACE), None);
            let purpose = LinkPurpose::Invitation { workspace_id, role: Role::Member, user_id };
            let (verifier, made_by) = (verifier(number), LinkMaker::Host);
            let grant = LinkGrant { purpose, verifier, expires_at: at(72), made_by, newcomer: None };
            self.apply::<OneTimeLink>(number, 0, &LinkEvent::Created { grant, label: None });
        }

        fn sign_in(&mut self, number: u128) {
            let (user_id, verifier, how) = (id(HOLDER), verifier(number), How::FirstOwner);
            let grant = SignInGrant { user_id, verifier, expires_at: at(12), how };
            let event = SignInEvent::Created { grant, address: None, user_agent: None };
            self.apply::<SignIn>(number, 0, &event);
        }

        fn standing(&self, hours: i64) -> usize {
            self.0.standing_keys(id(PLACE), Some(id(HOLDER)), at(hours)).count()
        }

        fn narrowing(&self, number: u128) -> Option<&Narrowing> {
            self.0.api_key(id(number)).grant().unwrap().narrowing.as_deref()
        }
    }

    #[test]
    fn key_that_ended_is_not_counted_and_what_it_was_narrowed_to_is_forgotten() {
        let mut world = World::new();
        (10..16).for_each(|number| world.make_key(number, None));
        world.apply::<ApiKey>(10, 1, &ApiKeyEvent::Revoked { reason: None });
        let these = WhichKeys::These(vec![id(11), id(12)]);
        world.apply::<Workspace>(PLACE, 1, &WorkspaceEvent::ApiKeysRevoked { which: these, reason: None });
        assert_eq!((world.standing(1), world.0.keys_here(id(PLACE))), (3, 3));
        assert!(world.narrowing(13).is_some());
        world.apply::<Workspace>(PLACE, 1, &WorkspaceEvent::MemberRemoved { user_id: id(HOLDER) });
        assert_eq!((world.standing(1), world.0.keys_here(id(PLACE))), (0, 0));
        for number in 10..16 {
            assert_eq!(world.narrowing(number), None);
            let told = world.0.credential(&format!("{number:012}"));
            assert!(matches!(told, Some((Caller::ApiKey(_), ..))), "its holder is told what became of it");
        }
    }

    #[test]
    fn key_that_expired_permits_nothing_also_by_a_clock_that_is_right_again() {
        let mut world = World::new();
        world.make_key(10, Some(at(2)));
        world.make_key(11, None);
        assert_eq!((world.standing(1), world.standing(2)), (2, 1));
        world.0.depart(at(3));
        assert_eq!(world.0.keys_here(id(PLACE)), 1);
        assert!(world.narrowing(10).unwrap().addresses.is_some(), "not at once");
        world.0.depart(at(27));
        let left = world.narrowing(10).unwrap();
        assert!(left.addresses.is_none() && left.permissions.as_ref().is_some_and(BTreeSet::is_empty));
        assert!(world.narrowing(11).unwrap().addresses.is_some());
    }

    #[test]
    fn links_and_sign_ins_leave_a_day_after_their_end_and_do_not_come_back() {
        let mut world = World::new();
        (10..13).for_each(|number| world.invite(number));
        (20..22).for_each(|number| world.sign_in(number));
        world.apply::<OneTimeLink>(10, 1, &LinkEvent::Redeemed { user_id: id(HOLDER) });
        world.apply::<OneTimeLink>(11, 1, &LinkEvent::Revoked {});
        world.apply::<SignIn>(20, 1, &SignInEvent::Ended {});
        assert_eq!(world.0.invitations_here(id(PLACE)), 1);
        assert_eq!(world.0.sign_ins_of(id(HOLDER)).count(), 1);
        world.0.depart(at(24));
        assert_eq!((world.0.links.len(), world.0.sign_ins.len()), (3, 2), "they are told what became of it");
        world.0.depart(at(26));
        assert_eq!((world.0.links.len(), world.0.links_by_credential.len()), (1, 1));
        assert_eq!((world.0.sign_ins.len(), world.0.callers.len()), (1, 1));
        world.0.depart(at(73));
        assert_eq!(world.0.invitations_here(id(PLACE)), 0);
        world.0.depart(at(97));
        world.apply::<OneTimeLink>(12, 97, &LinkEvent::Revoked {});
        world.apply::<SignIn>(21, 97, &SignInEvent::Ended {});
        assert!(world.0.links.is_empty() && world.0.links_by_credential.is_empty());
        assert!(world.0.sign_ins.is_empty() && world.0.callers.is_empty());
    }

    /// A figure: `TOLLBOOK_MADE=100000 cargo test --lib what_is_over_takes -- --nocapture`.
    #[test]
    #[expect(clippy::print_stdout, reason = "it is a figure")]
    fn what_is_over_takes_little_memory() {
        let made: u128 =
            std::env::var("TOLLBOOK_MADE").ok().and_then(|text| text.parse().ok()).unwrap_or(500);
        let resident = || {
            let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
            pages.split(' ').nth(1).unwrap().parse::<u128>().unwrap() * 4_096
        };
        let mut world = World::new();
        let begun = resident();
        for number in 0..made {
            world.make_key(1_000 + number, None);
            world.apply::<ApiKey>(1_000 + number, 0, &ApiKeyEvent::Revoked { reason: None });
        }
        let ended = resident();
        for number in made..2 * made {
            world.make_key(1_000 + number, None);
        }
        let keys = resident();
        for number in 2 * made..3 * made {
            world.invite(1_000 + number);
            world.apply::<OneTimeLink>(1_000 + number, 0, &LinkEvent::Redeemed { user_id: id(HOLDER) });
        }
        let links = resident();
        world.0.depart(at(100));
        println!(
            "bytes: {} a key that ended, {} one in force, {} a redeemed link, {} one that has left",
            (ended - begun) / made,
            (keys - ended) / made,
            (links - keys) / made,
            resident().saturating_sub(keys) / made,
        );
        let room = world.0.links.capacity().max(world.0.links_by_credential.capacity());
        assert!(room <= 8_192, "their room isn't given back: {room}");
        assert!(world.0.links.is_empty() && world.0.keys_here(id(PLACE)) == usize::try_from(made).unwrap());
        assert!((0..made).all(|number| world.narrowing(1_000 + number).is_none()));
    }
}
