//! Nothing is written behind what took it away.

use tokio::task::JoinHandle;
use tollbook_journal::{Append, Appended, INSTANCE, Journal, Position, Refused};
use uuid::Uuid;

use crate::given::{append, call, control, fenced, narrowing, revocation, stream};
use crate::home::{Home, on_both};

on_both!(
    a_revocation_in_the_workspace_makes_what_was_decided_before_it_stale,
    a_revocation_of_the_instance_reaches_every_workspace,
    a_revocation_in_another_workspace_does_not_matter,
    a_grant_does_not_matter,
    a_call_is_refused_in_the_same_burst_behind_its_revocation,
    a_call_is_written_in_the_same_burst_ahead_of_its_revocation,
    every_workspace_of_an_append_is_fenced,
    what_knows_more_than_the_book_is_refused,
);

async fn next(journal: &Journal) -> Position {
    journal.head().await.unwrap().next
}

async fn a_revocation_in_the_workspace_makes_what_was_decided_before_it_stale(home: Home) {
    let journal = home.journal().await;
    let workspace = Uuid::now_v7();
    journal.append(call(workspace)).await.unwrap();
    let fence = next(&journal).await;
    let revoked = journal.append(revocation(workspace)).await.unwrap().first;
    assert_eq!(revoked, fence);
    let stale = journal.append(fenced(call(workspace), fence)).await;
    assert_eq!(stale, Err(Refused::Stale { position: revoked }));
    // Who has seen the revocation may go on.
    journal.append(fenced(call(workspace), revoked.next())).await.unwrap();
}

async fn a_revocation_of_the_instance_reaches_every_workspace(home: Home) {
    let journal = home.journal().await;
    let fence = next(&journal).await;
    let revoked = journal.append(revocation(INSTANCE)).await.unwrap().first;
    let stale = journal.append(fenced(call(Uuid::now_v7()), fence)).await;
    assert_eq!(stale, Err(Refused::Stale { position: revoked }));
}

async fn a_revocation_in_another_workspace_does_not_matter(home: Home) {
    let journal = home.journal().await;
    let fence = next(&journal).await;
    journal.append(revocation(Uuid::now_v7())).await.unwrap();
    journal.append(fenced(call(Uuid::now_v7()), fence)).await.unwrap();
    journal.append(fenced(call(INSTANCE), fence)).await.unwrap();
}

async fn a_grant_does_not_matter(home: Home) {
    let journal = home.journal().await;
    let workspace = Uuid::now_v7();
    let fence = next(&journal).await;
    journal.append(append(workspace, stream(Uuid::now_v7()), control("session.created"))).await.unwrap();
    journal.append(fenced(call(workspace), fence)).await.unwrap();
}

/// Appends at once, in this order, so that they wait together and are written together.
async fn burst(home: &Home, journal: &Journal, appends: Vec<Append>) -> Vec<Result<Appended, Refused>> {
    let lock = home.hold_lock().await;
    let mut tasks: Vec<JoinHandle<_>> = Vec::new();
    for append in appends {
        let before = journal.clone();
        tasks.push(tokio::spawn(async move { before.append(append).await }));
        // A task that was spawned later may be queued earlier; one after the other, they aren't.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    lock.release().await;
    futures::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}

async fn a_call_is_refused_in_the_same_burst_behind_its_revocation(home: Home) {
    let journal = home.journal().await;
    let workspace = Uuid::now_v7();
    let fence = next(&journal).await;
    let others = call(Uuid::now_v7());
    let appends = vec![others, revocation(workspace), fenced(call(workspace), fence)];
    let answers = burst(&home, &journal, appends).await;
    assert_eq!(answers[1].as_ref().unwrap().first, Position(1));
    assert_eq!(answers[2], Err(Refused::Stale { position: Position(1) }));
}

async fn a_call_is_written_in_the_same_burst_ahead_of_its_revocation(home: Home) {
    let journal = home.journal().await;
    let workspace = Uuid::now_v7();
    let fence = next(&journal).await;
    let appends = vec![call(workspace), fenced(call(workspace), fence), revocation(workspace)];
    let answers = burst(&home, &journal, appends).await;
    let positions: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().first.0).collect();
    assert_eq!(positions, [0, 1, 2]);
}

async fn every_workspace_of_an_append_is_fenced(home: Home) {
    let journal = home.journal().await;
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    let fence = next(&journal).await;
    journal.append(append(other, stream(Uuid::now_v7()), narrowing("member.removed"))).await.unwrap();
    let mut both = call(one);
    both.writes.extend(call(other).writes);
    assert!(matches!(journal.append(fenced(both, fence)).await, Err(Refused::Stale { .. })));
}

async fn what_knows_more_than_the_book_is_refused(home: Home) {
    let journal = home.journal().await;
    let refused = journal.append(fenced(call(INSTANCE), Position(7))).await;
    assert!(matches!(refused, Err(Refused::Unavailable { .. })), "{refused:?}");
    assert_eq!(next(&journal).await, Position(0));
}
