//! A request that is repeated is harmless.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use tollbook_journal::{Append, Database, INSTANCE, Idempotency, Position, Refused, Settings, StoredAnswer};

use crate::given::call;
use crate::home::{Home, on_both};
use crate::order::read_all;

on_both!(
    a_repeated_request_is_written_once,
    another_request_under_the_same_key_is_told_apart,
    of_two_replicas_at_the_same_moment_one_writes,
    an_answer_can_be_filled_in_later_and_then_stays,
    an_expired_key_is_as_good_as_new,
    a_refused_request_keeps_no_key,
    expired_keys_are_cleared_away_and_others_stay,
);

fn far() -> DateTime<Utc> {
    "2100-01-01T00:00:00Z".parse().unwrap()
}

fn past() -> DateTime<Utc> {
    "2020-01-01T00:00:00Z".parse().unwrap()
}

fn keyed(key: &str, request: u8, answer: Option<&[u8]>, expires_at: DateTime<Utc>) -> Append {
    let idempotency = Idempotency {
        scope: "caller POST /v1/things".into(),
        key: key.into(),
        request_hash: [request; 32],
        answer: answer.map(Into::into),
        expires_at,
    };
    Append { idempotency: Some(idempotency), ..call(INSTANCE) }
}

fn duplicate(same_request: bool, answer: Option<&[u8]>) -> Refused {
    Refused::Duplicate { position: Position(0), same_request, answer: answer.map(Into::into) }
}

async fn a_repeated_request_is_written_once(home: Home) {
    let journal = home.journal().await;
    journal.append(keyed("k", 1, Some(b"sealed"), far())).await.unwrap();
    let again = journal.append(keyed("k", 1, Some(b"other"), far())).await;
    assert_eq!(again, Err(duplicate(true, Some(b"sealed"))));
    journal.append(keyed("another", 1, None, far())).await.unwrap();
    assert_eq!(read_all(&journal).await.len(), 2);
}

async fn another_request_under_the_same_key_is_told_apart(home: Home) {
    let journal = home.journal().await;
    journal.append(keyed("k", 1, None, far())).await.unwrap();
    assert_eq!(journal.append(keyed("k", 2, None, far())).await, Err(duplicate(false, None)));
}

async fn of_two_replicas_at_the_same_moment_one_writes(home: Home) {
    let (one, other) = (home.journal().await, home.replica().await);
    for n in 0..20 {
        let key = format!("k{n}");
        let tries = [&one, &other, &one, &other].map(|journal| journal.append(keyed(&key, 1, None, far())));
        let answers = futures::future::join_all(tries).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        let position = Position(n);
        let repeated = Refused::Duplicate { position, same_request: true, answer: None };
        assert!(answers.into_iter().filter_map(Result::err).all(|refused| refused == repeated));
    }
    assert_eq!(read_all(&one).await.len(), 20);
}

async fn an_answer_can_be_filled_in_later_and_then_stays(home: Home) {
    let journal = home.journal().await;
    let scope = "caller POST /v1/things";
    assert_eq!(journal.idempotent(scope, "k").await.unwrap(), None);
    journal.append(keyed("k", 1, None, far())).await.unwrap();
    let stored = |answer: Option<&[u8]>| {
        Some(StoredAnswer { request_hash: [1; 32], position: Position(0), answer: answer.map(Into::into) })
    };
    assert_eq!(journal.idempotent(scope, "k").await.unwrap(), stored(None));
    journal.complete_idempotent(scope, "k", b"sealed".to_vec()).await.unwrap();
    journal.complete_idempotent(scope, "k", b"too late".to_vec()).await.unwrap();
    assert_eq!(journal.idempotent(scope, "k").await.unwrap(), stored(Some(b"sealed")));
    let again = journal.append(keyed("k", 1, None, far())).await;
    assert_eq!(again, Err(duplicate(true, Some(b"sealed"))));
}

async fn an_expired_key_is_as_good_as_new(home: Home) {
    let journal = home.journal().await;
    journal.append(keyed("k", 1, Some(b"old"), past())).await.unwrap();
    assert_eq!(journal.idempotent("caller POST /v1/things", "k").await.unwrap(), None);
    journal.append(keyed("k", 2, Some(b"new"), far())).await.unwrap();
    let again = journal.append(keyed("k", 2, None, far())).await;
    let position = Position(1);
    assert_eq!(again, Err(Refused::Duplicate { position, same_request: true, answer: Some(b"new".into()) }));
}

async fn a_refused_request_keeps_no_key(home: Home) {
    let journal = home.journal().await;
    let refused = Append { not_after: Some(past()), ..keyed("k", 1, None, far()) };
    assert_eq!(journal.append(refused).await, Err(Refused::Expired));
    journal.append(keyed("k", 1, None, far())).await.unwrap();
}

async fn keys(home: &Home) -> i64 {
    let sql = "SELECT count(*) FROM idempotency";
    match &home.database {
        Database::Postgres(pool) => sqlx::query(sql).fetch_one(pool).await.unwrap().get(0),
        Database::Sqlite(book) => sqlx::query(sql).fetch_one(&book.readers).await.unwrap().get(0),
    }
}

/// More of them than are cleared away at once.
async fn expired_keys_are_cleared_away_and_others_stay(home: Home) {
    let sql = if home.is_postgres() {
        "INSERT INTO idempotency SELECT 's', 'k' || n, '\\x00', n, NULL, now() - interval '1 minute'
         FROM generate_series(1, 1300) n"
    } else {
        "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1300)
         INSERT INTO idempotency SELECT 's', 'k' || n, x'00', n, NULL, 1 FROM s"
    };
    home.sql(sql).await.unwrap();
    let settings = Settings { forget: Duration::from_millis(10), ..Settings::default() };
    let journal = home.journal_with(settings).await;
    journal.append(keyed("k", 1, None, far())).await.unwrap();
    while keys(&home).await > 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let again = journal.append(keyed("k", 1, None, far())).await;
    assert_eq!(again, Err(duplicate(true, None)));
}
