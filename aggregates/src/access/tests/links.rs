//! Who may redeem which one-time link.

use super::*;
use crate::{LinkGrant, LinkMaker, LinkPurpose};

const EVE: u128 = 5;

fn link(purpose: LinkPurpose, made_by: LinkMaker) -> OneTimeLink {
    OneTimeLink::Open(LinkGrant {
        purpose,
        verifier: verifier(),
        expires_at: hours(1),
        made_by,
        newcomer: None,
    })
}

fn invitation(role: Role, user_id: Option<UserId>) -> LinkPurpose {
    LinkPurpose::Invitation { workspace_id: id(1), role, user_id }
}

const RESET: u128 = 2;

/// Ada is an admin with key 1; Bob, a member, has key 2, which was reset by link 2; Eve signed in by 5.
fn house(purpose: LinkPurpose, made_by: LinkMaker) -> Small {
    let mut small = Small::new();
    small.members(&[(ADA, Role::Admin), (BOB, Role::Member)]);
    small.keys.insert(id(2), ApiKey::Reset { key: made(key(BOB, Role::Member, None)), link_id: id(RESET) });
    small.sign_ins.insert(id(2), sign_in(BOB));
    small.sign_ins.insert(id(EVE), sign_in(EVE));
    small.links.insert(id(RESET), link(purpose, made_by));
    small
}

fn by_ada() -> LinkMaker {
    LinkMaker::ApiKey(id(1))
}

fn reset() -> LinkPurpose {
    LinkPurpose::KeyReset { workspace_id: id(1), user_id: id(BOB), api_key_id: id(2) }
}

fn redeem(small: &Small, sign_in: Option<u128>) -> Result<Option<UserId>, LinkRefused> {
    redeem_link(small, id(RESET), sign_in.map(id), noon()).map(|redeemable| redeemable.person())
}

#[test]
fn holder_of_a_link_redeems_it_as_the_person_that_it_is_for() {
    assert_eq!(redeem(&house(reset(), by_ada()), Some(2)), Ok(Some(id(BOB))));
    let sign_in = LinkPurpose::SignIn { user_id: id(BOB) };
    assert_eq!(redeem(&house(sign_in, LinkMaker::Host), None), Ok(Some(id(BOB))));
    let open = invitation(Role::Member, None);
    assert_eq!(redeem(&house(open, by_ada()), None), Ok(None), "somebody new");
    assert_eq!(redeem(&house(open, by_ada()), Some(EVE)), Ok(Some(id(EVE))), "whoever is signed in");
}

#[test]
fn another_persons_link_is_refused() {
    for purpose in [reset(), invitation(Role::Member, Some(id(BOB)))] {
        assert_eq!(redeem(&house(purpose, by_ada()), Some(EVE)), Err(LinkRefused::AnotherPerson));
    }
    let sign_in = LinkPurpose::SignIn { user_id: id(BOB) };
    assert_eq!(redeem(&house(sign_in, LinkMaker::Host), Some(EVE)), Err(LinkRefused::AnotherPerson));
}

#[test]
fn invitation_signs_in_nobody_who_is_known() {
    let small = house(invitation(Role::Member, Some(id(BOB))), by_ada());
    assert_eq!(redeem(&small, None), Err(LinkRefused::SignInFirst));
    assert_eq!(redeem(&small, Some(2)), Ok(Some(id(BOB))));
    let by_member = house(LinkPurpose::SignIn { user_id: id(BOB) }, by_ada());
    assert_eq!(redeem(&by_member, None), Err(LinkRefused::MakerLostRight), "no member makes others sign in");
}

#[test]
fn keys_next_secret_is_for_its_holder_alone_whoever_made_the_link() {
    for made_by in [by_ada(), LinkMaker::User(id(ADA)), LinkMaker::Host] {
        let mut small = house(reset(), made_by);
        assert_eq!(redeem(&small, None), Err(LinkRefused::SignInFirst));
        small.sign_ins.insert(id(3), sign_in(ADA));
        assert_eq!(redeem(&small, Some(3)), Err(LinkRefused::AnotherPerson), "whoever made it, too");
        assert_eq!(redeem(&small, Some(2)), Ok(Some(id(BOB))));
    }
}

#[test]
fn link_ends_with_the_sign_in_by_which_it_is_redeemed() {
    let mut small = house(reset(), by_ada());
    let end = noon() + chrono::TimeDelta::minutes(5);
    let SignIn::Open(grant) = sign_in(BOB) else { unreachable!() };
    small.sign_ins.insert(id(2), SignIn::Open(SignInGrant { expires_at: end, ..grant }));
    assert_eq!(redeem_link(&small, id(RESET), Some(id(2)), noon()).unwrap().not_after(), end);
    assert_eq!(redeem_link(&small, id(RESET), Some(id(2)), end).unwrap_err(), LinkRefused::SignInFirst);
}

#[test]
fn reset_by_a_key_that_does_not_cover_the_other_mints_nothing() {
    let mut small = house(reset(), by_ada());
    for narrow in [
        key(ADA, Role::Admin, Some(hours(9))),
        key(ADA, Role::Member, None),
        KeyGrant { narrowing: Some(Box::new(only_resets())), ..key(ADA, Role::Owner, None) },
    ] {
        small.key(1, narrow);
        assert_eq!(redeem(&small, Some(2)), Err(LinkRefused::MakerLostRight));
    }
}

fn only_resets() -> Narrowing {
    Narrowing { permissions: Some([Permission::ResetApiKeys].into()), ..Narrowing::default() }
}

#[test]
fn link_is_good_until_its_end_and_once() {
    let mut small = house(reset(), by_ada());
    let late = redeem_link(&small, id(RESET), None, hours(1)).unwrap_err();
    assert_eq!(late, LinkRefused::Expired);
    assert_eq!(redeem_link(&small, id(9), None, noon()).unwrap_err(), LinkRefused::NotFound);
    let grant = small.one_time_link(id(RESET)).grant().unwrap().clone();
    small.links.insert(id(RESET), OneTimeLink::Redeemed(grant.clone()));
    assert_eq!(redeem(&small, None), Err(LinkRefused::Redeemed));
    small.links.insert(id(RESET), OneTimeLink::Revoked(grant));
    assert_eq!(redeem(&small, None), Err(LinkRefused::Revoked));
}

#[test]
fn link_does_not_outlive_its_makers_right_to_make_it() {
    for purpose in [reset(), invitation(Role::Admin, None)] {
        for made_by in [by_ada(), LinkMaker::User(id(ADA))] {
            let mut small = house(purpose, made_by);
            assert!(redeem(&small, Some(2)).is_ok());
            small.members(&[(ADA, Role::Member), (BOB, Role::Member)]);
            assert_eq!(redeem(&small, Some(2)), Err(LinkRefused::MakerLostRight));
            small.members(&[(BOB, Role::Member)]);
            assert_eq!(redeem(&small, Some(2)), Err(LinkRefused::MakerLostRight));
        }
    }
}

#[test]
fn link_made_by_a_key_ends_with_the_key_and_one_by_a_person_does_not() {
    let open = invitation(Role::Member, None);
    let end = |mut small: Small| {
        small.keys.insert(id(1), ApiKey::Revoked(made(key(ADA, Role::Owner, None))));
        small.sign_ins.clear();
        small
    };
    assert_eq!(redeem(&end(house(open, by_ada())), None), Err(LinkRefused::MakerLostRight));
    assert_eq!(redeem(&end(house(open, LinkMaker::User(id(ADA)))), None), Ok(None));
    let mut small = house(open, by_ada());
    small.key(1, key(ADA, Role::Owner, Some(hours(1) - chrono::TimeDelta::minutes(1))));
    let redeemable = redeem_link(&small, id(RESET), None, noon()).unwrap();
    assert_eq!(
        redeemable.not_after(),
        hours(1) - chrono::TimeDelta::minutes(1),
        "the key's end is the link's"
    );
    let mut narrowed =
        Narrowing { addresses: Some(vec!["10.0.0.0/8".parse().unwrap()]), ..Narrowing::default() };
    for (permissions, redeemed) in [
        (None, Err(LinkRefused::MakerLostRight)),
        // Its maker isn't at any address now, and needn't be.
        (Some([Permission::CreateInvitations].into()), Ok(None)),
    ] {
        narrowed.permissions = permissions;
        let narrowing = Some(Box::new(narrowed.clone()));
        small.key(1, KeyGrant { narrowing, ..key(ADA, Role::Owner, None) });
        assert_eq!(redeem(&small, None), redeemed, "{narrowed:?}");
    }
}

#[test]
fn admin_resets_no_owners_key() {
    let mut small = house(reset(), by_ada());
    small.members(&[(ADA, Role::Admin), (BOB, Role::Owner)]);
    assert_eq!(redeem(&small, None), Err(LinkRefused::MakerLostRight));
}

#[test]
fn reset_link_leads_nowhere_once_its_key_is_gone_or_reset_again() {
    let mut small = house(reset(), by_ada());
    let bobs = made(key(BOB, Role::Member, None));
    for (state, refused) in [
        (ApiKey::Reset { key: bobs.clone(), link_id: id(3) }, LinkRefused::Revoked),
        (ApiKey::Active(bobs.clone()), LinkRefused::Revoked),
        (ApiKey::Revoked(bobs), LinkRefused::Pointless),
        (
            ApiKey::Reset { key: made(key(BOB, Role::Member, Some(noon()))), link_id: id(RESET) },
            LinkRefused::Pointless,
        ),
    ] {
        small.keys.insert(id(2), state);
        assert_eq!(redeem(&small, None), Err(refused));
    }
}

#[test]
fn sign_in_that_is_over_redeems_nothing() {
    let mut small = house(invitation(Role::Member, None), by_ada());
    let grant = small.sign_in(id(EVE)).grant().unwrap().clone();
    small.sign_ins.insert(id(EVE), SignIn::Ended(grant));
    assert_eq!(redeem(&small, Some(EVE)), Err(LinkRefused::SignInFirst));
    assert_eq!(redeem(&small, None), Ok(None));
}

#[test]
fn erased_person_redeems_nothing() {
    let mut small = house(LinkPurpose::SignIn { user_id: id(BOB) }, LinkMaker::Host);
    small.users.insert(id(BOB), User::Erased);
    assert_eq!(redeem(&small, None), Err(LinkRefused::Pointless));
}
