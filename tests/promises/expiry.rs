//! Promise 2, by the clock: a session's expiry is checked under the append lock against the book's own
//! clock, so that a replica whose clock is slow permits nothing that has expired.

use chrono::{DateTime, TimeDelta, Utc};
use tollbook::app::App;
use tollbook::calls::CallRefused;
use tollbook::clock::Clock;
use tollbook_aggregates::SessionId;
use tollbook_aggregates::access::{Caller, Denial, Operation};
use tollbook_journal::Position;

use super::book;
use super::figures::print;
use super::tenant::{Made, TOOL, Tenant, ask, question, write};
use crate::house::TestHouse;

/// What a slow clock says.
fn slow() -> TimeDelta {
    TimeDelta::hours(-1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_with_a_slow_clock_permits_nothing_expired() {
    let house = TestHouse::postgres().await;
    let clock = Clock::default();
    clock.set_ahead(slow());
    let replica = house.replica(clock).await;
    nothing_expired_is_permitted(&replica.app, house.app.clock.now()).await;
    replica.stop().await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clock_permits_nothing_expired_on_sqlite() {
    let house = TestHouse::sqlite().await;
    let now = house.app.clock.now();
    // The book on SQLite has a clock of its own: the machine's.
    house.app.clock.set_ahead(slow());
    nothing_expired_is_permitted(&house.app, now).await;
    house.stop().await;
}

/// `app` believes that it is an hour earlier than `now`.
async fn nothing_expired_is_permitted(app: &std::sync::Arc<App>, now: DateTime<Utc>) {
    assert!(now - app.clock.now() > TimeDelta::minutes(59), "the clock is slow");
    let tenant = Tenant::found(app).await;
    let lives = tenant.session(app, now + TimeDelta::hours(1)).await;
    let expired = tenant.session(app, now - TimeDelta::minutes(5)).await;
    // The test is able to see a permit, and the replica believes that both sessions are in force.
    app.calls.authorize(&question(lives)).await.expect("a session in force permits");
    app.calls
        .check(Caller::Session(expired), expired, TOOL)
        .await
        .expect("by the slow clock it hasn't expired");

    for _ in 0..3 {
        let denied = app.calls.authorize(&question(expired)).await.map(|appended| appended.first);
        assert_expired(app, denied, Denial::SessionExpired).await;
        let denied = app.calls.decide(&question(expired)).await.map(|open| open.position());
        assert_expired(app, denied, Denial::SessionExpired).await;
    }
    assert!(permits(app, expired).await.is_empty(), "nothing was permitted");
}

/// The refusal says that it expired, and so does the book.
async fn assert_expired(app: &App, answer: Result<Position, CallRefused>, expected: Denial) {
    let Err(CallRefused::Denied { denial, position: Some(position) }) = answer else {
        panic!("not denied: {answer:?}")
    };
    assert_eq!(denial, expected);
    let recorded = app.journal.event(position).await.expect("the book can be read").expect("it is there");
    assert_eq!(recorded.event_type, "session.tool_denied");
    let reason = serde_json::to_value(expected).expect("it serializes");
    assert_eq!(book::payload(&recorded)["tool_denied"]["reason"], reason);
}

/// When each permit of the session was recorded.
async fn permits(app: &App, session: SessionId) -> Vec<DateTime<Utc>> {
    let session = session.to_string();
    let events = book::whole(&app.journal).await;
    let own =
        |event: &&tollbook_journal::Recorded| event.stream.aggregate_id == session && book::is_permit(event);
    events.iter().filter(own).map(|event| event.recorded_at).collect()
}

/// Calls run while the session expires: by the book's own times, none was permitted too late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_permit_is_recorded_at_or_after_the_moment_of_expiry() {
    let house = TestHouse::postgres().await;
    let clock = Clock::default();
    clock.set_ahead(slow());
    let replica = house.replica(clock).await;
    let app = &replica.app;
    let tenant = Tenant::found(app).await;
    let ends = house.app.clock.now() + TimeDelta::milliseconds(700);
    let session = tenant.session(app, ends).await;
    let callers = (0..8).map(|_| async move {
        loop {
            match app.calls.authorize(&question(session)).await {
                Ok(_) => {}
                Err(CallRefused::Denied { denial, .. }) => return denial,
                Err(other) => panic!("{other}"),
            }
        }
    });
    let denials = futures::future::join_all(callers).await;
    assert!(denials.iter().all(|denial| *denial == Denial::SessionExpired), "{denials:?}");
    let permits = permits(app, session).await;
    let last = permits.iter().max().expect("some calls came in time");
    assert!(*last < ends, "permitted at {last}, expired at {ends}");
    let left = (ends - *last).num_microseconds().unwrap_or_default();
    print("expiry", &[("permits", permits.len().to_string()), ("last before expiry", format!("{left} µs"))]);
    replica.stop().await;
    house.stop().await;
}

/// What ends with its key ends by the same clock: calls by it, sessions made with it, and commands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_key_does_nothing_at_a_replica_with_a_slow_clock() {
    let house = TestHouse::postgres().await;
    let clock = Clock::default();
    clock.set_ahead(slow());
    let replica = house.replica(clock).await;
    let app = &replica.app;
    let now = house.app.clock.now();
    let tenant = Tenant::found(app).await;
    let (key, session) = (Clock::fresh_id(), Clock::fresh_id());
    let expired = Some(now - TimeDelta::minutes(5));
    let made = Made { key, ..tenant.made(app) };
    let made = Made { expires_at: now + TimeDelta::hours(1), ..made };
    let drafts =
        vec![tenant.make_key(app, key, tenant.owner, expired), tenant.make_session(app, session, made)];
    write(app, drafts).await;

    let by_token = app.calls.authorize(&question(session)).await.map(|appended| appended.first);
    assert_expired(app, by_token, Denial::MakerCredentialExpired).await;
    let by_key = app.calls.authorize(&ask(session, Caller::ApiKey(key), TOOL)).await;
    let refused = matches!(by_key, Err(CallRefused::Credential(Denial::CredentialExpired)));
    assert!(refused, "an expired key calls nothing: {by_key:?}");
    assert!(permits(app, session).await.is_empty(), "nothing was permitted");

    let with_expired_key = Tenant { key, ..tenant.clone() };
    let other = tenant.session(app, now + TimeDelta::hours(1)).await;
    let revoked = with_expired_key.revoke_session(app, other).await;
    assert_eq!(revoked.expect_err("an expired key ends nothing").code, "credential.expired");
    let made = with_expired_key
        .command(app, Operation::ManageLoadouts, |_| Ok(tenant.make_loadout(Clock::fresh_id())));
    assert_eq!(made.await.expect_err("an expired key makes nothing").code, "credential.expired");
    replica.stop().await;
    house.stop().await;
}
