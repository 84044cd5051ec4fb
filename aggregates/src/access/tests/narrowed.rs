//! Keys that are narrowed, rotated, reset and ended in bulk, and what hangs on them.

use super::*;
use crate::{SecretNumber, WhichKeys, WorkspaceEvent};
use cqrs_es::Aggregate as _;

fn narrowed(narrowing: Narrowing) -> Small {
    let mut small = Small::new();
    small.key(1, KeyGrant { narrowing: Some(Box::new(narrowing)), ..key(ADA, Role::Owner, None) });
    small.members(&[(ADA, Role::Owner)]);
    small
}

fn only(permission: Permission) -> Narrowing {
    Narrowing { permissions: Some([permission].into()), ..Narrowing::default() }
}

fn from(range: &str) -> Narrowing {
    Narrowing { addresses: Some(vec![range.parse().unwrap()]), ..Narrowing::default() }
}

fn at_address(caller: Caller, address: &str) -> Asker {
    Asker { address: Some(address.parse().unwrap()), ..caller.into() }
}

fn with_secret(number: u32) -> Asker {
    Asker { secret: Some(SecretNumber(number)), ..by_key(1).into() }
}

fn read(small: &Small, asker: impl Into<Asker>) -> Result<Standing, Denial> {
    may(small, asker, Some(id(1)), Operation::ReadMembers, noon())
}

#[test]
fn narrowed_key_may_only_what_it_is_narrowed_to() {
    let small = narrowed(only(Permission::ReadAudit));
    assert!(may(&small, by_key(1), Some(id(1)), Operation::ReadAudit, noon()).is_ok());
    assert!(may(&small, by_key(1), Some(id(1)), Operation::ReadWorkspace, noon()).is_ok());
    assert_eq!(read(&small, by_key(1)), Err(Denial::RoleTooLow));
    assert_eq!(small.call(by_key(1)).unwrap_err(), Denial::RoleTooLow);
}

#[test]
fn sessions_respect_what_their_makers_key_is_narrowed_to() {
    narrowed(only(Permission::ReadAudit)).refuses(Denial::MakerLostRight);
    narrowed(only(Permission::CallTools)).permits();
    let servers = |number| Narrowing { tool_servers: Some([id(number)].into()), ..Narrowing::default() };
    narrowed(servers(1)).permits();
    narrowed(servers(2)).refuses(Denial::OutsideNarrowing);
    let loadouts = |number| Narrowing { loadouts: Some([id(number)].into()), ..Narrowing::default() };
    narrowed(loadouts(1)).permits();
    narrowed(loadouts(2)).refuses(Denial::OutsideNarrowing);
    assert!(reaches_loadout(&narrowed(loadouts(2)), by_key(1), id(2)));
    assert!(!reaches_loadout(&narrowed(loadouts(2)), by_key(1), id(1)));
}

#[test]
fn callers_own_key_narrows_as_well_as_the_makers() {
    let mut small = Small::new();
    let servers = Narrowing { tool_servers: Some([id(2)].into()), ..Narrowing::default() };
    small.key(2, KeyGrant { narrowing: Some(Box::new(servers)), ..key(ADA, Role::Owner, None) });
    assert_eq!(small.call(by_key(2)).unwrap_err(), Denial::OutsideNarrowing);
    small.permits();
}

#[test]
fn address_is_part_of_the_question_also_for_sessions() {
    let small = narrowed(from("10.1.0.0/16"));
    for caller in [by_key(1), token()] {
        let call = |asker| call_tool(&small, asker, id(1), "search", noon()).map(drop);
        assert_eq!(call(at_address(caller, "10.1.2.3")), Ok(()));
        assert_eq!(call(at_address(caller, "10.2.2.3")), Err(Denial::AddressRefused));
        assert_eq!(call(caller.into()), Err(Denial::AddressRefused), "an address that isn't known");
    }
    assert!(read(&small, at_address(by_key(1), "10.1.2.3")).is_ok());
    assert_eq!(read(&small, at_address(by_key(1), "::1")), Err(Denial::AddressRefused));
    assert_eq!(home(&small, by_key(1), noon()), Err(Denial::AddressRefused));
    assert_eq!(session_lives(&small, id(1), noon()), Ok(()), "the session itself is in force");
}

#[test]
fn no_key_makes_one_that_is_wider_or_lasts_longer() {
    let mut small = narrowed(from("10.1.0.0/16"));
    let Ok(standing) = read(&small, at_address(by_key(1), "10.1.2.3")) else { unreachable!() };
    let makes = |small: &Small, grant: KeyGrant| may_make_key(small, by_key(1), standing, &grant);
    let to = |range| KeyGrant { narrowing: Some(Box::new(from(range))), ..key(ADA, Role::Owner, None) };
    assert!(makes(&small, to("10.1.7.0/24")) && makes(&small, to("10.1.0.0/16")));
    assert!(!makes(&small, to("10.0.0.0/8")) && !makes(&small, key(ADA, Role::Owner, None)));
    small.key(1, key(ADA, Role::Owner, Some(hours(5))));
    assert!(makes(&small, key(ADA, Role::Owner, Some(hours(5)))));
    assert!(!makes(&small, key(ADA, Role::Owner, Some(hours(6)))));
    assert!(!makes(&small, key(ADA, Role::Owner, None)), "one without end outlasts any");
    assert!(may_make_key(&small, Caller::SignIn(id(1)), standing, &key(ADA, Role::Owner, None)));
    assert!(!may_make_key(&small, token(), standing, &key(ADA, Role::Owner, Some(hours(1)))));
}

#[test]
fn both_secrets_work_in_the_grace_period_and_then_the_new_one() {
    let mut small = Small::new();
    let rotation = Rotation::default().followed(verifier(), Some(hours(1)));
    small.keys.insert(id(1), ApiKey::Active(Key { grant: key(ADA, Role::Owner, None), rotation }));
    let ask = |number, at| may(&small, with_secret(number), Some(id(1)), Operation::ReadWorkspace, at);
    assert!(ask(0, noon()).is_ok() && ask(1, noon()).is_ok());
    assert_eq!(ask(0, hours(1)), Err(Denial::SecretExpired));
    assert!(ask(1, hours(1)).is_ok());
    assert_eq!(credential_ends(&small, with_secret(0)), Some(hours(1)));
    assert_eq!(credential_ends(&small, with_secret(1)), None);
    let by_former = call_tool(&small, with_secret(0), id(1), "search", noon()).unwrap();
    assert_eq!(by_former.not_after(), hours(1), "the book checks the secret's end, too");
    small.permits();
}

#[test]
fn sessions_live_on_through_rotation_and_not_while_a_reset_is_open() {
    let mut small = Small::new();
    small.key(1, key(ADA, Role::Owner, None));
    let ApiKey::Active(key) = small.api_key(id(1)).clone() else { unreachable!() };
    small.keys.insert(id(1), ApiKey::Reset { key: key.clone(), link_id: id(3) });
    small.refuses(Denial::MakerCredentialRevoked);
    assert_eq!(read(&small, with_secret(0)), Err(Denial::KeyReset));
    let rotation = Rotation::default().followed(verifier(), None);
    small.keys.insert(id(1), ApiKey::Active(Key { rotation, ..key }));
    small.permits();
    assert_eq!(read(&small, with_secret(0)), Err(Denial::SecretReplaced), "the old secret stays ended");
}

#[test]
fn nobody_is_sent_for_a_link_that_could_not_bring_the_key_back() {
    let mut small = Small::new();
    let reset = |grant| ApiKey::Reset { key: Key { grant, rotation: Rotation::default() }, link_id: id(3) };
    small.keys.insert(id(1), reset(key(ADA, Role::Owner, Some(hours(1)))));
    assert_eq!(read(&small, by_key(1)), Err(Denial::KeyReset));
    let ask = |small: &Small| may(small, by_key(1), Some(id(1)), Operation::ReadWorkspace, hours(1));
    assert_eq!(ask(&small), Err(Denial::CredentialExpired));
    small.workspaces.get_mut(&id(1)).unwrap().apply(WorkspaceEvent::MemberRemoved { user_id: id(ADA) });
    assert_eq!(read(&small, by_key(1)), Err(Denial::CredentialRevoked));
    assert_eq!(ask(&small), Err(Denial::CredentialRevoked));
}

#[test]
fn keys_and_sessions_end_with_what_ends_in_bulk() {
    for (event, denial) in [
        (
            WorkspaceEvent::ApiKeysRevoked { which: WhichKeys::All, reason: None },
            Denial::MakerCredentialRevoked,
        ),
        (
            WorkspaceEvent::ApiKeysRevoked { which: WhichKeys::Of(id(ADA)), reason: None },
            Denial::MakerCredentialRevoked,
        ),
        (
            WorkspaceEvent::ApiKeysRevoked { which: WhichKeys::These(vec![id(1)]), reason: None },
            Denial::MakerCredentialRevoked,
        ),
        (WorkspaceEvent::MemberRemoved { user_id: id(ADA) }, Denial::MakerLostRight),
    ] {
        let mut small = Small::new();
        small.permits();
        let workspace = small.workspaces.get_mut(&id(1)).unwrap();
        workspace.apply(event);
        small.refuses(denial);
        assert_eq!(read(&small, by_key(1)), Err(Denial::CredentialRevoked));
    }
}

#[test]
fn member_who_comes_back_finds_nothing_of_what_they_had() {
    let mut small = Small::new();
    let by_device = Grant { made_with: MadeWith::Device(id(1)), ..grant() };
    small.devices.insert(id(1), Device::SignedIn(DeviceGrant { user_id: id(ADA), verifier: verifier() }));
    small.sessions.insert(id(2), Session::Open(by_device));
    let two = || (Caller::Session(id(2)), id(2));
    let workspace = small.workspaces.get_mut(&id(1)).unwrap();
    workspace.apply(WorkspaceEvent::MemberRemoved { user_id: id(ADA) });
    workspace.apply(WorkspaceEvent::MemberAdded { user_id: id(ADA), role: Role::Owner });
    let epoch = workspace.epoch();
    small.refuses(Denial::MakerLostRight);
    assert_eq!(use_session(&small, two().0, two().1, noon()).unwrap_err(), Denial::MakerLostRight);
    assert_eq!(read(&small, by_key(1)), Err(Denial::CredentialRevoked));
    small.key(2, KeyGrant { epoch, ..key(ADA, Role::Owner, None) });
    assert!(read(&small, by_key(2)).is_ok(), "what they make from now on is in force");
}

#[test]
fn nothing_of_an_erased_person_is_in_force() {
    let mut small = Small::new();
    small.users.insert(id(ADA), User::Erased);
    small.refuses(Denial::MakerLostRight);
    assert_eq!(read(&small, by_key(1)), Err(Denial::CredentialRevoked));
}
