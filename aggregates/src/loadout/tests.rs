use cqrs_es::test::TestFramework;

use super::*;
use crate::sample::id;

type Given = TestFramework<Loadout>;

fn tool(name: &str, digest: &str) -> PinnedTool {
    PinnedTool { name: name.into(), tool_server_id: id(7), tool: name.into(), digest: digest.into() }
}

fn tools(names: &[&str]) -> Vec<PinnedTool> {
    names.iter().map(|name| tool(name, "sha256:1")).collect()
}

fn create(name: &str, tools: Vec<PinnedTool>) -> LoadoutCommand {
    LoadoutCommand::Create { workspace_id: id(1), name: name.into(), tools, definitions: "[]".into() }
}

fn change(tools: Vec<PinnedTool>) -> LoadoutCommand {
    LoadoutCommand::Change { tools, definitions: "[]".into() }
}

fn created(names: &[&str]) -> LoadoutEvent {
    LoadoutEvent::Created {
        workspace_id: id(1),
        tools: tools(names),
        name: "Research".into(),
        definitions: "[]".into(),
    }
}

fn version(version: u32, tools: Vec<PinnedTool>, dropped: &[&str]) -> LoadoutEvent {
    let dropped = dropped.iter().map(|name| (*name).to_owned()).collect();
    LoadoutEvent::VersionCreated { version, tools, dropped, definitions: "[]".into() }
}

#[test]
fn loadout_begins_with_its_first_version() {
    Given::with(())
        .given_no_previous_events()
        .when(create("Research", tools(&["search", "fetch"])))
        .then_expect_events(vec![created(&["search", "fetch"])]);
}

#[test]
fn malformed_selection_is_refused() {
    let many = (0..=Loadout::TOOLS_MAX).map(|number| tool(&number.to_string(), "sha256:1")).collect();
    for (tools, error) in [
        (vec![], LoadoutError::HowMany),
        (many, LoadoutError::HowMany),
        (tools(&["search", "search"]), LoadoutError::SameName),
    ] {
        Given::with(())
            .given_no_previous_events()
            .when(create("Research", tools.clone()))
            .then_expect_error(error);
        Given::with(()).given(vec![created(&["search"])]).when(change(tools)).then_expect_error(error);
    }
}

#[test]
fn name_that_is_none_is_refused() {
    Given::with(())
        .given_no_previous_events()
        .when(create(" ", tools(&["search"])))
        .then_expect_error(LoadoutError::Name);
}

#[test]
fn taken_id_is_refused_also_after_removal() {
    for history in [vec![created(&["search"])], vec![created(&["search"]), LoadoutEvent::Removed {}]] {
        Given::with(())
            .given(history)
            .when(create("Research", tools(&["search"])))
            .then_expect_error(LoadoutError::Exists);
    }
}

#[test]
fn next_version_counts_on_and_says_what_it_drops() {
    Given::with(())
        .given(vec![created(&["search", "fetch"])])
        .when(change(tools(&["search", "grep"])))
        .then_expect_events(vec![version(2, tools(&["search", "grep"]), &["fetch"])]);
    Given::with(())
        .given(vec![created(&["search"]), version(2, tools(&["grep"]), &["search"])])
        .when(change(tools(&["grep", "fetch"])))
        .then_expect_events(vec![version(3, tools(&["grep", "fetch"]), &[])]);
}

#[test]
fn tool_with_another_definition_counts_as_dropped() {
    let redefined = vec![tool("search", "sha256:2")];
    Given::with(())
        .given(vec![created(&["search"])])
        .when(change(redefined.clone()))
        .then_expect_events(vec![version(2, redefined, &["search"])]);
}

#[test]
fn only_a_version_that_drops_narrows() {
    assert!(version(2, tools(&["search"]), &["fetch"]).narrows());
    assert!(!version(2, tools(&["search"]), &[]).narrows());
}

#[test]
fn loadout_is_removed_once() {
    Given::with(())
        .given(vec![created(&["search"])])
        .when(LoadoutCommand::Remove)
        .then_expect_events(vec![LoadoutEvent::Removed {}]);
    Given::with(())
        .given(vec![created(&["search"]), LoadoutEvent::Removed {}])
        .when(LoadoutCommand::Remove)
        .then_expect_events(vec![]);
}

#[test]
fn removed_loadout_has_no_next_version() {
    Given::with(())
        .given(vec![created(&["search"]), LoadoutEvent::Removed {}])
        .when(change(tools(&["search"])))
        .then_expect_error(LoadoutError::Removed);
}

#[test]
fn what_was_never_made_can_be_neither_changed_nor_removed() {
    for command in [change(tools(&["search"])), LoadoutCommand::Remove] {
        Given::with(()).given_no_previous_events().when(command).then_expect_error(LoadoutError::Absent);
    }
}

#[test]
fn versions_stay_as_they_were_made() {
    let mut loadout = Loadout::default();
    assert_eq!((loadout.newest(), loadout.workspace_id()), (None, None));
    loadout.apply(version(2, tools(&["lost"]), &[]));
    assert_eq!(loadout, Loadout::Absent);
    for event in [
        created(&["search"]),
        version(2, tools(&["fetch"]), &["search"]),
        version(2, tools(&["other"]), &[]),
        created(&["other"]),
    ] {
        loadout.apply(event);
    }
    assert_eq!(loadout.newest(), Some(2));
    assert!(loadout.version(1).unwrap().tools.contains_key("search"));
    assert!(loadout.version(2).unwrap().tools.contains_key("fetch"));
}

#[test]
fn removed_loadout_never_comes_back() {
    let mut loadout = Loadout::default();
    for event in [created(&["search"]), LoadoutEvent::Removed {}, LoadoutEvent::Removed {}] {
        loadout.apply(event);
    }
    loadout.apply(created(&["search"]));
    loadout.apply(version(2, tools(&["search"]), &[]));
    assert_eq!(loadout, Loadout::Removed { workspace_id: id(1) });
    assert_eq!((loadout.version(1), loadout.newest()), (None, None));
    assert_eq!(loadout.workspace_id(), Some(id(1)));
}
