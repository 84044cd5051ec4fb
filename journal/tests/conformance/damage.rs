//! What was written stays, and what was damaged all the same is noticed.

use tollbook_journal::{Filter, INSTANCE, Journal, Position, ReadError};

use crate::given::{call, positions};
use crate::home::{Home, on_both};

on_both!(
    a_missing_event_is_an_error_that_names_its_position,
    a_missing_event_at_a_page_border_is_found,
    a_missing_event_is_found_though_others_were_asked_for,
    an_undecodable_event_is_an_error_that_names_its_position,
    events_are_neither_changed_nor_removed,
);

async fn five_calls(home: &Home) -> Journal {
    let journal = home.journal().await;
    for _ in 0..5 {
        journal.append(call(INSTANCE)).await.unwrap();
    }
    journal
}

async fn a_missing_event_is_an_error_that_names_its_position(home: Home) {
    let journal = five_calls(&home).await;
    home.tamper("DELETE FROM events WHERE position = 2").await;
    let all = Filter::default();
    let hole = journal.read(Position(0), 10, &all).await.unwrap_err();
    assert!(matches!(hole, ReadError::Hole(Position(2))), "{hole}");
    // Around it the book can be read.
    assert_eq!(positions(&journal.read(Position(0), 2, &all).await.unwrap().events), [0, 1]);
    assert_eq!(positions(&journal.read(Position(3), 10, &all).await.unwrap().events), [3, 4]);
}

async fn a_missing_event_at_a_page_border_is_found(home: Home) {
    let journal = five_calls(&home).await;
    home.tamper("DELETE FROM events WHERE position IN (0, 3)").await;
    for from in [0, 3] {
        let hole = journal.read(Position(from), 1, &Filter::default()).await.unwrap_err();
        assert!(matches!(hole, ReadError::Hole(Position(at)) if at == from), "{hole}");
    }
}

async fn a_missing_event_is_found_though_others_were_asked_for(home: Home) {
    let journal = five_calls(&home).await;
    home.tamper("DELETE FROM events WHERE position = 2").await;
    let revoked = Filter { event_types: Some(&["session.revoked"]), ..Filter::default() };
    let hole = journal.read(Position(0), 10, &revoked).await.unwrap_err();
    assert!(matches!(hole, ReadError::Hole(Position(2))), "{hole}");
    assert_eq!(journal.read(Position(3), 10, &revoked).await.unwrap().next, Position(5));
}

async fn an_undecodable_event_is_an_error_that_names_its_position(home: Home) {
    let journal = five_calls(&home).await;
    home.tamper(r#"UPDATE events SET commitments = '[["field","no hex"]]' WHERE position = 3"#).await;
    let error = journal.read(Position(0), 10, &Filter::default()).await.unwrap_err();
    assert!(matches!(error, ReadError::Undecodable { position: Position(3), .. }), "{error}");
    assert!(journal.event(Position(3)).await.is_err());
    assert!(journal.event(Position(2)).await.unwrap().is_some());
}

async fn events_are_neither_changed_nor_removed(home: Home) {
    let journal = five_calls(&home).await;
    let mut tries = vec![
        "UPDATE events SET event_type = 'x' WHERE position = 1".to_owned(),
        "DELETE FROM events WHERE position = 1".to_owned(),
        "DELETE FROM events WHERE false OR position > 100".to_owned(),
    ];
    if home.is_postgres() {
        for table in ["events", "events_p000000", "events_p000002"] {
            let changes = [
                format!("UPDATE {table} SET control = true"),
                format!("DELETE FROM {table}"),
                format!("TRUNCATE {table}"),
            ];
            tries.extend(
                changes.iter().map(|change| format!("SET session_replication_role = replica; {change}")),
            );
            tries.extend(changes);
        }
    } else {
        // No row, no trigger: SQLite has triggers on rows only.
        tries.retain(|sql| !sql.contains("100"));
        let columns =
            "position, event_id, aggregate_type, aggregate_id, event_type, event_version, payload, metadata,
            workspace_id, workspace_sequence, control, narrows, commitments, recorded_at";
        tries
            .push(format!("REPLACE INTO events ({columns}) SELECT {columns} FROM events WHERE position = 1"));
    }
    for sql in tries {
        let refused = home.sql(&sql).await.expect_err(&sql).to_string();
        assert!(refused.contains("refused") || refused.contains("written once"), "{sql}: {refused}");
    }
    assert_eq!(journal.read(Position(0), 10, &Filter::default()).await.unwrap().events.len(), 5);
}
