//! A rebuild makes the same, beside what is read, and takes its place in one step.

use std::time::Duration;

use tollbook_journal::INSTANCE;
use tollbook_projections::{Pace, Projector, RebuildError, Rebuilder, ViewError, standard};
use uuid::Uuid;

use crate::home::{Home, Running, wait_until};
use crate::on_both;
use crate::story::Story;
use crate::tables::{all, assert_equal_a_fresh_fold, build_of, left_over, run, stored, version};
use crate::toy::{Count, CountRow, NewerCount, Picky, counting, newer_counting, with_users};

on_both! {
    rebuild_makes_the_same_and_leaves_nothing_behind
    rebuild_mends_what_was_wrong
    reads_and_folding_go_on_during_a_rebuild
    killed_rebuild_goes_on_where_it_stood
    two_rebuilds_at_once_are_one
    rebuild_that_cannot_go_on_leaves_what_is_read
    newer_code_builds_anew_by_itself
    unknown_projection_is_not_rebuilt
}

fn rebuilder(home: &Home) -> Rebuilder {
    let mut models = standard();
    models.extend(counting());
    Projector::new(&home.views, models, Pace::default(), Uuid::nil()).rebuilder()
}

async fn rebuild_makes_the_same_and_leaves_nothing_behind(home: &Home) {
    home.write_together(&Story::new(1).tell(3000)).await;
    home.caught_up(standard).await;
    let before = stored(&home.database).await;
    for model in standard() {
        let rebuilt = rebuilder(home).rebuild(model.name()).await.unwrap();
        assert_eq!(rebuilt.version, version(model.version(), 1));
    }
    assert!(stored(&home.database).await == before);
    assert_eq!(left_over(&home.database).await, 0);
    let versions: Vec<(i32,)> = all(&home.database, "SELECT version FROM projection_checkpoints").await;
    assert!(versions.iter().all(|(version,)| version % 10_000 == 1), "{versions:?}");
    // And what comes is folded into the new ones.
    home.write_together(&Story::new(2).tell(300)).await;
    home.caught_up(standard).await;
    assert_equal_a_fresh_fold(&home.database, &home.journal).await;
}

async fn rebuild_mends_what_was_wrong(home: &Home) {
    home.write_together(&Story::new(1).tell(500)).await;
    home.caught_up(standard).await;
    for (table, name) in [("projection_rows", "session"), ("projection_postings", "audit_search")] {
        run(&home.database, &format!("DELETE FROM {table} WHERE build = {}", build_of(name))).await;
    }
    for name in ["session", "audit_search"] {
        rebuilder(home).rebuild(name).await.unwrap();
    }
    assert_equal_a_fresh_fold(&home.database, &home.journal).await;
}

async fn reads_and_folding_go_on_during_a_rebuild(home: &Home) {
    let mut head = home.write_together(&Story::new(1).tell(3000)).await.next();
    let running = Running::start(&home.views, counting());
    wait_until(&home.views, "count", head).await;
    let rebuild = tokio::spawn({
        let rebuilder = rebuilder(home);
        async move {
            for _ in 0..4 {
                rebuilder.rebuild("count").await.unwrap();
            }
        }
    });
    let (mut seed, mut last) = (2, CountRow::default());
    while !rebuild.is_finished() {
        head = home.write_together(&Story::new(seed).tell(200)).await.next();
        wait_until(&home.views, "count", head).await;
        let now = home.views.get::<Count>(INSTANCE, "all").await.unwrap().unwrap().row;
        assert!(now.events >= head.0 && now.events >= last.events, "what is read never goes back");
        (seed, last) = (seed + 1, now);
    }
    rebuild.await.unwrap();
    wait_until(&home.views, "count", head).await;
    running.stop().await;
    assert_eq!(home.views.get::<Count>(INSTANCE, "all").await.unwrap().unwrap().row.events, head.0);
    assert!(seed > 3, "something was written meanwhile");
}

async fn killed_rebuild_goes_on_where_it_stood(home: &Home) {
    let head = home.write_together(&Story::new(1).tell(9000)).await.next();
    home.caught_up(counting).await;
    let rebuild = tokio::spawn({
        let rebuilder = rebuilder(home);
        async move { rebuilder.rebuild("count").await }
    });
    // As soon as it has written something of its own.
    let building = "SELECT position FROM projection_checkpoints WHERE status = 'building' AND position > 0";
    let reached = loop {
        if let Some((reached,)) = all::<(i64,)>(&home.database, building).await.pop() {
            break reached;
        }
        assert!(!rebuild.is_finished());
        tokio::task::yield_now().await;
    };
    rebuild.abort();
    let killed = rebuild.await.is_err();
    if killed {
        let standing: Vec<(i64,)> = all(&home.database, building).await;
        assert!(standing[0].0 >= reached, "it isn't begun anew");
    }
    let rebuilt = rebuilder(home).rebuild("count").await.unwrap();
    assert_eq!(rebuilt.version.generation, if killed { 1 } else { 2 });
    let row = home.views.get::<Count>(INSTANCE, "all").await.unwrap().unwrap().row;
    assert_eq!(row, CountRow { events: head.0, positions: head.0 * (head.0 - 1) / 2 });
    assert_eq!(left_over(&home.database).await, 0);
}

async fn two_rebuilds_at_once_are_one(home: &Home) {
    let head = home.write_together(&Story::new(1).tell(3000)).await.next();
    home.caught_up(counting).await;
    let (one, other) = (rebuilder(home), rebuilder(home));
    let (one, other) = tokio::join!(one.rebuild("count"), other.rebuild("count"));
    assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
    let row = home.views.get::<Count>(INSTANCE, "all").await.unwrap().unwrap().row;
    assert_eq!(row, CountRow { events: head.0, positions: head.0 * (head.0 - 1) / 2 });
    assert_eq!(left_over(&home.database).await, 0);
}

async fn rebuild_that_cannot_go_on_leaves_what_is_read(home: &Home) {
    home.write_together(&Story::new(1).tell(100)).await;
    let running = Running::start(&home.views, with_users::<Picky>());
    let _ = home.views.wait_for("picky", tollbook_journal::Position(0), Duration::from_secs(20)).await;
    home.wait_for_all(counting).await;
    let rebuilder =
        Projector::new(&home.views, with_users::<Picky>(), Pace::default(), Uuid::nil()).rebuilder();
    let refused = rebuilder.rebuild("picky").await.unwrap_err();
    assert!(matches!(refused, RebuildError::Stopped { position, .. } if position.0 == 7), "{refused:?}");
    let row = home.views.get::<Picky>(INSTANCE, "all").await.unwrap().unwrap().row;
    assert_eq!(row.events, 7);
    running.stop().await;
}

async fn newer_code_builds_anew_by_itself(home: &Home) {
    let head = home.write_together(&Story::new(1).tell(500)).await.next();
    home.caught_up(counting).await;
    let read = home.views.get::<NewerCount>(INSTANCE, "all").await;
    assert!(matches!(read, Err(ViewError::Building(_))), "what older code built isn't read");
    let running = Running::start(&home.views, newer_counting());
    let row = loop {
        match home.views.get::<NewerCount>(INSTANCE, "all").await {
            Ok(row) => break row.unwrap().row,
            Err(ViewError::Building(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(row.events, head.0);
    let head = home.write_together(&Story::new(2).tell(100)).await.next();
    wait_until(&home.views, "count", head).await;
    running.stop().await;
    assert_eq!(home.views.get::<NewerCount>(INSTANCE, "all").await.unwrap().unwrap().row.events, head.0);
    let status = home.views.status().await.unwrap();
    assert_eq!(status.iter().find(|status| status.active).unwrap().version, version(2, 0));
}

async fn unknown_projection_is_not_rebuilt(home: &Home) {
    for name in ["nonsense", "count"] {
        let refused = rebuilder(home).rebuild(name).await.unwrap_err();
        assert!(matches!(refused, RebuildError::Unknown(_)), "never built, or not known at all");
    }
}
