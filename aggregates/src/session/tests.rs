use cqrs_es::test::TestFramework;

use super::*;
use crate::Private;
use crate::sample::{hours, id, noon, verifier};

type Given = TestFramework<Session>;

fn grant() -> Grant {
    Grant {
        workspace_id: id(1),
        user_id: id(2),
        made_with: MadeWith::ApiKey(id(3)),
        loadout_id: id(4),
        loadout_version: 1,
        verifier: verifier(),
        expires_at: hours(8),
        max_calls: None,
        epoch: Epoch::FIRST,
    }
}

fn create(grant: Grant, label: Option<&str>) -> SessionCommand {
    SessionCommand::Create { grant, label: label.map(Private::from), at: noon() }
}

fn created() -> SessionEvent {
    SessionEvent::Created { grant: grant(), label: Some("nightly".into()) }
}

fn revoke() -> SessionCommand {
    SessionCommand::Revoke { reason: Some("done".into()) }
}

fn revoked() -> SessionEvent {
    SessionEvent::Revoked { reason: Some("done".into()) }
}

fn call() -> ToolCall {
    ToolCall {
        call_id: id(5),
        tool: "search".into(),
        jsonrpc_id: Some("7".into()),
        argument_bytes: 2,
        argument_digest: None,
        self_declared_client: None,
    }
}

fn completion() -> Completion {
    Completion { call_id: id(5), duration_ms: 12, response_bytes: 345 }
}

fn denied(reason: Denial) -> SessionEvent {
    SessionEvent::ToolDenied { call: call(), reason }
}

fn outcomes() -> Vec<(CallOutcome, SessionEvent)> {
    let code = || "upstream_unreachable".to_owned();
    let reason = || "stale".to_owned();
    vec![
        (
            CallOutcome::Completed { completion: completion(), tool_error: true },
            SessionEvent::ToolCallCompleted { completion: completion(), tool_error: true },
        ),
        (
            CallOutcome::Failed { completion: completion(), code: code(), error: "refused".into() },
            SessionEvent::ToolCallFailed { completion: completion(), code: code(), error: "refused".into() },
        ),
        (
            CallOutcome::Cancelled { completion: completion() },
            SessionEvent::ToolCallCancelled { completion: completion() },
        ),
        (
            CallOutcome::TimedOut { completion: completion() },
            SessionEvent::ToolCallTimedOut { completion: completion() },
        ),
        (
            CallOutcome::NotForwarded { call_id: id(5), reason: reason() },
            SessionEvent::ToolCallNotForwarded { call_id: id(5), reason: reason() },
        ),
        (CallOutcome::Unknown { call_id: id(5) }, SessionEvent::ToolCallOutcomeUnknown { call_id: id(5) }),
    ]
}

#[test]
fn session_is_made() {
    Given::with(())
        .given_no_previous_events()
        .when(create(grant(), Some("nightly")))
        .then_expect_events(vec![created()]);
}

#[test]
fn session_without_label_is_made() {
    Given::with(())
        .given_no_previous_events()
        .when(create(grant(), None))
        .then_expect_events(vec![SessionEvent::Created { grant: grant(), label: None }]);
}

#[test]
fn session_must_expire_in_the_future() {
    for expires_at in [hours(-1), noon()] {
        Given::with(())
            .given_no_previous_events()
            .when(create(Grant { expires_at, ..grant() }, None))
            .then_expect_error(SessionError::ExpiresInThePast);
    }
}

#[test]
fn session_must_permit_a_call() {
    Given::with(())
        .given_no_previous_events()
        .when(create(Grant { max_calls: Some(0), ..grant() }, None))
        .then_expect_error(SessionError::NoCalls);
}

#[test]
fn label_that_is_none_is_refused() {
    Given::with(())
        .given_no_previous_events()
        .when(create(grant(), Some("\n")))
        .then_expect_error(SessionError::Label);
}

#[test]
fn taken_id_is_refused_also_after_the_session_ended() {
    for history in [vec![created()], vec![created(), revoked()]] {
        Given::with(()).given(history).when(create(grant(), None)).then_expect_error(SessionError::Exists);
    }
}

#[test]
fn session_is_revoked() {
    Given::with(()).given(vec![created()]).when(revoke()).then_expect_events(vec![revoked()]);
}

#[test]
fn revoking_twice_is_harmless() {
    Given::with(()).given(vec![created(), revoked()]).when(revoke()).then_expect_events(vec![]);
}

#[test]
fn what_was_never_made_does_nothing() {
    let decision = || Err(Denial::NotFound);
    for command in [
        revoke(),
        SessionCommand::CallTool { call: call(), decision: decision() },
        SessionCommand::AuthorizeTool { call: call(), decision: decision() },
        SessionCommand::EndCall(CallOutcome::Unknown { call_id: id(5) }),
    ] {
        Given::with(()).given_no_previous_events().when(command).then_expect_error(SessionError::Absent);
    }
}

#[test]
fn denial_is_recorded_also_after_the_session_ended() {
    for history in [vec![created()], vec![created(), revoked()]] {
        Given::with(())
            .given(history.clone())
            .when(SessionCommand::CallTool { call: call(), decision: Err(Denial::NotInLoadout) })
            .then_expect_events(vec![denied(Denial::NotInLoadout)]);
        Given::with(())
            .given(history)
            .when(SessionCommand::AuthorizeTool { call: call(), decision: Err(Denial::SessionRevoked) })
            .then_expect_events(vec![denied(Denial::SessionRevoked)]);
    }
}

#[test]
fn every_outcome_is_recorded_also_after_the_session_ended() {
    for (outcome, event) in outcomes() {
        Given::with(())
            .given(vec![created(), revoked()])
            .when(SessionCommand::EndCall(outcome))
            .then_expect_events(vec![event]);
    }
}

#[test]
fn calls_leave_no_trace_in_the_state() {
    let mut session = Session::default();
    session.apply(created());
    let before = session.clone();
    for event in outcomes().into_iter().map(|(_, event)| event).chain([denied(Denial::NotInLoadout)]) {
        assert!(!event.control());
        session.apply(event);
        assert_eq!(session, before);
    }
}

#[test]
fn revoked_session_stays_known_and_never_comes_back() {
    let mut session = Session::default();
    assert_eq!(session.grant(), None);
    session.apply(revoked());
    assert_eq!(session, Session::Absent);
    session.apply(created());
    assert_eq!(session, Session::Open(grant()));
    for event in [revoked(), revoked(), created()] {
        session.apply(event);
        assert_eq!(session, Session::Revoked(grant()));
    }
    assert_eq!(session.grant(), Some(&grant()));
}
