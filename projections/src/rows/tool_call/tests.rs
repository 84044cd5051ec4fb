use tollbook_aggregates::EnforcedBy;

use super::*;
use crate::rows::given::{Then, given, id, time};

const SESSION: u128 = 1;

fn call() -> ToolCall {
    ToolCall {
        call_id: id(5),
        tool: "wiki_search".into(),
        jsonrpc_id: None,
        argument_bytes: 34,
        argument_digest: None,
        self_declared_client: None,
    }
}

fn route() -> Route {
    Route { tool_server_id: id(6), upstream_tool: "search".into(), loadout_version: 1 }
}

fn completion() -> Completion {
    Completion { call_id: id(5), duration_ms: 12, response_bytes: 345 }
}

fn called() -> SessionEvent {
    SessionEvent::ToolCalled { call: call(), route: route() }
}

fn completed() -> SessionEvent {
    SessionEvent::ToolCallCompleted { completion: completion(), tool_error: true }
}

fn unknown() -> SessionEvent {
    SessionEvent::ToolCallOutcomeUnknown { call_id: id(5) }
}

fn history<const N: usize>(events: [SessionEvent; N]) -> Then<ToolCalls> {
    given(events.map(|event| (SESSION, Event::Session(event))))
}

#[test]
fn permit_waits_for_its_outcome() {
    let rows = history([called()]);
    let user = format!("user:{}", id::<CallId>(77));
    let row = ToolCallRow {
        call_id: id(5),
        session_id: id(SESSION),
        actor: Some(user.clone()),
        credential: Some(user.replace("user", "api_key")),
        tool: "wiki_search".into(),
        tool_server_id: Some(id(6)),
        upstream_tool: Some("search".into()),
        decision: Decision::Permit,
        reason: None,
        decided_at: time(0),
        argument_bytes: 34,
        outcome: None,
        code: None,
        tool_error: false,
        ended_at: None,
        duration_ms: None,
        response_bytes: None,
        position: Position(0),
    };
    assert_eq!(rows.only(), &row);
}

#[test]
fn permit_is_paired_with_its_outcome() {
    let rows = history([called(), completed()]);
    let row = rows.only();
    assert_eq!((row.outcome, row.tool_error), (Some(Outcome::Completed), true));
    assert_eq!((row.duration_ms, row.response_bytes), (Some(12), Some(345)));
    assert_eq!((row.decided_at, row.ended_at, row.position), (time(0), Some(time(1)), Position(1)));
    let (session, server) = (id::<SessionId>(SESSION), id::<SessionId>(6));
    let terms = [
        "decision:permit".to_owned(),
        "outcome:completed".into(),
        format!("session:{session}"),
        "tool:wiki_search".into(),
        format!("tool_server:{server}"),
    ];
    assert_eq!(rows.terms(), terms);
}

#[test]
fn denial_says_why_and_has_no_outcome() {
    let rows = history([SessionEvent::ToolDenied { call: call(), reason: Denial::NotInLoadout }]);
    let row = rows.only();
    assert_eq!((row.decision, row.reason), (Decision::Deny, Some(Denial::NotInLoadout)));
    assert_eq!((row.tool_server_id, row.outcome), (None, None));
}

#[test]
fn authorization_is_told_apart_from_a_call() {
    let enforced_by = EnforcedBy::External;
    let rows = history([SessionEvent::ToolAuthorized { call: call(), route: route(), enforced_by }]);
    assert_eq!((rows.only().decision, rows.only().outcome), (Decision::Authorize, None));
}

#[test]
fn every_outcome_is_told() {
    let code = || "upstream_unreachable".to_owned();
    let failed = SessionEvent::ToolCallFailed { completion: completion(), code: code(), error: "x".into() };
    let not_forwarded = SessionEvent::ToolCallNotForwarded { call_id: id(5), reason: "too_late".into() };
    for (event, outcome, code) in [
        (failed, Outcome::Failed, Some(code())),
        (SessionEvent::ToolCallCancelled { completion: completion() }, Outcome::Cancelled, None),
        (SessionEvent::ToolCallTimedOut { completion: completion() }, Outcome::TimedOut, None),
        (not_forwarded, Outcome::NotForwarded, Some("too_late".into())),
        (unknown(), Outcome::Unknown, None),
    ] {
        let rows = history([called(), event]);
        assert_eq!((rows.only().outcome, rows.only().code.clone()), (Some(outcome), code));
        assert!(rows.terms().contains(&format!("outcome:{}", outcome.as_str())));
    }
}

#[test]
fn late_word_replaces_unknown_and_nothing_else() {
    let late = history([called(), unknown(), completed()]);
    assert_eq!(late.only().outcome, Some(Outcome::Completed));
    assert_eq!(late.terms().iter().filter(|term| term.starts_with("outcome:")).count(), 1);
    let given_up_late = history([called(), completed(), unknown()]);
    assert_eq!(
        (given_up_late.only().outcome, given_up_late.only().duration_ms),
        (Some(Outcome::Completed), Some(12))
    );
}

#[test]
fn outcome_without_a_decision_is_a_misfit() {
    history([completed()]).then_expect_misfit_at(0);
}

#[test]
fn words_are_those_of_the_json() {
    for outcome in [
        Outcome::Completed,
        Outcome::Failed,
        Outcome::Cancelled,
        Outcome::TimedOut,
        Outcome::NotForwarded,
        Outcome::Unknown,
    ] {
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
    }
    for decision in [Decision::Permit, Decision::Authorize, Decision::Deny] {
        assert_eq!(serde_json::to_value(decision).unwrap(), decision.as_str());
    }
}
