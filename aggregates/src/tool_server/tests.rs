use cqrs_es::test::TestFramework;

use super::*;
use crate::sample::id;

type Given = TestFramework<ToolServer>;

fn register(name: &str) -> ToolServerCommand {
    ToolServerCommand::Register {
        workspace_id: id(1),
        name: name.into(),
        url: "https://tools.example/mcp".into(),
        authorization: Authorization::None,
    }
}

fn registered() -> ToolServerEvent {
    ToolServerEvent::Registered {
        workspace_id: id(1),
        authorization: Authorization::None,
        name: "Wiki".into(),
        url: "https://tools.example/mcp".into(),
    }
}

fn tools(digests: &[(&str, &str)]) -> Vec<KnownTool> {
    digests
        .iter()
        .map(|(name, digest)| KnownTool { name: (*name).into(), digest: (*digest).into() })
        .collect()
}

fn refresh(digests: &[(&str, &str)]) -> ToolServerCommand {
    ToolServerCommand::RefreshTools { tools: tools(digests), definitions: "[]".into() }
}

fn refreshed(digests: &[(&str, &str)], changed: &[&str]) -> ToolServerEvent {
    ToolServerEvent::ToolsRefreshed {
        tools: tools(digests),
        changed: changed.iter().map(|name| (*name).to_owned()).collect(),
        definitions: "[]".into(),
    }
}

#[test]
fn server_is_taken_in() {
    Given::with(()).given_no_previous_events().when(register("Wiki")).then_expect_events(vec![registered()]);
}

#[test]
fn name_that_is_none_is_refused() {
    Given::with(()).given_no_previous_events().when(register("")).then_expect_error(ToolServerError::Name);
    Given::with(())
        .given(vec![registered()])
        .when(ToolServerCommand::Rename { name: "\u{7}".into() })
        .then_expect_error(ToolServerError::Name);
}

#[test]
fn taken_id_is_refused_also_after_removal() {
    for history in [vec![registered()], vec![registered(), ToolServerEvent::Removed {}]] {
        Given::with(()).given(history).when(register("Wiki")).then_expect_error(ToolServerError::Exists);
    }
}

#[test]
fn renaming_is_recorded_and_changes_no_decision() {
    let renamed = ToolServerEvent::Renamed { name: "Docs".into() };
    assert!(!renamed.control());
    Given::with(())
        .given(vec![registered()])
        .when(ToolServerCommand::Rename { name: "Docs".into() })
        .then_expect_events(vec![renamed]);
}

#[test]
fn first_tools_change_none() {
    Given::with(())
        .given(vec![registered()])
        .when(refresh(&[("search", "1")]))
        .then_expect_events(vec![refreshed(&[("search", "1")], &[])]);
}

#[test]
fn same_tools_in_whatever_order_are_no_news() {
    Given::with(())
        .given(vec![registered(), refreshed(&[("fetch", "1"), ("search", "1")], &[])])
        .when(refresh(&[("search", "1"), ("fetch", "1")]))
        .then_expect_events(vec![]);
}

#[test]
fn tools_that_went_or_are_defined_differently_are_named() {
    let now = [("search", "2"), ("new", "1"), ("stays", "1")];
    Given::with(())
        .given(vec![registered(), refreshed(&[("gone", "1"), ("search", "1"), ("stays", "1")], &[])])
        .when(refresh(&now))
        .then_expect_events(vec![refreshed(&now, &["gone", "search"])]);
}

#[test]
fn only_a_refresh_that_changes_tools_narrows() {
    assert!(refreshed(&[], &["gone"]).narrows());
    assert!(!refreshed(&[("new", "1")], &[]).narrows());
}

#[test]
fn server_that_lists_a_tool_twice_is_refused() {
    Given::with(())
        .given(vec![registered()])
        .when(refresh(&[("search", "1"), ("search", "2")]))
        .then_expect_error(ToolServerError::TwiceTheSameTool);
}

#[test]
fn server_is_removed_once() {
    Given::with(())
        .given(vec![registered()])
        .when(ToolServerCommand::Remove)
        .then_expect_events(vec![ToolServerEvent::Removed {}]);
    Given::with(())
        .given(vec![registered(), ToolServerEvent::Removed {}])
        .when(ToolServerCommand::Remove)
        .then_expect_events(vec![]);
}

#[test]
fn removed_server_does_nothing_more() {
    for command in [refresh(&[]), ToolServerCommand::Rename { name: "Docs".into() }] {
        Given::with(())
            .given(vec![registered(), ToolServerEvent::Removed {}])
            .when(command)
            .then_expect_error(ToolServerError::Removed);
    }
}

#[test]
fn what_was_never_registered_does_nothing() {
    let rename = ToolServerCommand::Rename { name: "Docs".into() };
    for command in [refresh(&[]), rename, ToolServerCommand::Remove] {
        Given::with(()).given_no_previous_events().when(command).then_expect_error(ToolServerError::Absent);
    }
}

#[test]
fn state_holds_the_newest_digests_and_ends_for_good() {
    let mut server = ToolServer::default();
    assert_eq!((server.registration(), server.workspace_id()), (None, None));
    server.apply(refreshed(&[("lost", "1")], &[]));
    assert_eq!(server, ToolServer::Absent);
    for event in [registered(), refreshed(&[("a", "1")], &[]), refreshed(&[("b", "2")], &["a"]), registered()]
    {
        server.apply(event);
    }
    assert_eq!(server.registration().unwrap().tools, [("b".to_owned(), "2".to_owned())].into());
    for event in [ToolServerEvent::Removed {}, registered(), refreshed(&[("a", "1")], &[])] {
        server.apply(event);
    }
    assert_eq!(server, ToolServer::Removed(id(1)));
    assert_eq!((server.registration(), server.workspace_id()), (None, Some(id(1))));
}
