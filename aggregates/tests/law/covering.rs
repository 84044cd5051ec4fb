//! No sequence of operations leads from a secret to one that may what the first may not: by any key, at any
//! moment, from any address, and with the sessions that were made on the way.

use std::collections::BTreeSet;
use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use tollbook_aggregates::access::{
    Asker, Caller, Operation, World, bounds, call_tool, lasts_until, may, may_make_key, reaches_loadout,
    redeem_link,
};
use tollbook_aggregates::*;
use uuid::Uuid;

use crate::histories::{Random, noon};
use crate::world::{Everything, id};

const HISTORIES: u64 = 500;
const TRIES: usize = 30;
/// At which rights are compared. A former secret is good until 4.
const HOURS: [i64; 6] = [0, 1, 3, 5, 10, 100];
const TOOLS: [&str; 2] = ["search", "fetch"];
const ADDRESSES: [[u8; 4]; 3] = [[10, 1, 2, 3], [10, 9, 2, 3], [192, 0, 2, 1]];

/// What somebody may: hour, address, and which operation, or which tool of which loadout.
type Rights = BTreeSet<(usize, usize, usize)>;

/// What happened: a property that never met anything would hold as well.
#[derive(Debug, Default)]
struct Seen {
    made: u32,
    rotated_itself: u32,
    rotated_others: u32,
    reset: u32,
    sessions: u32,
    sessions_by_former: u32,
    refused: u32,
}

struct House {
    world: Everything,
    random: Random,
    /// The number of what is made next.
    fresh: u128,
    hour: i64,
}

fn at(hour: i64) -> DateTime<Utc> {
    noon() + TimeDelta::hours(hour)
}

fn operations() -> Vec<Operation> {
    use Operation::*;
    vec![
        ReadMembers,
        ReadAudit,
        ChangeWorkspace,
        ManageToolServers,
        ManageLoadouts,
        CreateSession,
        CreateApiKey,
        ReadAllSessions,
        RevokeApiKey(id(1)),
        RevokeApiKey(id(2)),
        RevokeAllApiKeys,
        Invite(Role::Member),
        Invite(Role::Owner),
        RevokeApiKeysOf(id(1)),
        Leave,
        RemoveMember(id(2)),
        ChangeRole { member: id(2), to: Role::Admin },
    ]
}

fn from(asker: Asker, address: usize) -> Asker {
    Asker { address: Some(IpAddr::from(ADDRESSES[address])), ..asker }
}

fn key(number: u128, secret: SecretNumber) -> Asker {
    Asker { secret: Some(secret), ..Caller::ApiKey(id(number)).into() }
}

fn some_grant(random: &mut Random, user: u128) -> KeyGrant {
    let expires_at = random.one(&[None, None, Some(at(2)), Some(at(6)), Some(at(30))]);
    let narrowing = some_narrowing(random);
    KeyGrant {
        workspace_id: id(1),
        user_id: id(user),
        verifier: Verifier::default(),
        role: random.one(&[Role::Owner, Role::Owner, Role::Admin, Role::Member, Role::Auditor]),
        expires_at,
        narrowing: (!narrowing.is_nothing()).then(|| Box::new(narrowing)),
        epoch: Epoch::FIRST,
    }
}

fn some_narrowing(random: &mut Random) -> Narrowing {
    let mut narrowing = Narrowing::default();
    if random.below(4) == 0 {
        let listed = Permission::ALL.iter().copied().filter(|_| random.below(6) > 0).collect();
        narrowing.permissions = Some(listed);
    }
    if random.below(6) == 0 {
        narrowing.tool_servers = Some([random.one(&[id(1), id(2)])].into());
    }
    if random.below(6) == 0 {
        narrowing.loadouts = Some([random.one(&[id(1), id(2)])].into());
    }
    if random.below(6) == 0 {
        let range = random.one(&["10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24"]);
        narrowing.addresses = Some(vec![range.parse().unwrap()]);
    }
    narrowing
}

impl House {
    /// Person 1 is owner, admin or member and has keys 1 to 4; persons 2 and 3, a member and an owner, have one
    /// each. Some keys were rotated, and their former secret is good for four hours. Loadouts 1 and 2 have a tool
    /// of each server; session n is on loadout n, and narrowed by nothing but whoever uses it.
    fn new(seed: u64) -> Self {
        let mut house = Self { world: Everything::default(), random: Random::new(seed), fresh: 10, hour: 0 };
        for user in 1..=3 {
            house.apply(user, Event::User(UserEvent::Registered { name: "Ada".into() }));
        }
        house.apply(1, Event::Workspace(WorkspaceEvent::Created { name: "Acme".into() }));
        let first = house.random.one(&[Role::Owner, Role::Admin, Role::Member]);
        for (user, role) in [(1, first), (2, Role::Member), (3, Role::Owner)] {
            house.apply(1, Event::Workspace(WorkspaceEvent::MemberAdded { user_id: id(user), role }));
        }
        for (number, user) in [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (6, 3)] {
            let grant = some_grant(&mut house.random, user);
            house.apply(number, Event::ApiKey(ApiKeyEvent::Created { grant, device_label: "x".into() }));
            if house.random.below(2) == 0 {
                let (verifier, former_until) = (Verifier::default(), Some(at(4)));
                house.apply(number, Event::ApiKey(ApiKeyEvent::Rotated { verifier, former_until }));
            }
        }
        house.tools();
        house
    }

    fn tools(&mut self) {
        let (workspace_id, definitions) = (id(1), || "[]".into());
        for number in 1..=2 {
            let (name, url, authorization) = ("Wiki".into(), "https://x.example".into(), Authorization::None);
            let registered = ToolServerEvent::Registered { workspace_id, authorization, name, url };
            self.apply(number, Event::ToolServer(registered));
            let tools = TOOLS.map(|name| KnownTool { name: name.into(), digest: "1".into() }).into();
            let definitions = definitions();
            let refreshed = ToolServerEvent::ToolsRefreshed { tools, changed: vec![], definitions };
            self.apply(number, Event::ToolServer(refreshed));
        }
        let signed_in = DeviceGrant { user_id: id(1), verifier: Verifier::default() };
        self.apply(1, Event::Device(DeviceEvent::SignedIn { grant: signed_in, label: "x".into() }));
        for number in 1..=2 {
            let pin = |(tool, server): (&str, u128)| PinnedTool {
                name: tool.into(),
                tool_server_id: id(server),
                tool: tool.into(),
                digest: "1".into(),
            };
            let tools = TOOLS.into_iter().zip(1..).map(pin).collect();
            let name = "All".into();
            let created = LoadoutEvent::Created { workspace_id, tools, name, definitions: definitions() };
            self.apply(number, Event::Loadout(created));
            self.session(number, number, MadeWith::Device(id(1)), at(1_000));
        }
    }

    fn session(&mut self, number: u128, loadout: u128, made_with: MadeWith, expires_at: DateTime<Utc>) {
        let grant = Grant {
            workspace_id: id(1),
            user_id: id(1),
            made_with,
            loadout_id: id(loadout),
            loadout_version: 1,
            verifier: Verifier::default(),
            expires_at,
            max_calls: None,
            epoch: Epoch::FIRST,
        };
        self.apply(number, Event::Session(SessionEvent::Created { grant, label: None }));
    }

    fn apply(&mut self, number: u128, event: Event) {
        self.world.apply(Uuid::from_u128(number), event);
    }

    fn may(&self, asker: Asker, operation: Operation) -> Option<access::Standing> {
        may(&self.world, asker, Some(id(1)), operation, at(self.hour)).ok()
    }

    /// All that a secret may, ever, as things stand.
    fn rights(&self, asker: Asker) -> Rights {
        let mut rights = Rights::new();
        for (hour, now) in HOURS.into_iter().map(at).enumerate() {
            for address in 0..ADDRESSES.len() {
                let asker = from(asker, address);
                for (number, operation) in operations().into_iter().enumerate() {
                    if may(&self.world, asker, Some(id(1)), operation, now).is_ok() {
                        rights.insert((hour, address, number));
                    }
                }
                // A session's own token calls on that session alone; a key on one of each loadout.
                let sessions = match asker.caller {
                    Caller::Session(own) => vec![own],
                    _ => vec![id(1), id(2)],
                };
                for session in sessions {
                    let loadout = self.world.session(session).grant().unwrap().loadout_id.0.as_u128();
                    for (tool, name) in TOOLS.into_iter().enumerate() {
                        if call_tool(&self.world, asker, session, name, now).is_ok() {
                            rights.insert((hour, address, 100 * usize::try_from(loadout).unwrap() + tool));
                        }
                    }
                }
            }
        }
        rights
    }

    /// Tries something at random with this secret. Answers with the one that it is shown, if it is.
    fn try_something(&mut self, asker: Asker, seen: &mut Seen) -> Option<Asker> {
        let address = self.random.below(ADDRESSES.len());
        let asker = from(asker, address);
        let shown = match self.random.below(4) {
            0 => self.make_key(asker, seen),
            1 => self.rotate(asker, seen),
            2 => self.reset(asker, seen),
            _ => self.make_session(asker, seen),
        };
        seen.refused += u32::from(shown.is_none());
        shown
    }

    fn make_key(&mut self, asker: Asker, seen: &mut Seen) -> Option<Asker> {
        let standing = self.may(asker, Operation::CreateApiKey)?;
        let mut grant = some_grant(&mut self.random, 1);
        let own = bounds(&self.world, asker);
        if self.random.below(4) > 0 {
            grant.narrowing = (!own.narrowing.is_nothing()).then(|| Box::new(own.narrowing.clone()));
        }
        if self.random.below(4) > 0 {
            grant.expires_at = own.expires_at;
        }
        if !may_make_key(&self.world, asker, standing, &grant) {
            return None;
        }
        seen.made += 1;
        let device_label = "x".into();
        let create = ApiKeyCommand::Create { grant, device_label, at: at(self.hour) };
        let number = self.decide(None, create)?;
        Some(key(number, SecretNumber(0)))
    }

    fn rotate(&mut self, asker: Asker, seen: &mut Seen) -> Option<Asker> {
        let number = self.some_key();
        let holder = self.world.api_key(id(number)).grant()?.user_id;
        self.may(asker, Operation::RotateApiKey { holder, key: id(number) })?;
        let former_until = self.random.one(&[None, Some(at(self.hour + 2))]);
        let verifier = Verifier::default();
        self.decide(Some(number), ApiKeyCommand::Rotate { verifier, former_until, at: at(self.hour) })?;
        let itself = asker.caller == Caller::ApiKey(id(number));
        *(if itself { &mut seen.rotated_itself } else { &mut seen.rotated_others }) += 1;
        Some(key(number, self.world.api_key(id(number)).key()?.rotation.newest))
    }

    /// And redeems the link, as far as that is possible to somebody who isn't signed in.
    fn reset(&mut self, asker: Asker, seen: &mut Seen) -> Option<Asker> {
        let (number, Caller::ApiKey(maker)) = (self.some_key(), asker.caller) else { return None };
        let user_id = self.world.api_key(id(number)).grant()?.user_id;
        self.may(asker, Operation::ResetApiKey { holder: user_id, key: id(number) })?;
        let link = self.fresh();
        self.decide(Some(number), ApiKeyCommand::Reset { link_id: id(link), at: at(self.hour) })?;
        seen.reset += 1;
        let purpose = LinkPurpose::KeyReset { workspace_id: id(1), user_id, api_key_id: id(number) };
        let (expires_at, made_by) = (at(self.hour) + purpose.lasts_at_most(), LinkMaker::ApiKey(maker));
        let verifier = Verifier::default();
        let grant = LinkGrant { purpose, verifier, expires_at, made_by, newcomer: None };
        self.apply(link, Event::OneTimeLink(LinkEvent::Created { grant, label: None }));
        redeem_link(&self.world, id(link), None, at(self.hour)).ok()?;
        let mint = ApiKeyCommand::Mint { link_id: id(link), verifier: Verifier::default() };
        self.decide(Some(number), mint)?;
        Some(key(number, self.world.api_key(id(number)).key()?.rotation.newest))
    }

    fn make_session(&mut self, asker: Asker, seen: &mut Seen) -> Option<Asker> {
        self.may(asker, Operation::CreateSession)?;
        let (loadout, Caller::ApiKey(maker)) = (self.random.one(&[1, 2]), asker.caller) else { return None };
        if !reaches_loadout(&self.world, asker.caller, id(loadout)) {
            return None;
        }
        let expires_at = lasts_until(&self.world, asker, at(self.hour + 200));
        let number = self.fresh();
        self.session(number, loadout, MadeWith::ApiKey(maker), expires_at);
        let newest = self.world.api_key(maker).key()?.rotation.newest;
        *(if asker.secret == Some(newest) { &mut seen.sessions } else { &mut seen.sessions_by_former }) += 1;
        Some(Caller::Session(id(number)).into())
    }

    fn fresh(&mut self) -> u128 {
        self.fresh += 1;
        self.fresh
    }

    /// One of those that were there, or one of those that may have been made since.
    fn some_key(&mut self) -> u128 {
        let (before, since) = (self.random.below(6), self.random.below(4));
        let (before, since) = (u128::try_from(before).unwrap(), u128::try_from(since).unwrap());
        if self.random.below(2) == 0 { 1 + before } else { self.fresh.saturating_sub(since) }
    }

    fn decide(&mut self, number: Option<u128>, command: ApiKeyCommand) -> Option<u128> {
        let number = number.unwrap_or_else(|| self.fresh());
        let events = self.world.api_key(id(number)).decide(command).ok()?;
        for event in events {
            self.apply(number, Event::ApiKey(event));
        }
        Some(number)
    }
}

#[test]
fn no_sequence_leads_from_a_secret_to_one_that_it_does_not_cover() {
    let mut seen = Seen::default();
    for seed in 0..HISTORIES {
        let mut house = House::new(seed);
        let newest = house.world.api_key(id(1)).key().unwrap().rotation.newest;
        // Somebody has come by one secret of key 1: its newest, or the one before that.
        let first = key(1, house.random.one(&[newest, newest, newest, SecretNumber(0)]));
        let (covered, mut held) = (house.rights(first), vec![first]);
        for _ in 0..TRIES {
            house.hour = (house.hour + i64::from(house.random.below(8) == 0)).min(5);
            let asker = held[house.random.below(held.len())];
            if let Some(shown) = house.try_something(asker, &mut seen) {
                let more: Vec<_> = house.rights(shown).difference(&covered).copied().collect();
                assert!(more.is_empty(), "{seed}: {shown:?} from {asker:?} may {more:?}");
                held.push(shown);
            }
        }
        for held in held {
            assert!(house.rights(held).is_subset(&covered), "{seed}: {held:?} came to more later");
        }
    }
    let Seen { made, rotated_itself, rotated_others, reset, sessions, sessions_by_former, refused } = seen;
    for met in [made, rotated_itself, rotated_others, reset, sessions, sessions_by_former, refused] {
        assert!(met >= 25, "{seen:?}");
    }
}
