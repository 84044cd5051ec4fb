//! What else is checked under the lock: where a stream stands, the time, budgets.

use chrono::{TimeDelta, TimeZone, Utc};
use tokio::task::JoinSet;
use tollbook_journal::{Append, BookClock, Budget, Expected, INSTANCE, Position, Refused, Settings};
use uuid::Uuid;

use crate::given::{append, call, control, event, expecting, stream};
use crate::home::{Home, on_both};
use crate::order::read_all;

on_both!(
    a_stream_is_begun_once,
    of_two_that_begin_a_stream_at_the_same_time_one_wins,
    a_writer_that_has_not_seen_the_last_control_event_is_refused,
    calls_do_not_move_a_stream,
    what_is_refused_writes_nothing_of_itself,
    the_moment_of_expiry_is_already_too_late,
    a_budget_is_exact_across_replicas,
    a_budget_is_not_spent_by_what_is_refused,
);

fn created(id: Uuid, expected: Expected) -> Append {
    expecting(append(INSTANCE, stream(id), control("session.created")), expected)
}

fn conflict(id: Uuid) -> Refused {
    Refused::Conflict { stream: format!("session/{id}") }
}

async fn a_stream_is_begun_once(home: Home) {
    let journal = home.journal().await;
    let id = Uuid::now_v7();
    journal.append(created(id, Expected::NoStream)).await.unwrap();
    assert_eq!(journal.append(created(id, Expected::NoStream)).await, Err(conflict(id)));
    let called = Uuid::now_v7();
    journal.append(append(INSTANCE, stream(called), event("session.tool_called"))).await.unwrap();
    assert_eq!(journal.append(created(called, Expected::NoStream)).await, Err(conflict(called)));
}

async fn of_two_that_begin_a_stream_at_the_same_time_one_wins(home: Home) {
    let (one, other) = (home.journal().await, home.replica().await);
    for _ in 0..20 {
        let id = Uuid::now_v7();
        let tries =
            [&one, &one, &other, &other].map(|journal| journal.append(created(id, Expected::NoStream)));
        let answers = futures::future::join_all(tries).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        assert!(answers.into_iter().filter_map(Result::err).all(|refused| refused == conflict(id)));
    }
    assert_eq!(read_all(&one).await.len(), 20);
}

async fn a_writer_that_has_not_seen_the_last_control_event_is_refused(home: Home) {
    let journal = home.journal().await;
    let id = Uuid::now_v7();
    let first = journal.append(created(id, Expected::NoStream)).await.unwrap().first;
    let second = journal.append(created(id, Expected::At(first))).await.unwrap().first;
    assert_eq!(journal.append(created(id, Expected::At(first))).await, Err(conflict(id)));
    journal.append(created(id, Expected::At(second))).await.unwrap();
    let absent = Uuid::now_v7();
    assert_eq!(journal.append(created(absent, Expected::At(first))).await, Err(conflict(absent)));
}

async fn calls_do_not_move_a_stream(home: Home) {
    let journal = home.journal().await;
    let id = Uuid::now_v7();
    let first = journal.append(created(id, Expected::NoStream)).await.unwrap().first;
    journal.append(append(INSTANCE, stream(id), event("session.tool_called"))).await.unwrap();
    journal.append(created(id, Expected::At(first))).await.unwrap();
}

async fn what_is_refused_writes_nothing_of_itself(home: Home) {
    let journal = home.journal().await;
    let id = Uuid::now_v7();
    journal.append(created(id, Expected::NoStream)).await.unwrap();
    let mut two = call(INSTANCE);
    two.writes.extend(created(id, Expected::NoStream).writes);
    assert_eq!(journal.append(two).await, Err(conflict(id)));
    assert_eq!(journal.head().await.unwrap().next, Position(1));
}

async fn the_moment_of_expiry_is_already_too_late(home: Home) {
    let noon = Utc.with_ymd_and_hms(2026, 11, 22, 12, 0, 0).unwrap();
    let settings = Settings { clock: BookClock::new(move || noon), ..Settings::default() };
    let journal = home.journal_with(settings).await;
    let now = journal.append(call(INSTANCE)).await.unwrap().recorded_at;
    if !home.is_postgres() {
        assert_eq!(now, noon);
    }
    let until = |moment| Append { not_after: Some(moment), ..call(INSTANCE) };
    assert_eq!(journal.append(until(now)).await, Err(Refused::Expired));
    journal.append(until(now + TimeDelta::minutes(1))).await.unwrap();
}

async fn a_budget_is_exact_across_replicas(home: Home) {
    let (one, other) = (home.journal().await, home.replica().await);
    let budget = Budget { session_id: Uuid::now_v7(), total: 100 };
    let mut calls = JoinSet::new();
    for n in 0..300 {
        let journal = if n % 2 == 0 { one.clone() } else { other.clone() };
        calls.spawn(async move { journal.append(Append { budget: Some(budget), ..call(INSTANCE) }).await });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 100);
    assert_eq!(answers.iter().filter(|answer| **answer == Err(Refused::Exhausted)).count(), 200);
    assert_eq!(read_all(&one).await.len(), 100);
}

async fn a_budget_is_not_spent_by_what_is_refused(home: Home) {
    let journal = home.journal().await;
    let budget = Some(Budget { session_id: Uuid::now_v7(), total: 1 });
    let past = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
    let expired = Append { budget, not_after: Some(past), ..call(INSTANCE) };
    assert_eq!(journal.append(expired).await, Err(Refused::Expired));
    journal.append(Append { budget, ..call(INSTANCE) }).await.unwrap();
    assert_eq!(journal.append(Append { budget, ..call(INSTANCE) }).await, Err(Refused::Exhausted));
}
