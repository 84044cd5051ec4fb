//! The projector follows the book: nothing is skipped, nothing is folded twice.

use std::time::Duration;

use tollbook_journal::{INSTANCE, Position};
use tollbook_projections::{Model, Pace, Rows, Users, standard};

use crate::home::{Home, Running, wait_until};
use crate::on_both;
use crate::story::Story;
use crate::tables::assert_equal_a_fresh_fold;
use crate::toy::{Count, CountRow, counting};

on_both! {
    read_models_are_what_a_fresh_fold_makes
    projector_killed_anywhere_leaves_nothing_skipped_or_doubled
    two_projectors_make_what_one_makes
    what_was_written_is_read_at_once_by_who_waits
    projector_writes_nothing_behind_somebody_elses_back
}

async fn read_models_are_what_a_fresh_fold_makes(home: &Home) {
    let running = home.start();
    for seed in 1..6 {
        home.write(&Story::new(seed).tell(400)).await;
    }
    home.wait_for_all(standard).await;
    running.stop().await;
    assert_equal_a_fresh_fold(&home.database, &home.journal).await;
}

/// Both, because a sum alone could hide one skipped and another doubled.
async fn counted(home: &Home) -> CountRow {
    home.views.get::<Count>(INSTANCE, "all").await.unwrap().unwrap().row
}

fn all_before(head: Position) -> CountRow {
    CountRow { events: head.0, positions: head.0 * (head.0 - 1) / 2 }
}

async fn projector_killed_anywhere_leaves_nothing_skipped_or_doubled(home: &Home) {
    // Small pages, so that there are many places to be killed at.
    // And leases that the dead don't keep.
    let pace = Pace {
        page: 20,
        breath: Duration::ZERO,
        pause: Duration::from_millis(1),
        lease: Duration::ZERO,
        ..Pace::default()
    };
    let models = || {
        let mut models = standard();
        models.extend(counting());
        models
    };
    let head = home.write_together(&Story::new(9).tell(4000)).await.next();
    let mut kills = 0;
    loop {
        let running = Running::at_pace(&home.views, models(), pace);
        // However far it comes in this time is where it dies; each lives a little longer than the last.
        let reached =
            home.views.wait_for("count", Position(head.0 - 1), Duration::from_millis(5 + 3 * kills)).await;
        running.kill().await;
        if matches!(reached, Ok(Ok(_))) {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 5, "it was killed {kills} times only");
    home.caught_up(models).await;
    assert_eq!(counted(home).await, all_before(head));
    home_without_count_equals_a_fresh_fold(home).await;
}

async fn home_without_count_equals_a_fresh_fold(home: &Home) {
    let delete = format!("DELETE FROM projection_rows WHERE build = {}", crate::tables::build_of("count"));
    crate::tables::run(&home.database, &delete).await;
    assert_equal_a_fresh_fold(&home.database, &home.journal).await;
}

async fn two_projectors_make_what_one_makes(home: &Home) {
    let pace = Pace { page: 50, breath: Duration::ZERO, pause: Duration::from_millis(1), ..Pace::default() };
    let other = home.replica().await;
    let running = [
        Running::at_pace(&home.views, counting(), pace),
        Running::at_pace(&other, counting(), pace),
        Running::at_pace(&home.views, counting(), pace),
    ];
    let mut head = Position(0);
    for seed in 1..6 {
        head = home.write_together(&Story::new(seed).tell(800)).await.next();
    }
    wait_until(&home.views, "count", head).await;
    wait_until(&other, "count", head).await;
    for running in running {
        running.stop().await;
    }
    assert_eq!(counted(home).await, all_before(head));
}

async fn what_was_written_is_read_at_once_by_who_waits(home: &Home) {
    // So long a pause that only being told to hurry explains an answer.
    let pace = Pace { pause: Duration::from_secs(30), ..Pace::default() };
    let running = Running::at_pace(&home.views, users(), pace);
    let mut story = Story::new(3);
    for _ in 0..20 {
        let last = home.write(&story.tell(3)).await;
        wait_until(&home.views, "user", last.next()).await;
    }
    let other = home.replica().await;
    let last = home.write(&story.tell(3)).await;
    // Another replica can't tell this one to hurry, but sees in the tables when it is done.
    let (here, there) = tokio::join!(
        home.views.wait_for("user", last, Duration::from_secs(20)),
        other.wait_for("user", last, Duration::from_secs(20))
    );
    assert!(here.unwrap().unwrap() > last && there.unwrap().unwrap() > last);
    running.stop().await;
}

fn users() -> Vec<Box<dyn Model>> {
    vec![Box::new(Rows::<Users>::new())]
}

async fn projector_writes_nothing_behind_somebody_elses_back(home: &Home) {
    let head = home.write_together(&Story::new(1).tell(50)).await.next();
    let running = Running::start(&home.views, counting());
    wait_until(&home.views, "count", head).await;
    // Somebody else has moved the checkpoint, and will have folded what lies before it.
    crate::tables::run(&home.database, "UPDATE projection_checkpoints SET position = 60").await;
    let head = home.write_together(&Story::new(2).tell(50)).await.next();
    wait_until(&home.views, "count", head).await;
    running.stop().await;
    assert_eq!(counted(home).await.events, 50 + 40, "the ten in between were somebody else's");
}
