use cqrs_es::test::TestFramework;

use super::*;
use crate::sample::id;

type Given = TestFramework<Token>;

fn holding() -> Holding {
    Holding { workspace_id: id(1), tool_server_id: id(2), owner: id(3), shared: false }
}

fn connection(version: u32) -> Connection {
    Connection { secret: secret(version), scopes: vec!["read".into()], expires_at: None }
}

fn secret(version: u32) -> SecretRef {
    SecretRef { secret_id: id(4), version }
}

fn requested() -> Vec<TokenEvent> {
    vec![TokenEvent::Requested(holding())]
}

fn connected() -> Vec<TokenEvent> {
    [requested(), vec![TokenEvent::Connected(connection(1))]].concat()
}

fn in_need() -> Vec<TokenEvent> {
    [connected(), vec![TokenEvent::NeedsReauthorization { error: "invalid_grant".into() }]].concat()
}

fn disconnected() -> Vec<TokenEvent> {
    [connected(), vec![TokenEvent::Disconnected {}]].concat()
}

fn refresh(consumed: u32) -> TokenCommand {
    TokenCommand::Refresh { consumed: secret(consumed), connection: connection(consumed + 1) }
}

fn fail() -> TokenCommand {
    TokenCommand::FailRefresh { error: "503".into() }
}

fn need() -> TokenCommand {
    TokenCommand::NeedReauthorization { error: "invalid_grant".into() }
}

#[test]
fn token_is_requested_once() {
    Given::with(())
        .given_no_previous_events()
        .when(TokenCommand::Request(holding()))
        .then_expect_events(requested());
    for history in [requested(), connected(), in_need(), disconnected()] {
        Given::with(())
            .given(history)
            .when(TokenCommand::Request(holding()))
            .then_expect_error(TokenError::Exists);
    }
}

#[test]
fn person_who_comes_back_connects_it_also_again() {
    for history in [requested(), connected(), in_need()] {
        Given::with(())
            .given(history)
            .when(TokenCommand::Connect(connection(2)))
            .then_expect_events(vec![TokenEvent::Connected(connection(2))]);
    }
}

#[test]
fn refresh_spends_the_current_version() {
    Given::with(())
        .given(connected())
        .when(refresh(1))
        .then_expect_events(vec![TokenEvent::Refreshed(connection(2))]);
    Given::with(())
        .given([connected(), vec![TokenEvent::Refreshed(connection(2))]].concat())
        .when(refresh(1))
        .then_expect_error(TokenError::Superseded);
}

#[test]
fn failed_refresh_leaves_it_connected() {
    let failed = TokenEvent::RefreshFailed { error: "503".into() };
    Given::with(()).given(connected()).when(fail()).then_expect_events(vec![failed.clone()]);
    let mut token = Token::default();
    for event in [connected(), vec![failed]].concat() {
        token.apply(event);
    }
    assert_eq!(token.connected(), Some((&holding(), &connection(1))));
}

#[test]
fn need_of_a_person_is_recorded_once() {
    let needs = TokenEvent::NeedsReauthorization { error: "invalid_grant".into() };
    Given::with(()).given(connected()).when(need()).then_expect_events(vec![needs]);
    Given::with(()).given(in_need()).when(need()).then_expect_events(vec![]);
}

#[test]
fn what_is_not_connected_cannot_be_refreshed() {
    for command in [refresh(1), fail(), need()] {
        Given::with(()).given(requested()).when(command).then_expect_error(TokenError::NotConnected);
    }
    for command in [refresh(1), fail()] {
        Given::with(()).given(in_need()).when(command).then_expect_error(TokenError::NotConnected);
    }
}

#[test]
fn token_is_given_back_once() {
    for history in [requested(), connected(), in_need()] {
        Given::with(())
            .given(history)
            .when(TokenCommand::Disconnect)
            .then_expect_events(vec![TokenEvent::Disconnected {}]);
    }
    Given::with(()).given(disconnected()).when(TokenCommand::Disconnect).then_expect_events(vec![]);
}

#[test]
fn disconnected_token_does_nothing_more() {
    for command in [TokenCommand::Connect(connection(2)), refresh(1), fail(), need()] {
        Given::with(()).given(disconnected()).when(command).then_expect_error(TokenError::Disconnected);
    }
}

#[test]
fn what_was_never_requested_does_nothing() {
    let connect = TokenCommand::Connect(connection(1));
    for command in [connect, refresh(1), fail(), need(), TokenCommand::Disconnect] {
        Given::with(()).given_no_previous_events().when(command).then_expect_error(TokenError::Absent);
    }
}

#[test]
fn need_without_connection_changes_nothing() {
    let needs = TokenEvent::NeedsReauthorization { error: "invalid_grant".into() };
    let mut token = Token::default();
    for event in [needs.clone(), TokenEvent::Requested(holding()), needs] {
        token.apply(event);
    }
    assert_eq!(token, Token::Requested(holding()));
}

#[test]
fn disconnected_token_never_comes_back() {
    let mut token = Token::default();
    for event in [disconnected(), connected(), in_need()].concat() {
        token.apply(event);
    }
    assert_eq!(token, Token::Disconnected(holding()));
    assert_eq!(token.connected(), None);
}
