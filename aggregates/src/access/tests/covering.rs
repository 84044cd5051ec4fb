//! No credential mints what it doesn't cover, and none that was followed by a newer secret more than it lasts.

use super::*;
use crate::SecretNumber;

/// Ada, an owner, with key 1 for `asking`, and key 2 for `asked`; Bob, a member, with key 3.
fn keys(asking: KeyGrant, asked: KeyGrant) -> Small {
    let mut small = Small::new();
    small.members(&[(ADA, Role::Owner), (BOB, Role::Member)]);
    small.key(1, asking);
    small.key(2, asked);
    small.key(3, key(BOB, Role::Member, None));
    small
}

fn wide() -> KeyGrant {
    key(ADA, Role::Owner, None)
}

fn narrowed(narrowing: Narrowing) -> KeyGrant {
    KeyGrant { narrowing: Some(Box::new(narrowing)), ..wide() }
}

/// Something less than [`wide`] in each part of a key.
fn narrower() -> Vec<KeyGrant> {
    let nothing = Narrowing::default;
    let both = [Permission::RotateApiKeys, Permission::ResetApiKeys];
    vec![
        key(ADA, Role::Admin, None),
        key(ADA, Role::Owner, Some(hours(9))),
        narrowed(Narrowing { permissions: Some(both.into()), ..nothing() }),
        narrowed(Narrowing {
            permissions: Some(both.into()),
            tool_servers: Some([id(1)].into()),
            ..nothing()
        }),
        narrowed(Narrowing { permissions: Some(both.into()), loadouts: Some([id(1)].into()), ..nothing() }),
        narrowed(Narrowing {
            permissions: Some(both.into()),
            addresses: Some(vec!["10.0.0.0/8".parse().unwrap()]),
            ..nothing()
        }),
    ]
}

/// From an address that all keys here are for.
fn with(number: u128, secret: Option<u32>) -> Asker {
    let address = Some("10.1.2.3".parse().unwrap());
    Asker { caller: by_key(number), secret: secret.map(SecretNumber), address }
}

fn rotate(user: u128, number: u128) -> Operation {
    Operation::RotateApiKey { holder: id(user), key: id(number) }
}

fn reset(user: u128, number: u128) -> Operation {
    Operation::ResetApiKey { holder: id(user), key: id(number) }
}

fn ask(small: &Small, asker: impl Into<Asker>, operation: Operation) -> Result<(), Denial> {
    may(small, asker, Some(id(1)), operation, noon()).map(drop)
}

#[test]
fn narrow_key_gives_no_wider_one_a_secret() {
    for narrow in narrower() {
        let small = keys(narrow.clone(), wide());
        for operation in [rotate(ADA, 2), reset(ADA, 2)] {
            let refused = ask(&small, with(1, None), operation).unwrap_err();
            // An owner's keys are out of an admin's reach, whatever they carry.
            let no_owner = narrow.role != Role::Owner && operation == reset(ADA, 2);
            let reason = if no_owner { Denial::RoleTooLow } else { Denial::NotCovered };
            assert_eq!(refused, reason, "{operation:?} with {narrow:?}");
            // The other way round, and what is just as narrow.
            assert_eq!(ask(&small, with(2, None), operation_on(operation, 1)), Ok(()));
            let twins = keys(narrow.clone(), narrow.clone());
            let expected = if no_owner { Err(Denial::RoleTooLow) } else { Ok(()) };
            assert_eq!(ask(&twins, with(1, None), operation), expected, "{narrow:?}");
        }
        assert_eq!(ask(&small, with(1, None), rotate(ADA, 1)), Ok(()), "itself: {narrow:?}");
    }
}

fn operation_on(operation: Operation, number: u128) -> Operation {
    match operation {
        Operation::RotateApiKey { .. } => rotate(ADA, number),
        _ => reset(ADA, number),
    }
}

#[test]
fn narrow_key_resets_no_wider_one_of_somebody_else() {
    for narrow in narrower().into_iter().skip(1) {
        let small = keys(narrow, wide());
        assert_eq!(ask(&small, with(1, None), reset(BOB, 3)), Err(Denial::NotCovered));
    }
    assert_eq!(ask(&keys(wide(), wide()), with(1, None), reset(BOB, 3)), Ok(()));
}

#[test]
fn key_of_somebody_who_is_less_now_rotates_itself_and_no_other() {
    let mut small = keys(wide(), wide());
    small.members(&[(ADA, Role::Member)]);
    assert_eq!(ask(&small, with(1, None), rotate(ADA, 1)), Ok(()));
    assert_eq!(ask(&small, with(1, None), rotate(ADA, 2)), Err(Denial::NotCovered));
}

#[test]
fn who_is_signed_in_rotates_their_own_keys_and_nobody_elses() {
    for narrow in narrower() {
        let small = keys(narrow, wide());
        for number in [1, 2] {
            assert_eq!(ask(&small, Caller::SignIn(id(1)), rotate(ADA, number)), Ok(()));
        }
        assert_eq!(ask(&small, Caller::SignIn(id(1)), rotate(BOB, 3)), Err(Denial::RoleTooLow));
        assert_eq!(ask(&small, Caller::SignIn(id(1)), reset(BOB, 3)), Ok(()));
    }
}

#[test]
fn key_resets_itself_never() {
    assert_eq!(ask(&keys(wide(), wide()), with(1, None), reset(ADA, 1)), Err(Denial::OwnKey));
}

#[test]
fn key_is_looked_for_where_it_is_said_to_be() {
    let mut small = keys(wide(), wide());
    small.key(4, KeyGrant { workspace_id: id(2), ..wide() });
    for operation in [rotate(ADA, 3), rotate(ADA, 4), rotate(ADA, 9), reset(BOB, 2), reset(BOB, 9)] {
        assert_eq!(ask(&small, with(1, None), operation), Err(Denial::NotFound), "{operation:?}");
    }
}

/// Key 1 was rotated: its secret 0 is good for another hour, its secret 1 is the newest.
fn rotated(expires_at: Option<DateTime<Utc>>) -> Small {
    let mut small = keys(wide(), wide());
    let rotation = Rotation::default().followed(verifier(), Some(hours(1)));
    let grant = key(ADA, Role::Owner, expires_at);
    small.keys.insert(id(1), ApiKey::Active(Key { grant, rotation }));
    small
}

#[test]
fn former_secret_leaves_nothing_behind_that_it_does_not_outlast() {
    let small = rotated(None);
    let lasting = [
        Operation::CreateApiKey,
        rotate(ADA, 1),
        rotate(ADA, 2),
        reset(BOB, 3),
        Operation::Invite(Role::Member),
        Operation::ChangeRole { member: id(BOB), to: Role::Admin },
    ];
    for operation in lasting {
        assert_eq!(ask(&small, with(1, Some(0)), operation), Err(Denial::FormerSecret), "{operation:?}");
        assert_eq!(ask(&small, with(1, Some(1)), operation), Ok(()), "{operation:?}");
    }
    for operation in [Operation::CreateSession, Operation::RevokeApiKey(id(ADA)), Operation::ReadAudit] {
        assert_eq!(ask(&small, with(1, Some(0)), operation), Ok(()), "both secrets work: {operation:?}");
    }
}

#[test]
fn former_secret_bounds_by_its_end_what_is_made_with_it() {
    for (key_ends, by_former, by_newest) in [
        (None, Some(hours(1)), None),
        (Some(hours(5)), Some(hours(1)), Some(hours(5))),
        (
            Some(noon() + chrono::TimeDelta::minutes(9)),
            Some(noon() + chrono::TimeDelta::minutes(9)),
            Some(noon() + chrono::TimeDelta::minutes(9)),
        ),
    ] {
        let small = rotated(key_ends);
        let Ok(standing) = may(&small, with(1, Some(0)), Some(id(1)), Operation::ReadWorkspace, noon())
        else {
            unreachable!()
        };
        for (secret, end) in [(0, by_former), (1, by_newest)] {
            let asker = with(1, Some(secret));
            assert_eq!(bounds(&small, asker).expires_at, end);
            let makes = |end| may_make_key(&small, asker, standing, &key(ADA, Role::Owner, end));
            assert!(makes(end));
            let longer = end.map(|end| end + chrono::TimeDelta::microseconds(1));
            assert_eq!((makes(longer), makes(None)), (end.is_none(), end.is_none()));
        }
        assert_eq!(lasts_until(&small, with(1, Some(0)), hours(8)), hours(1));
        assert_eq!(lasts_until(&small, with(1, Some(0)), noon()), noon());
        assert_eq!(
            lasts_until(&small, with(1, Some(1)), hours(8)),
            hours(8),
            "the key's own end is looked up"
        );
    }
}

/// Operator 1, whose credential ends in two hours, was rotated: its secret 0 is good for an hour.
fn operators() -> Small {
    let mut small = Small::new();
    let unlimited = OperatorGrant { verifier: verifier(), expires_at: None };
    let other = OperatorCredential { grant: unlimited, rotation: Rotation::default() };
    small.operators.insert(id(2), Operator::Active(other));
    let Operator::Active(mut own) = small.operator(id(1)).clone() else { unreachable!() };
    own.rotation = own.rotation.followed(verifier(), Some(hours(1)));
    small.operators.insert(id(1), Operator::Active(own));
    small
}

fn operator(number: u128, secret: u32) -> Asker {
    Asker { secret: Some(SecretNumber(secret)), ..Caller::Operator(id(number)).into() }
}

#[test]
fn operator_makes_none_that_lasts_longer() {
    let small = operators();
    for (asker, end) in
        [(operator(1, 0), Some(hours(1))), (operator(1, 1), Some(hours(2))), (operator(2, 0), None)]
    {
        assert_eq!(bounds(&small, asker).expires_at, end);
        assert!(may_make_operator(&small, asker, end));
        let longer = end.map(|end| end + chrono::TimeDelta::microseconds(1));
        let makes = (may_make_operator(&small, asker, longer), may_make_operator(&small, asker, None));
        assert_eq!(makes, (end.is_none(), end.is_none()));
    }
    assert!(!may_make_operator(&small, by_key(1), Some(hours(1))), "no key makes an operator");
}

#[test]
fn operator_rotates_their_own_credential_with_its_newest_secret() {
    let small = operators();
    let rotates =
        |asker, number| may(&small, asker, None, Operation::RotateOperator(id(number)), noon()).map(drop);
    assert_eq!(rotates(operator(1, 1), 1), Ok(()));
    assert_eq!(rotates(operator(2, 0), 2), Ok(()));
    assert_eq!(rotates(operator(1, 0), 1), Err(Denial::FormerSecret));
    for other in [1, 9] {
        assert_eq!(rotates(operator(2, 0), other), Err(Denial::AnotherOperators));
    }
    assert!(may(&small, operator(1, 0), None, Operation::ManageOperators, noon()).is_ok());
}
