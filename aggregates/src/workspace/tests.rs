use cqrs_es::test::TestFramework;

use super::*;
use crate::sample::id;

type Given = TestFramework<Workspace>;

const OWNER: u128 = 1;
const OTHER: u128 = 2;

fn created() -> WorkspaceEvent {
    WorkspaceEvent::Created { name: "Acme".into() }
}

fn added(user: u128, role: Role) -> WorkspaceEvent {
    WorkspaceEvent::MemberAdded { user_id: id(user), role }
}

fn changed(user: u128, from: Role, to: Role) -> WorkspaceEvent {
    WorkspaceEvent::MemberRoleChanged { user_id: id(user), from, to }
}

fn create(name: &str, owner: Option<u128>) -> WorkspaceCommand {
    WorkspaceCommand::Create { name: name.into(), owner: owner.map(id) }
}

fn change(user: u128, role: Role) -> WorkspaceCommand {
    WorkspaceCommand::ChangeRole { user_id: id(user), role }
}

fn remove(user: u128) -> WorkspaceCommand {
    WorkspaceCommand::RemoveMember { user_id: id(user) }
}

fn with_owner() -> Vec<WorkspaceEvent> {
    vec![created(), added(OWNER, Role::Owner)]
}

#[test]
fn its_maker_is_its_first_owner() {
    Given::with(())
        .given_no_previous_events()
        .when(create("Acme", Some(OWNER)))
        .then_expect_events(vec![created(), added(OWNER, Role::Owner)]);
}

#[test]
fn operator_makes_one_without_members() {
    Given::with(()).given_no_previous_events().when(create("Acme", None)).then_expect_events(vec![created()]);
}

#[test]
fn taken_id_is_refused() {
    Given::with(()).given(with_owner()).when(create("Acme", None)).then_expect_error(WorkspaceError::Exists);
}

#[test]
fn name_that_is_none_is_refused() {
    for name in ["", "  ", "two\nlines", "nul\0", &"x".repeat(101)] {
        Given::with(())
            .given_no_previous_events()
            .when(create(name, None))
            .then_expect_error(WorkspaceError::Name);
        Given::with(())
            .given(with_owner())
            .when(WorkspaceCommand::Rename { name: name.into() })
            .then_expect_error(WorkspaceError::Name);
    }
}

#[test]
fn renaming_is_recorded() {
    Given::with(())
        .given(with_owner())
        .when(WorkspaceCommand::Rename { name: "x".repeat(100).as_str().into() })
        .then_expect_events(vec![WorkspaceEvent::Renamed { name: "x".repeat(100).as_str().into() }]);
}

#[test]
fn nothing_happens_in_a_workspace_that_was_never_made() {
    let add = WorkspaceCommand::AddMember { user_id: id(OTHER), role: Role::Member };
    for command in
        [WorkspaceCommand::Rename { name: "Acme".into() }, add, change(OTHER, Role::Admin), remove(OTHER)]
    {
        Given::with(()).given_no_previous_events().when(command).then_expect_error(WorkspaceError::Absent);
    }
}

#[test]
fn person_is_taken_in_once() {
    let add = WorkspaceCommand::AddMember { user_id: id(OTHER), role: Role::Member };
    Given::with(())
        .given(with_owner())
        .when(add.clone())
        .then_expect_events(vec![added(OTHER, Role::Member)]);
    Given::with(())
        .given([with_owner(), vec![added(OTHER, Role::Auditor)]].concat())
        .when(add)
        .then_expect_error(WorkspaceError::AlreadyMember);
}

#[test]
fn role_change_says_what_it_was_before() {
    Given::with(())
        .given([with_owner(), vec![added(OTHER, Role::Auditor)]].concat())
        .when(change(OTHER, Role::Member))
        .then_expect_events(vec![changed(OTHER, Role::Auditor, Role::Member)]);
}

#[test]
fn change_to_the_same_role_is_none() {
    Given::with(()).given(with_owner()).when(change(OWNER, Role::Owner)).then_expect_events(vec![]);
}

#[test]
fn stranger_can_neither_change_role_nor_leave() {
    for command in [change(OTHER, Role::Member), remove(OTHER)] {
        Given::with(()).given(with_owner()).when(command).then_expect_error(WorkspaceError::NotMember);
    }
}

#[test]
fn last_owner_stays() {
    let admin = added(OTHER, Role::Admin);
    for command in [change(OWNER, Role::Admin), remove(OWNER)] {
        Given::with(())
            .given([with_owner(), vec![admin.clone()]].concat())
            .when(command)
            .then_expect_error(WorkspaceError::LastOwner);
    }
}

#[test]
fn one_of_two_owners_may_go() {
    let two = [with_owner(), vec![added(OTHER, Role::Owner)]].concat();
    Given::with(())
        .given(two.clone())
        .when(remove(OWNER))
        .then_expect_events(vec![WorkspaceEvent::MemberRemoved { user_id: id(OWNER) }]);
    Given::with(()).given(two).when(change(OWNER, Role::Member)).then_expect_events(vec![changed(
        OWNER,
        Role::Owner,
        Role::Member,
    )]);
}

#[test]
fn state_follows_the_events() {
    let mut workspace = Workspace::default();
    assert!(!workspace.lives());
    for event in with_owner() {
        workspace.apply(event);
    }
    assert!(workspace.lives());
    assert_eq!(workspace.role_of(id(OWNER)), Some(Role::Owner));
    workspace.apply(changed(OWNER, Role::Owner, Role::Admin));
    assert_eq!(workspace.role_of(id(OWNER)), Some(Role::Admin));
    workspace.apply(WorkspaceEvent::Renamed { name: "Other".into() });
    workspace.apply(WorkspaceEvent::MemberRemoved { user_id: id(OWNER) });
    assert_eq!(workspace.role_of(id(OWNER)), None);
    assert!(workspace.lives());
}

#[test]
fn taking_in_a_member_again_takes_nothing_from_them() {
    let mut workspace = Workspace::default();
    for event in [created(), added(OWNER, Role::Owner), added(OWNER, Role::Member), created()] {
        workspace.apply(event);
    }
    assert_eq!(workspace.role_of(id(OWNER)), Some(Role::Owner));
}

#[test]
fn workspace_that_is_full_takes_in_nobody_until_somebody_leaves() {
    let mut workspace = Workspace::default();
    for event in with_owner() {
        workspace.apply(event);
    }
    for number in 1..Workspace::MEMBERS_MAX as u128 {
        workspace.apply(added(100 + number, Role::Member));
    }
    let add = || WorkspaceCommand::AddMember { user_id: id(OTHER), role: Role::Member };
    assert_eq!(workspace.decide(add()), Err(WorkspaceError::Full));
    workspace.apply(WorkspaceEvent::MemberRemoved { user_id: id(101) });
    assert_eq!(workspace.decide(add()), Ok(vec![added(OTHER, Role::Member)]));
}

#[test]
fn every_role_change_narrows_somebody() {
    assert!(changed(OTHER, Role::Auditor, Role::Member).narrows(), "an auditor reads what a member doesn't");
    assert!(changed(OTHER, Role::Owner, Role::Admin).narrows());
    assert!(changed(OTHER, Role::Admin, Role::Owner).narrows(), "an owner is out of the admins' reach");
    assert!(
        changed(OTHER, Role::Auditor, Role::Admin).narrows(),
        "an auditor's key doesn't leave for an admin"
    );
}

fn revoke_keys(which: WhichKeys) -> WorkspaceCommand {
    WorkspaceCommand::RevokeApiKeys { which, reason: Some("lost".into()) }
}

#[test]
fn keys_are_revoked_by_one_event() {
    for which in [WhichKeys::All, WhichKeys::Of(id(OTHER)), WhichKeys::These(vec![id(7), id(8)])] {
        let event = WorkspaceEvent::ApiKeysRevoked { which: which.clone(), reason: Some("lost".into()) };
        Given::with(()).given(with_owner()).when(revoke_keys(which)).then_expect_events(vec![event]);
    }
    Given::with(())
        .given(with_owner())
        .when(revoke_keys(WhichKeys::These(vec![])))
        .then_expect_events(vec![]);
}

#[test]
fn more_keys_than_one_event_lists_are_revoked_by_several_and_each_once() {
    let many: Vec<ApiKeyId> = (0..=2 * Workspace::KEYS_LISTED_MAX as u128).map(id).collect();
    let mut workspace = Workspace::default();
    for event in with_owner() {
        workspace.apply(event);
    }
    let events = workspace.decide(revoke_keys(WhichKeys::These(many.clone()))).unwrap();
    let listed = events.iter().flat_map(|event| match event {
        WorkspaceEvent::ApiKeysRevoked { which: WhichKeys::These(keys), .. } => keys.clone(),
        other => panic!("{other:?}"),
    });
    assert_eq!((events.len(), listed.collect::<Vec<_>>()), (3, many));
}

#[test]
fn erased_person_is_removed_although_they_are_the_last_owner_and_once() {
    let remove = || WorkspaceCommand::RemoveErased { user_id: id(OWNER) };
    let removed = WorkspaceEvent::MemberRemoved { user_id: id(OWNER) };
    let gone = [with_owner(), vec![removed.clone()]].concat();
    Given::with(()).given(with_owner()).when(remove()).then_expect_events(vec![removed]);
    Given::with(()).given(gone).when(remove()).then_expect_events(vec![]);
}

#[test]
fn epoch_rises_with_what_ends_in_bulk_and_with_nothing_else() {
    let mut workspace = Workspace::default();
    for event in
        [with_owner(), vec![added(OTHER, Role::Member), changed(OTHER, Role::Member, Role::Admin)]].concat()
    {
        workspace.apply(event);
    }
    assert_eq!(workspace.epoch(), Epoch::FIRST);
    workspace.apply(WorkspaceEvent::ApiKeysRevoked { which: WhichKeys::All, reason: None });
    workspace.apply(WorkspaceEvent::MemberRemoved { user_id: id(OTHER) });
    assert_eq!(workspace.epoch(), Epoch(2));
    assert!(workspace.ended().unwrap().membership(id(OTHER), Epoch(1)));
    assert_eq!(workspace.members().collect::<Vec<_>>(), [(id(OWNER), Role::Owner)]);
}
