//! A rebuild makes the same, beside what is read, and takes its place in one step.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tollbook_aggregates::{Instance, InstanceEvent, ProjectionOrder};
use tollbook_journal::{INSTANCE, Position};
use tollbook_projections::{
    Asked, BuildState, Model, Overview, Pace, Projector, Purpose, RebuildError, Rebuilder, Status, Term,
    ViewError, standard,
};
use uuid::Uuid;

use crate::home::{Home, Running, wait_until};
use crate::on_both;
use crate::story::{Story, line};
use crate::tables::{all, assert_equal_a_fresh_fold, left_over, literal, run, stored, version};
use crate::toy::{Clashing, Count, CountRow, NewerCount, Picky, counting, newer_counting, with_users};

on_both! {
    rebuild_makes_the_same_and_keeps_what_was_read
    rebuild_that_differs_waits_until_somebody_swaps_it
    every_kind_of_difference_is_found_and_named
    verification_changes_nothing
    reads_and_folding_go_on_while_versions_are_swapped_and_rolled_back
    rollback_reads_what_was_read_before_and_has_all_that_came_since
    killed_rebuild_goes_on_where_it_stood
    one_order_is_carried_out_once
    two_replicas_build_one_build
    rebuild_that_cannot_go_on_leaves_what_is_read
    what_the_database_refuses_stops_the_rebuild_at_its_event
    newer_code_builds_anew_by_itself
    what_is_kept_too_long_goes
    unknown_projection_is_not_rebuilt
}

const A_DAY: Duration = Duration::from_secs(86_400);

fn rebuilder_of(home: &Home, models: Vec<Box<dyn Model>>) -> Rebuilder {
    Projector::new(&home.views, models, Pace::default(), Uuid::now_v7()).rebuilder()
}

fn rebuilder(home: &Home) -> Rebuilder {
    let mut models = standard();
    models.extend(counting());
    rebuilder_of(home, models)
}

/// Gives an order as an operator does: it stands in the book first.
async fn order(home: &Home, name: &str, order: ProjectionOrder) -> Result<Position, RebuildError> {
    order_of(home, &rebuilder(home), name, order).await
}

async fn order_of(
    home: &Home,
    rebuilder: &Rebuilder,
    name: &str,
    order: ProjectionOrder,
) -> Result<Position, RebuildError> {
    let event = InstanceEvent::ProjectionRebuildRequested { projection: name.into() };
    let at = home.write(&[line::<Instance>(INSTANCE, Uuid::nil(), &event)]).await;
    rebuilder.carry_out(name, order, at).await.map(|()| at)
}

/// Orders, and works until there is nothing left to do.
async fn ordered(home: &Home, name: &str, what: ProjectionOrder) -> Overview {
    order(home, name, what).await.unwrap();
    rebuilder(home).round(A_DAY).await.unwrap();
    overview(home, name).await
}

async fn overview(home: &Home, name: &str) -> Overview {
    rebuilder(home).overview(name).await.unwrap()
}

fn state(overview: &Overview) -> BuildState {
    overview.build.as_ref().unwrap().state
}

/// The generations that do this.
fn doing(overview: &Overview, status: Status) -> Vec<u32> {
    let doing = overview.versions.iter().filter(|one| one.status == status);
    doing.map(|one| one.version.generation).collect()
}

async fn rebuild_makes_the_same_and_keeps_what_was_read(home: &Home) {
    home.write_together(&Story::new(1).tell(3000)).await;
    home.caught_up(standard).await;
    let before = stored(&home.database).await;
    for model in standard() {
        let rebuilt = ordered(home, model.name(), ProjectionOrder::Rebuild).await;
        let build = rebuilt.build.as_ref().unwrap();
        assert_eq!((build.state, build.differences), (BuildState::Swapped, Some(0)), "{rebuilt:#?}");
        let (was, is) = (version(model.version(), 0), version(model.version(), 1));
        assert_eq!(build.version, is);
        assert_eq!(doing(&rebuilt, Status::Running), [is.generation]);
        assert_eq!(doing(&rebuilt, Status::Kept), [was.generation]);
    }
    // All that came since is the orders, which the index of the audit log has.
    let (rows, terms) = stored(&home.database).await;
    assert!(rows == before.0 && terms.is_superset(&before.1));
    // And what comes is folded into the new ones.
    home.write_together(&Story::new(2).tell(300)).await;
    home.caught_up(standard).await;
    assert_equal_a_fresh_fold(&home.database, &home.journal).await;
    assert!(left_over(&home.database).await > 0, "what was read is kept");
}

async fn rebuild_that_differs_waits_until_somebody_swaps_it(home: &Home) {
    home.write_together(&Story::new(1).tell(500)).await;
    home.caught_up(standard).await;
    run(&home.database, "DELETE FROM projection_rows WHERE key LIKE '%7' OR key LIKE '%3'").await;
    let wrong = stored(&home.database).await;
    for name in ["session", "tool_call"] {
        let differs = ordered(home, name, ProjectionOrder::Rebuild).await;
        let build = differs.build.as_ref().unwrap();
        assert!(build.state == BuildState::Differs && build.differences.unwrap() > 0, "{differs:#?}");
        assert!(build.examples.iter().all(|one| one.stands.is_none() && one.folded.is_some()));
        assert!(doing(&differs, Status::Running) == [0] && doing(&differs, Status::Beside) == [1]);
    }
    assert!(stored(&home.database).await.0 == wrong.0, "nothing was swapped in silence");
    for name in ["session", "tool_call"] {
        order(home, name, ProjectionOrder::Swap).await.unwrap();
        let swapped = overview(home, name).await;
        assert_eq!(state(&swapped), BuildState::Swapped);
        assert_eq!(doing(&swapped, Status::Running), [1]);
        let nothing = order(home, name, ProjectionOrder::Swap).await.unwrap_err();
        assert!(matches!(nothing, RebuildError::NothingBuilt(_)), "{nothing}");
    }
    for name in ["workspace", "member", "user", "tool_server", "loadout", "api_key"] {
        ordered(home, name, ProjectionOrder::Rebuild).await;
        // Not each of them had a row with such a key.
        if state(&overview(home, name).await) == BuildState::Differs {
            order(home, name, ProjectionOrder::Swap).await.unwrap();
        }
    }
    home.caught_up(standard).await;
    assert_equal_a_fresh_fold(&home.database, &home.journal).await;
}

/// The newest example of a verification, after a change in the tables.
async fn example(home: &Home, name: &str, sql: &str) -> (u64, String, String) {
    run(&home.database, sql).await;
    let verified = ordered(home, name, ProjectionOrder::Verify).await;
    let build = verified.build.unwrap();
    assert_eq!(build.state, BuildState::Verified);
    let example = build.examples.first().unwrap_or_else(|| panic!("{sql} is not found"));
    (build.differences.unwrap(), example.key.clone(), example.what.clone())
}

async fn every_kind_of_difference_is_found_and_named(home: &Home) {
    home.write_together(&Story::new(1).tell(500)).await;
    home.caught_up(standard).await;
    let keys =
        "SELECT r.key, r.build FROM projection_rows r JOIN projection_checkpoints c ON c.build = r.build
        WHERE c.projection = 'session' ORDER BY r.key";
    let keys: Vec<(String, i32)> = all(&home.database, keys).await;
    let (build, row) = (keys[0].1, |number: usize| format!("key = '{}'", keys[number].0));
    let edit =
        format!("UPDATE projection_rows SET data = '{{\"x\":1}}' WHERE build = {build} AND {}", row(0));
    assert_eq!(example(home, "session", &edit).await, (1, keys[0].0.clone(), "row".into()));
    let moved = format!(
        "UPDATE projection_rows SET workspace_id = {} WHERE build = {build} AND {}",
        literal(&home.database, INSTANCE),
        row(1)
    );
    assert_eq!(example(home, "session", &moved).await.0, 2);
    let lost = format!("DELETE FROM projection_rows WHERE build = {build} AND {}", row(2));
    assert_eq!(example(home, "session", &lost).await.0, 3);
    let extra = format!(
        "INSERT INTO projection_rows (ordinal, build, workspace_id, key, data)
         SELECT 1000000, build, workspace_id, 'zzz', data FROM projection_rows WHERE build = {build} AND {}",
        row(3)
    );
    assert_eq!(example(home, "session", &extra).await.0, 4);
    let term = format!(
        "DELETE FROM projection_terms WHERE build = {build} AND ordinal =
            (SELECT ordinal FROM projection_rows WHERE build = {build} AND {})",
        row(4)
    );
    run(&home.database, &term).await;
    let verified = ordered(home, "session", ProjectionOrder::Verify).await.build.unwrap();
    assert_eq!(verified.differences, Some(5));
    let unfound = verified.examples.iter().find(|one| one.what == "terms").unwrap();
    assert!(unfound.key == keys[4].0 && unfound.stands.is_none(), "{unfound:?}");
    // An index has no rows: its events are named by position.
    let forgotten = "DELETE FROM projection_postings WHERE first = 3";
    assert_eq!(example(home, "audit_search", forgotten).await.2, "terms");
}

async fn verification_changes_nothing(home: &Home) {
    home.write_together(&Story::new(1).tell(500)).await;
    home.caught_up(standard).await;
    let before = stored(&home.database).await;
    let verified = ordered(home, "tool_call", ProjectionOrder::Verify).await;
    let build = verified.build.as_ref().unwrap();
    assert_eq!(
        (build.purpose, build.state, build.differences),
        (Purpose::Verify, BuildState::Verified, Some(0))
    );
    assert!(stored(&home.database).await.0 == before.0);
    assert_eq!(doing(&verified, Status::Running), [0]);
    assert_eq!((verified.versions.len(), left_over(&home.database).await), (1, 0), "it is gone again");
}

/// What is read must have all that was acknowledged when it was asked for, whichever version it is.
async fn read_all_along(home: &Home, last: &mut CountRow) {
    let head = home.journal.head().await.unwrap().next;
    wait_until(&home.views, "count", head).await;
    let now = home.views.get::<Count>(INSTANCE, "all").await.unwrap().expect("it is never empty").row;
    assert!(now.events >= head.0 && now.events >= last.events, "what is read never goes back");
    assert_eq!(now.positions, now.events * (now.events - 1) / 2, "and has each event once");
    *last = now;
}

async fn reads_and_folding_go_on_while_versions_are_swapped_and_rolled_back(home: &Home) {
    let head = home.write_together(&Story::new(1).tell(3000)).await.next();
    let running = Running::start(&home.views, counting());
    wait_until(&home.views, "count", head).await;
    let orders = async {
        for _ in 0..3 {
            let rebuilt = ordered(home, "count", ProjectionOrder::Rebuild).await;
            assert_eq!(state(&rebuilt), BuildState::Swapped, "{rebuilt:#?}");
            for _ in 0..3 {
                order(home, "count", ProjectionOrder::Rollback).await.unwrap();
            }
        }
    };
    let done = AtomicBool::new(false);
    let orders = async {
        orders.await;
        done.store(true, Ordering::Release);
    };
    let reads = async {
        let (mut seed, mut last) = (2, CountRow::default());
        while !done.load(Ordering::Acquire) {
            home.write_together(&Story::new(seed).tell(50)).await;
            read_all_along(home, &mut last).await;
            seed += 1;
        }
        read_all_along(home, &mut last).await;
        seed
    };
    let ((), seed) = tokio::join!(orders, reads);
    running.stop().await;
    assert!(seed > 3, "something was written meanwhile");
}

async fn rollback_reads_what_was_read_before_and_has_all_that_came_since(home: &Home) {
    home.write_together(&Story::new(1).tell(300)).await;
    home.caught_up(counting).await;
    let none = order(home, "count", ProjectionOrder::Rollback).await.unwrap_err();
    assert!(matches!(none, RebuildError::NothingKept(_)), "{none}");
    ordered(home, "count", ProjectionOrder::Rebuild).await;
    let head = home.write_together(&Story::new(2).tell(300)).await.next();
    let at = order(home, "count", ProjectionOrder::Rollback).await.unwrap();
    assert!(at >= head);
    let back = overview(home, "count").await;
    assert_eq!((doing(&back, Status::Running), doing(&back, Status::Kept)), (vec![0], vec![1]));
    assert_eq!(state(&back), BuildState::RolledBack);
    // Without a projector running: the rollback itself folded what had come since.
    let row = home.views.get::<Count>(INSTANCE, "all").await.unwrap().unwrap().row;
    assert_eq!(row.events, at.next().0);
    // And what is kept is brought up to date beside.
    let head = home.write_together(&Story::new(3).tell(300)).await.next();
    rebuilder(home).round(A_DAY).await.unwrap();
    let kept = overview(home, "count").await.versions.into_iter().find(|one| one.status == Status::Kept);
    assert_eq!(kept.unwrap().position, head);
}

async fn killed_rebuild_goes_on_where_it_stood(home: &Home) {
    let head = home.write_together(&Story::new(1).tell(45_000)).await.next();
    home.caught_up(counting).await;
    let at = order(home, "count", ProjectionOrder::Rebuild).await.unwrap();
    let mut kills = 0;
    for _ in 0..3 {
        let position = || async { overview(home, "count").await.build.unwrap().position };
        let before = position().await;
        let work = tokio::spawn({
            let rebuilder = rebuilder(home);
            async move { rebuilder.round(A_DAY).await }
        });
        // As soon as it has written something more.
        while !work.is_finished() && position().await <= before {
            tokio::task::yield_now().await;
        }
        work.abort();
        let killed = work.await.is_err();
        kills += u32::from(killed);
        assert!(!killed || position().await > before, "it isn't begun anew");
        // As a dead replica's claim to it runs out.
        run(&home.database, "UPDATE projection_checkpoints SET holder = NULL").await;
    }
    rebuilder(home).round(A_DAY).await.unwrap();
    let rebuilt = overview(home, "count").await;
    assert_eq!((state(&rebuilt), rebuilt.build.unwrap().differences), (BuildState::Swapped, Some(0)));
    let row = home.views.get::<Count>(INSTANCE, "all").await.unwrap().unwrap().row;
    assert_eq!((at, row.events), (head, head.0 + 1));
    assert_eq!(row.positions, head.0 * (head.0 + 1) / 2);
    assert!(kills > 0, "it was killed while it built");
}

async fn one_order_is_carried_out_once(home: &Home) {
    home.write_together(&Story::new(1).tell(300)).await;
    home.caught_up(counting).await;
    let at = order(home, "count", ProjectionOrder::Rebuild).await.unwrap();
    assert_eq!(
        rebuilder(home).may("count", ProjectionOrder::Rebuild).await.unwrap(),
        Asked::UnderWay(Some(at))
    );
    let busy = rebuilder(home).may("count", ProjectionOrder::Verify).await.unwrap_err();
    assert!(matches!(busy, RebuildError::Busy { .. }), "{busy}");
    rebuilder(home).round(A_DAY).await.unwrap();
    rebuilder(home).carry_out("count", ProjectionOrder::Rebuild, at).await.unwrap();
    assert_eq!(state(&overview(home, "count").await), BuildState::Swapped, "not begun again");
    let at = order(home, "count", ProjectionOrder::Rollback).await.unwrap();
    rebuilder(home).carry_out("count", ProjectionOrder::Rollback, at).await.unwrap();
    assert_eq!(doing(&overview(home, "count").await, Status::Running), [0], "not rolled forward again");
}

async fn two_replicas_build_one_build(home: &Home) {
    let head = home.write_together(&Story::new(1).tell(3000)).await.next();
    home.caught_up(counting).await;
    order(home, "count", ProjectionOrder::Rebuild).await.unwrap();
    let (one, other) = (rebuilder(home), rebuilder(home));
    let (one, other) = tokio::join!(one.round(A_DAY), other.round(A_DAY));
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    assert_eq!(state(&overview(home, "count").await), BuildState::Swapped);
    let row = home.views.get::<Count>(INSTANCE, "all").await.unwrap().unwrap().row;
    assert_eq!(row.events, head.0 + 1);
}

async fn rebuild_that_cannot_go_on_leaves_what_is_read(home: &Home) {
    home.write_together(&Story::new(1).tell(100)).await;
    let running = Running::start(&home.views, with_users::<Picky>());
    let _ = home.views.wait_for("picky", Position(0), Duration::from_secs(20)).await;
    home.wait_for_all(counting).await;
    let rebuilder = rebuilder_of(home, with_users::<Picky>());
    order_of(home, &rebuilder, "picky", ProjectionOrder::Rebuild).await.unwrap();
    rebuilder.round(A_DAY).await.unwrap();
    let stopped = rebuilder.overview("picky").await.unwrap();
    let build = stopped.build.as_ref().unwrap();
    assert_eq!((build.state, build.position), (BuildState::Stopped, Position(7)));
    assert_eq!(build.error.as_deref(), Some("seven is not for me"));
    let row = home.views.get::<Picky>(INSTANCE, "all").await.unwrap().unwrap().row;
    assert_eq!(row.events, 7);
    running.stop().await;
}

async fn what_the_database_refuses_stops_the_rebuild_at_its_event(home: &Home) {
    home.write_together(&Story::new(1).tell(5)).await;
    home.caught_up(with_users::<Clashing>).await;
    let rebuilder = rebuilder_of(home, with_users::<Clashing>());
    order_of(home, &rebuilder, "clashing", ProjectionOrder::Verify).await.unwrap();
    home.write_together(&Story::new(2).tell(3000)).await;
    // In the way of what the eighth event makes, in the build that has just been begun.
    let term = literal(&home.database, Term::new("taken", "already").stored(INSTANCE));
    let sql = format!(
        "INSERT INTO projection_terms (ordinal, build, term)
         SELECT 0, max(build), {term} FROM projection_checkpoints"
    );
    run(&home.database, &sql).await;
    let running = Running::start(&home.views, with_users::<Clashing>());
    home.wait_for_all(counting).await;
    wait_until(&home.views, "clashing", home.journal.head().await.unwrap().next).await;
    rebuilder.round(A_DAY).await.unwrap();
    let build = rebuilder.overview("clashing").await.unwrap().build.unwrap();
    assert_eq!((build.state, build.position), (BuildState::Stopped, Position(7)), "{build:?}");
    running.stop().await;
}

async fn newer_code_builds_anew_by_itself(home: &Home) {
    let head = home.write_together(&Story::new(1).tell(500)).await.next();
    home.caught_up(counting).await;
    let read = home.views.get::<NewerCount>(INSTANCE, "all").await;
    assert!(matches!(read, Err(ViewError::Building(_))), "what older code built isn't read");
    let running = Running::start(&home.views, newer_counting());
    rebuilder_of(home, newer_counting()).round(A_DAY).await.unwrap();
    let row = home.views.get::<NewerCount>(INSTANCE, "all").await.unwrap().unwrap().row;
    assert_eq!(row.events, head.0);
    let head = home.write_together(&Story::new(2).tell(100)).await.next();
    wait_until(&home.views, "count", head).await;
    running.stop().await;
    assert_eq!(home.views.get::<NewerCount>(INSTANCE, "all").await.unwrap().unwrap().row.events, head.0);
    let newer = rebuilder_of(home, newer_counting());
    assert_eq!(doing(&newer.overview("count").await.unwrap(), Status::Running), [0]);
    // What older code made is there for older code, should it come back: ours can't keep it up to date.
    let refused = order_of(home, &newer, "count", ProjectionOrder::Rollback).await.unwrap_err();
    assert!(matches!(refused, RebuildError::NothingKept(_)), "{refused}");
    order(home, "count", ProjectionOrder::Rollback).await.unwrap();
    let row = home.views.get::<Count>(INSTANCE, "all").await.unwrap().unwrap().row;
    assert_eq!(row.events, home.journal.head().await.unwrap().next.0);
}

async fn what_is_kept_too_long_goes(home: &Home) {
    home.write_together(&Story::new(1).tell(300)).await;
    home.caught_up(counting).await;
    ordered(home, "count", ProjectionOrder::Rebuild).await;
    rebuilder(home).round(A_DAY).await.unwrap();
    assert_eq!(overview(home, "count").await.versions.len(), 2);
    run(&home.database, "UPDATE projection_builds SET ended_at = ended_at - 86400000000").await;
    rebuilder(home).round(A_DAY).await.unwrap();
    assert_eq!(overview(home, "count").await.versions.len(), 1);
    assert_eq!(left_over(&home.database).await, 0);
}

async fn unknown_projection_is_not_rebuilt(home: &Home) {
    for name in ["nonsense", "count"] {
        let refused = rebuilder(home).may(name, ProjectionOrder::Rebuild).await.unwrap_err();
        assert!(matches!(refused, RebuildError::Unknown(_)), "never built, or not known at all");
    }
}
