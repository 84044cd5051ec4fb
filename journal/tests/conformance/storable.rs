//! What can't be stored fails alone.

use tollbook_journal::{Append, Body, INSTANCE, Position, Refused, SealedField};
use uuid::Uuid;

use crate::given::call;
use crate::home::{Home, on_both};
use crate::order::read_all;

on_both!(
    what_is_malformed_is_refused_before_it_is_queued,
    a_null_character_is_refused_however_it_is_written,
    an_escaped_backslash_before_u0000_is_no_null_character,
    one_bad_item_does_not_fail_those_beside_it,
    sealed_fields_are_kept_beside_the_event,
);

fn with_payload(payload: &str) -> Append {
    let mut append = call(INSTANCE);
    append.writes[0].events[0].payload = payload.into();
    append
}

fn sealed(field: &'static str, byte: u8) -> SealedField {
    SealedField {
        field: field.into(),
        commitment: [byte; 32],
        key_id: Uuid::from_u128(byte.into()),
        ciphertext: vec![byte; 40],
    }
}

async fn what_is_malformed_is_refused_before_it_is_queued(home: Home) {
    let journal = home.journal().await;
    let mut spaced = call(INSTANCE);
    spaced.writes[0].stream.aggregate_id = "two words".into();
    let mut empty = call(INSTANCE);
    empty.writes.clear();
    let mut narrowing = call(INSTANCE);
    narrowing.writes[0].events[0].narrows = true;
    let long = with_payload(&format!("\"{}\"", "x".repeat(9 << 20)));
    for bad in [with_payload("{"), with_payload(""), with_payload("1e999"), spaced, empty, narrowing, long] {
        let refused = journal.append(bad).await;
        assert!(matches!(refused, Err(Refused::Invalid(_))), "{refused:?}");
    }
    assert_eq!(journal.head().await.unwrap().next, Position(0));
}

async fn a_null_character_is_refused_however_it_is_written(home: Home) {
    let journal = home.journal().await;
    for bad in [r#"{"a":"\u0000"}"#, r#"{"a\u0000":1}"#, r#"["\\\u0000"]"#, "\"\0\""] {
        let refused = journal.append(with_payload(bad)).await;
        assert!(matches!(refused, Err(Refused::Invalid(_))), "{bad}: {refused:?}");
    }
}

async fn an_escaped_backslash_before_u0000_is_no_null_character(home: Home) {
    let journal = home.journal().await;
    journal.append(with_payload(r#"{"a":"\\u0000"}"#)).await.unwrap();
    assert_eq!(journal.event(Position(0)).await.unwrap().unwrap().payload, r#"{"a":"\\u0000"}"#);
}

async fn one_bad_item_does_not_fail_those_beside_it(home: Home) {
    let journal = home.journal().await;
    let lock = home.hold_lock().await;
    let tasks: Vec<_> = (0..10)
        .map(|n| {
            let journal = journal.clone();
            let mut append = call(INSTANCE);
            if n == 6 {
                // Two bodies with one name: only the database can see that.
                append.writes[0].events[0].sealed = vec![sealed("name", 1), sealed("name", 2)];
            }
            tokio::spawn(async move { journal.append(append).await })
        })
        .collect();
    lock.release().await;
    let answers: Vec<_> = futures::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 9, "{answers:?}");
    assert!(matches!(answers[6], Err(Refused::Invalid(_))));
    assert_eq!(read_all(&journal).await.len(), 9);
}

async fn sealed_fields_are_kept_beside_the_event(home: Home) {
    let journal = home.journal().await;
    let mut append = call(INSTANCE);
    append.writes[0].events[0].sealed = vec![sealed("zebra", 1), sealed("address", 2)];
    let id = append.writes[0].events[0].event_id;
    journal.append(append).await.unwrap();
    let event = journal.event(Position(0)).await.unwrap().unwrap();
    assert_eq!(event.commitments, [("zebra".to_owned(), [1; 32]), ("address".to_owned(), [2; 32])]);
    let body = |field: &str, byte: u8| Body {
        event_id: id,
        field: field.into(),
        key_id: Uuid::from_u128(byte.into()),
        ciphertext: vec![byte; 40],
    };
    let bodies = journal.bodies(&[id, Uuid::nil()]).await.unwrap();
    assert_eq!(bodies, [body("address", 2), body("zebra", 1)]);
    // Erased, the event still stands and says the same.
    home.sql("DELETE FROM event_bodies").await.unwrap();
    assert_eq!(journal.bodies(&[id]).await.unwrap(), []);
    assert_eq!(journal.event(Position(0)).await.unwrap().unwrap(), event);
}
