//! Who may do what, as a table.

use super::*;

/// Each operation on one's own thing (where it has an owner), then on somebody else's.
fn operations() -> Vec<(&'static str, Operation)> {
    use Operation::{
        ChangeRole, ChangeWorkspace, CreateApiKey, CreateSession, CreateWorkspace, EndSignIn, ErasePerson,
        Invite, Leave, ManageLoadouts, ManageOperators, ManageToolServers, OperateInstance, ReadAllApiKeys,
        ReadAllSessions, ReadApiKey, ReadAudit, ReadInvitations, ReadLoadouts, ReadMembers, ReadSession,
        ReadSignIns, ReadToolServers, ReadWorkspace, RemoveMember, ResetApiKey, RevokeAllApiKeys,
        RevokeApiKey, RevokeApiKeysOf, RevokeInvitation, RevokeSession, RotateApiKey, RotateOperator,
    };
    let (own, other, owner) = (id(ADA), id(BOB), id(EVE));
    vec![
        ("create workspace", CreateWorkspace),
        ("operate instance", OperateInstance),
        ("manage operators", ManageOperators),
        ("rotate operator", RotateOperator(id(1))),
        ("erase person", ErasePerson),
        ("read own sign-ins", ReadSignIns(own)),
        ("end own sign-in", EndSignIn(own)),
        ("read workspace", ReadWorkspace),
        ("change workspace", ChangeWorkspace),
        ("read members", ReadMembers),
        ("leave", Leave),
        ("remove oneself", RemoveMember(own)),
        ("remove a member", RemoveMember(other)),
        ("remove an owner", RemoveMember(owner)),
        ("make a member admin", ChangeRole { member: other, to: Role::Admin }),
        ("make a member owner", ChangeRole { member: other, to: Role::Owner }),
        ("make an owner member", ChangeRole { member: owner, to: Role::Member }),
        ("invite an auditor", Invite(Role::Auditor)),
        ("invite an admin", Invite(Role::Admin)),
        ("invite an owner", Invite(Role::Owner)),
        ("read invitations", ReadInvitations),
        ("revoke invitation", RevokeInvitation),
        ("read tool servers", ReadToolServers),
        ("manage tool servers", ManageToolServers),
        ("read loadouts", ReadLoadouts),
        ("manage loadouts", ManageLoadouts),
        ("create session", CreateSession),
        ("read own session", ReadSession(own)),
        ("read other's session", ReadSession(other)),
        ("read all sessions", ReadAllSessions),
        ("revoke own session", RevokeSession(own)),
        ("revoke other's session", RevokeSession(other)),
        ("create API key", CreateApiKey),
        ("read own API key", ReadApiKey(own)),
        ("read other's API key", ReadApiKey(other)),
        ("read all API keys", ReadAllApiKeys),
        ("revoke own API key", RevokeApiKey(own)),
        ("revoke other's API key", RevokeApiKey(other)),
        ("revoke all own API keys", RevokeApiKeysOf(own)),
        ("revoke all of another", RevokeApiKeysOf(other)),
        ("revoke all API keys", RevokeAllApiKeys),
        ("rotate own API key", RotateApiKey { holder: own, key: id(1) }),
        ("rotate other's API key", RotateApiKey { holder: other, key: id(2) }),
        ("reset a member's API key", ResetApiKey { holder: other, key: id(2) }),
        ("reset an owner's API key", ResetApiKey { holder: owner, key: id(EVE) }),
        ("read audit", ReadAudit),
    ]
}

/// By operation: auditor, member, admin, owner.
const MATRIX: &str = "
    create workspace         no  no  no  no
    operate instance         no  no  no  no
    manage operators         no  no  no  no
    rotate operator          no  no  no  no
    erase person             no  no  no  no
    read own sign-ins        no  no  no  no
    end own sign-in          no  no  no  no
    read workspace           yes yes yes yes
    change workspace         no  no  yes yes
    read members             yes yes yes yes
    leave                    yes yes yes yes
    remove oneself           yes yes yes yes
    remove a member          no  no  yes yes
    remove an owner          no  no  no  yes
    make a member admin      no  no  yes yes
    make a member owner      no  no  no  yes
    make an owner member     no  no  no  yes
    invite an auditor        no  no  yes yes
    invite an admin          no  no  yes yes
    invite an owner          no  no  no  yes
    read invitations         yes no  yes yes
    revoke invitation        no  no  yes yes
    read tool servers        yes yes yes yes
    manage tool servers      no  no  yes yes
    read loadouts            yes yes yes yes
    manage loadouts          no  no  yes yes
    create session           no  yes yes yes
    read own session         yes yes yes yes
    read other's session     yes no  yes yes
    read all sessions        yes no  yes yes
    revoke own session       yes yes yes yes
    revoke other's session   no  no  yes yes
    create API key           no  yes yes yes
    read own API key         yes yes yes yes
    read other's API key     yes no  yes yes
    read all API keys        yes no  yes yes
    revoke own API key       yes yes yes yes
    revoke other's API key   no  no  yes yes
    revoke all own API keys  yes yes yes yes
    revoke all of another    no  no  yes yes
    revoke all API keys      no  no  yes yes
    rotate own API key       yes yes yes yes
    rotate other's API key   no  no  no  no
    reset a member's API key no  no  yes yes
    reset an owner's API key no  no  no  yes
    read audit               yes no  yes yes
";

fn holding(held: Role, granted: Role) -> Small {
    let mut small = Small::new();
    small.members(&[(ADA, held), (BOB, Role::Member), (EVE, Role::Owner)]);
    small.key(1, key(ADA, granted, None));
    small.key(2, key(BOB, Role::Member, None));
    small.key(EVE, key(EVE, Role::Owner, None));
    small
}

const EVE: u128 = 5;

fn ask(small: &Small, operation: Operation) -> Result<Standing, Denial> {
    may(small, by_key(1), Some(id(1)), operation, noon())
}

fn row(operation: Operation) -> Vec<bool> {
    Role::ALL.iter().map(|role| ask(&holding(*role, *role), operation).is_ok()).collect()
}

#[test]
fn roles_may_what_the_matrix_says() {
    let table = operations().iter().fold(String::from("\n"), |table, (name, operation)| {
        let answers: Vec<_> =
            row(*operation).into_iter().map(|yes| if yes { "yes" } else { "no " }).collect();
        table + format!("    {name:<24} {}", answers.join(" ")).trim_end() + "\n"
    });
    assert_eq!(table, MATRIX);
}

#[test]
fn covering_is_what_the_matrix_makes_it() {
    for one in Role::ALL {
        for other in Role::ALL {
            let loses = operations().into_iter().any(|(_, operation)| {
                ask(&holding(other, other), operation).is_ok() && ask(&holding(one, one), operation).is_err()
            });
            let calls = |role| may_call_tools(role);
            let covers = !loses && (calls(one) || !calls(other));
            assert_eq!(one.covers(other), covers, "{one:?} covers {other:?}");
        }
    }
}

#[test]
fn rights_are_the_lesser_of_those_granted_and_those_held() {
    for held in Role::ALL {
        for granted in Role::ALL {
            for (name, operation) in operations() {
                let both = [held, granted].iter().all(|role| ask(&holding(*role, *role), operation).is_ok());
                let asked = ask(&holding(held, granted), operation);
                // Whoever leaves gives up what they hold, whatever their key carries of it.
                let leaves = ["leave", "remove oneself"].contains(&name);
                let both = both && (!leaves || granted.covers(held));
                assert_eq!(asked.is_ok(), both, "{name} as {held:?} by a key for {granted:?}");
                let refused = asked.err();
                assert!(refused.is_none_or(|denial| denial == Denial::RoleTooLow), "{refused:?}");
            }
        }
    }
}

#[test]
fn no_key_makes_one_that_carries_more() {
    for held in Role::ALL {
        for granted in Role::ALL {
            let Ok(standing) = ask(&holding(held, granted), Operation::ReadWorkspace) else { unreachable!() };
            for made in Role::ALL.into_iter().filter(|made| standing.may_grant(*made)) {
                for (name, operation) in operations() {
                    let now = ask(&holding(held, granted), operation).is_ok();
                    let by_new_key = ask(&holding(held, made), operation).is_ok();
                    assert!(now || !by_new_key, "{name}: {held:?}, {granted:?} made {made:?}");
                }
            }
        }
    }
    assert!(!Standing::Operator.may_grant(Role::Auditor));
}

#[test]
fn key_reaches_into_no_other_workspace() {
    let mut small = holding(Role::Owner, Role::Owner);
    small.workspaces.insert(id(2), workspace(&[(ADA, Role::Owner)]));
    for (name, operation) in operations() {
        let elsewhere = may(&small, by_key(1), Some(id(2)), operation, noon());
        assert_eq!(elsewhere, Err(Denial::NotFound), "{name}");
        let nowhere = may(&small, by_key(1), None, operation, noon());
        assert_eq!(nowhere, Err(Denial::RoleTooLow), "{name}");
    }
}

#[test]
fn key_ends_with_membership_workspace_revocation_and_time() {
    let mut small = holding(Role::Owner, Role::Owner);
    let refused = |small: &Small| ask(small, Operation::ReadWorkspace).unwrap_err();
    small.members(&[(BOB, Role::Owner)]);
    assert_eq!(refused(&small), Denial::CredentialRevoked);
    small.workspaces.clear();
    assert_eq!(refused(&small), Denial::WorkspaceEnded);
    small.key(1, key(ADA, Role::Owner, Some(noon())));
    assert_eq!(refused(&small), Denial::CredentialExpired);
    small.keys.insert(id(1), ApiKey::Revoked(made(key(ADA, Role::Owner, None))));
    assert_eq!(refused(&small), Denial::CredentialRevoked);
    small.keys.clear();
    assert_eq!(refused(&small), Denial::NotFound);
}

#[test]
fn operator_looks_after_the_instance_and_into_no_workspace() {
    let small = Small::new();
    let caller = Caller::Operator(id(1));
    for (name, operation) in operations() {
        assert_eq!(may(&small, caller, Some(id(1)), operation, noon()), Err(Denial::NotFound), "{name}");
        let own = operation.is_operators();
        let expected = if own { Ok(Standing::Operator) } else { Err(Denial::NotFound) };
        assert_eq!(may(&small, caller, None, operation, noon()), expected, "{name}");
    }
}

#[test]
fn operators_credential_ends_by_revocation_and_time() {
    let mut small = Small::new();
    let ask = |small: &Small, at| {
        may(small, Caller::Operator(id(1)), None, Operation::OperateInstance, at).unwrap_err()
    };
    assert_eq!(ask(&small, hours(2)), Denial::CredentialExpired);
    let credential = small.operator(id(1)).credential().unwrap().clone();
    small.operators.insert(id(1), Operator::Revoked(credential));
    assert_eq!(ask(&small, noon()), Denial::CredentialRevoked);
    small.operators.clear();
    assert_eq!(ask(&small, noon()), Denial::NotFound);
}

#[test]
fn sessions_token_calls_tools_and_nothing_else() {
    let small = Small::new();
    for (name, operation) in operations() {
        let here = may(&small, token(), Some(id(1)), operation, noon());
        assert_eq!(here, Err(Denial::RoleTooLow), "{name}");
        let elsewhere = may(&small, token(), Some(id(2)), operation, noon());
        assert_eq!(elsewhere, Err(Denial::NotFound), "{name}");
        let unknown = may(&small, Caller::Session(id(9)), Some(id(1)), operation, noon());
        assert_eq!(unknown, Err(Denial::NotFound), "{name}");
    }
    assert_eq!(home(&small, token(), noon()), Err(Denial::RoleTooLow));
}

#[test]
fn home_is_where_the_key_was_made() {
    let small = holding(Role::Admin, Role::Member);
    let standing = Standing::Member { user_id: id(ADA), held: Role::Admin, granted: Role::Member };
    assert_eq!(home(&small, by_key(1), noon()), Ok(Some((id(1), standing))));
    assert_eq!(home(&small, Caller::Operator(id(1)), noon()), Ok(None));
    assert_eq!(home(&small, by_key(9), noon()), Err(Denial::NotFound));
}

#[test]
fn signed_in_person_may_what_their_role_may_wherever_they_are_a_member() {
    for held in Role::ALL {
        let mut small = holding(held, held);
        small.workspaces.insert(id(2), workspace(&[(ADA, Role::Auditor)]));
        small.workspaces.insert(id(3), workspace(&[(BOB, Role::Owner)]));
        for (name, operation) in operations() {
            let by_key = ask(&holding(held, held), operation).is_ok();
            let caller = Caller::SignIn(id(1));
            let here = may(&small, caller, Some(id(1)), operation, noon());
            assert_eq!(here.is_ok(), by_key, "{name} as {held:?}");
            let there = may(&small, caller, Some(id(3)), operation, noon());
            assert_eq!(there, Err(Denial::NotFound), "{name}");
            let alone = may(&small, caller, None, operation, noon());
            let own = matches!(operation, Operation::ReadSignIns(_) | Operation::EndSignIn(_));
            let expected =
                if own { Ok(Standing::Person { user_id: id(ADA) }) } else { Err(Denial::RoleTooLow) };
            assert_eq!(alone, expected, "{name}");
        }
        let others = may(&small, Caller::SignIn(id(1)), None, Operation::EndSignIn(id(BOB)), noon());
        assert_eq!(others, Err(Denial::RoleTooLow));
        let elsewhere = may(&small, Caller::SignIn(id(1)), Some(id(2)), Operation::ReadAudit, noon());
        assert!(elsewhere.is_ok(), "what they are elsewhere counts there");
    }
}

#[test]
fn sign_in_ends_by_itself_by_its_person_and_by_erasure() {
    let ask = |small: &Small, at| {
        may(small, Caller::SignIn(id(1)), Some(id(1)), Operation::ReadWorkspace, at).unwrap_err()
    };
    let mut small = Small::new();
    assert_eq!(ask(&small, hours(4)), Denial::CredentialExpired);
    assert_eq!(credential_ends(&small, Caller::SignIn(id(1))), Some(hours(4)));
    small.users.insert(id(ADA), User::Erased);
    assert_eq!(ask(&small, noon()), Denial::CredentialRevoked);
    small.users.clear();
    let grant = small.sign_in(id(1)).grant().unwrap().clone();
    small.sign_ins.insert(id(1), SignIn::Ended(grant));
    assert_eq!(ask(&small, noon()), Denial::CredentialRevoked);
    small.sign_ins.clear();
    assert_eq!(ask(&small, noon()), Denial::NotFound);
}

/// One of each: what somebody is confined to, besides.
fn confinements() -> Vec<(&'static str, Narrowing)> {
    let nothing = Narrowing::default;
    vec![
        ("nothing", nothing()),
        ("servers", Narrowing { tool_servers: Some([id(1)].into()), ..nothing() }),
        ("loadouts", Narrowing { loadouts: Some([id(1)].into()), ..nothing() }),
        ("addresses", Narrowing { addresses: Some(vec!["10.0.0.0/8".parse().unwrap()]), ..nothing() }),
    ]
}

/// What an owner may by a key that is confined to nothing, servers, loadouts, addresses; and by those same keys with
/// the operation's permission listed by name, and with every other listed. Whatever isn't here is the same for all.
const CONFINED: &str = "
    leave                    yes no  no  no  | yes yes yes yes | no no no no
    remove oneself           yes no  no  no  | yes yes yes yes | no no no no
    remove a member          yes no  no  no  | yes yes yes yes | no no no no
    remove an owner          yes no  no  no  | yes yes yes yes | no no no no
    make a member admin      yes no  no  no  | yes yes yes yes | no no no no
    make a member owner      yes no  no  no  | yes yes yes yes | no no no no
    make an owner member     yes no  no  no  | yes yes yes yes | no no no no
    invite an auditor        yes no  no  no  | yes yes yes yes | no no no no
    invite an admin          yes no  no  no  | yes yes yes yes | no no no no
    invite an owner          yes no  no  no  | yes yes yes yes | no no no no
    manage tool servers      yes no  no  yes | yes no  no  yes | no no no no
    manage loadouts          yes no  no  yes | yes no  no  yes | no no no no
    revoke other's API key   yes no  no  no  | yes yes yes yes | no no no no
    revoke all own API keys  yes no  no  no  | yes yes yes yes | no no no no
    revoke all of another    yes no  no  no  | yes yes yes yes | no no no no
    revoke all API keys      yes no  no  no  | yes yes yes yes | no no no no
";

#[test]
fn who_is_confined_touches_people_only_where_it_is_listed_by_name() {
    let word = |yes: bool| if yes { "yes" } else { "no " };
    let mut table = String::from("\n");
    for (name, operation) in operations() {
        // These ask for covering, besides: `covering.rs`.
        if name.contains("rotate") || name.contains("reset") {
            continue;
        }
        let by = |narrowing: Narrowing| {
            let mut small = holding(Role::Owner, Role::Owner);
            let grant = key(ADA, Role::Owner, None);
            small.key(1, KeyGrant { narrowing: Some(Box::new(narrowing)), ..grant });
            let asker = Asker { address: Some("10.1.2.3".parse().unwrap()), ..by_key(1).into() };
            may(&small, asker, Some(id(1)), operation, noon()).is_ok()
        };
        let with = |permissions: Option<Vec<Permission>>| {
            let permissions = permissions.map(|listed| listed.into_iter().collect());
            let keys = confinements().into_iter();
            keys.map(|(_, confined)| by(Narrowing { permissions: permissions.clone(), ..confined }))
                .collect::<Vec<_>>()
        };
        let own = if name == "remove oneself" { Permission::Leave } else { operation.permission() };
        let others = Permission::ALL.iter().copied().filter(|other| *other != own).collect();
        let columns = [with(None), with(Some(vec![own])), with(Some(others))];
        if columns[0].iter().all(|yes| *yes == columns[0][0]) {
            continue;
        }
        let columns = columns.map(|column| column.into_iter().map(word).collect::<Vec<_>>().join(" "));
        table += format!("    {name:<24} {}", columns.join(" | ")).trim_end();
        table += "\n";
    }
    assert_eq!(table.replace("no  no  no  no\n", "no no no no\n"), CONFINED);
}

#[test]
fn key_that_carries_less_than_its_holder_does_not_leave_for_them() {
    let small = holding(Role::Owner, Role::Member);
    for operation in [Operation::Leave, Operation::RemoveMember(id(ADA))] {
        assert_eq!(ask(&small, operation), Err(Denial::RoleTooLow));
        assert!(
            may(&small, Caller::SignIn(id(1)), Some(id(1)), operation, noon()).is_ok(),
            "they themselves do"
        );
    }
}

/// `Permission::is_on_people` says of permissions what the operations that ask for them are.
#[test]
fn permissions_on_people_are_those_of_operations_on_people() {
    for permission in Permission::ALL {
        let mut asking = operations()
            .into_iter()
            .filter(|(name, operation)| *name != "remove oneself" && operation.permission() == *permission);
        let is_on_people = asking.any(|(_, operation)| operation.is_on_people(id(ADA)));
        assert_eq!(permission.is_on_people(), is_on_people, "{permission:?}");
    }
}
