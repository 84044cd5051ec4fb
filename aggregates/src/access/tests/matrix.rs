//! Who may do what, as a table.

use super::*;

/// Each operation on one's own thing (where it has an owner), then on somebody else's.
fn operations() -> Vec<(&'static str, Operation)> {
    use Operation::{
        ChangeWorkspace, CreateApiKey, CreateSession, CreateWorkspace, ManageLoadouts, ManageToolServers,
        OperateInstance, ReadAllApiKeys, ReadAllSessions, ReadApiKey, ReadAudit, ReadLoadouts, ReadSession,
        ReadToolServers, ReadWorkspace, RevokeApiKey, RevokeSession,
    };
    let (own, other) = (id(ADA), id(BOB));
    vec![
        ("create workspace", CreateWorkspace),
        ("operate instance", OperateInstance),
        ("read workspace", ReadWorkspace),
        ("change workspace", ChangeWorkspace),
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
        ("read audit", ReadAudit),
    ]
}

/// By operation: auditor, member, admin, owner.
const MATRIX: &str = "
    create workspace         no  no  no  no
    operate instance         no  no  no  no
    read workspace           yes yes yes yes
    change workspace         no  no  yes yes
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
    read audit               yes no  yes yes
";

fn holding(held: Role, granted: Role) -> Small {
    let mut small = Small::new();
    small.members(&[(ADA, held)]);
    small.key(1, key(ADA, granted, None));
    small
}

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
            // An owner differs from an admin in what later operations ask for, and already by name.
            let expected = covers && (one, other) != (Role::Admin, Role::Owner);
            assert_eq!(one.covers(other), expected, "{one:?} covers {other:?}");
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
    let there = Workspace::Active { members: [(id(ADA), Role::Owner)].into() };
    small.workspaces.insert(id(2), there);
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
    small.keys.insert(id(1), ApiKey::Revoked(key(ADA, Role::Owner, None)));
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
        let own = matches!(operation, Operation::CreateWorkspace | Operation::OperateInstance);
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
    let grant = small.operator(id(1)).grant().unwrap().clone();
    small.operators.insert(id(1), Operator::Revoked(grant));
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
    assert_eq!(home(&small, by_key(2), noon()), Err(Denial::NotFound));
}

#[test]
fn every_operation_has_a_scope_of_rfc_6750() {
    for (name, operation) in operations() {
        let fits = |character: char| character.is_ascii_lowercase() || matches!(character, '_' | ':');
        assert!(operation.scope().chars().all(fits), "{name}");
    }
}
