//! An event that can't be folded stops what can't fold it, visibly, and nothing else.

use std::time::Duration;

use tollbook_aggregates::{User, UserEvent};
use tollbook_journal::{INSTANCE, Position};
use tollbook_projections::{
    Happening, Misfit, NotCaughtUp, Pace, Projection, ProjectionStatus, Rows, Status, Term,
};
use uuid::Uuid;

use crate::home::{Home, Running, wait_until};
use crate::on_both;
use crate::story::{Line, Story, line};
use crate::tables::{literal, run};
use crate::toy::{Clashing, Count, CountRow, Picky, counting, with_users};

on_both! {
    event_that_does_not_fit_stops_its_projection_alone
    what_the_database_refuses_stops_its_projection_alone
    event_that_nobody_knows_stops_all_before_it
    stopped_projection_tries_again_with_the_next_start
    stopped_projection_goes_on_with_a_replica_that_can_fold_the_event
    missing_event_stops_all_before_it_until_it_is_there_again
    event_that_cannot_be_read_stops_all_before_it
}

async fn status(home: &Home, name: &str) -> ProjectionStatus {
    let all = home.views.status().await.unwrap();
    all.into_iter().find(|status| status.name == name).unwrap()
}

/// Waits until a projection says that it has stopped.
async fn wait_for_stop(home: &Home, name: &str) -> Position {
    match home.views.wait_for(name, Position(1_000_000), Duration::from_secs(60)).await.unwrap() {
        Err(NotCaughtUp::Stopped { reached, .. }) => reached,
        other => panic!("{other:?}"),
    }
}

async fn folded<P: Projection<Row = CountRow>>(home: &Home) -> u64 {
    home.views.get::<P>(INSTANCE, "all").await.unwrap().unwrap().row.events
}

async fn event_that_does_not_fit_stops_its_projection_alone(home: &Home) {
    let head = home.write(&Story::new(1).tell(30)).await.next();
    let running = Running::start(&home.views, with_users::<Picky>());
    for goes_on in ["user", "count"] {
        wait_until(&home.views, goes_on, head).await;
    }
    assert_eq!(wait_for_stop(home, "picky").await, Position(7));
    let stopped = status(home, "picky").await;
    assert_eq!((stopped.status, stopped.position, stopped.lag), (Status::Stopped, Position(7), head.0 - 7));
    assert_eq!(stopped.error.as_deref(), Some("seven is not for me"));
    assert_eq!((folded::<Picky>(home).await, folded::<Count>(home).await), (7, head.0));
    // And the others go on with what comes.
    let head = home.write(&Story::new(2).tell(30)).await.next();
    wait_until(&home.views, "count", head).await;
    assert_eq!(status(home, "count").await.status, Status::Running);
    assert_eq!(folded::<Picky>(home).await, 7);
    running.stop().await;
}

async fn what_the_database_refuses_stops_its_projection_alone(home: &Home) {
    // It has been there already, so that its build is known.
    let running = Running::start(&home.views, with_users::<Clashing>());
    while home.views.status().await.unwrap().len() < with_users::<Clashing>().len() {
        tokio::task::yield_now().await;
    }
    running.stop().await;
    let term = literal(&home.database, Term::new("taken", "already").stored(INSTANCE));
    let insert = format!(
        "INSERT INTO projection_terms (build, term, ordinal) SELECT build, {term}, 0
         FROM projection_checkpoints WHERE projection = 'clashing'"
    );
    run(&home.database, &insert).await;
    let head = home.write(&Story::new(1).tell(30)).await.next();
    let running = Running::start(&home.views, with_users::<Clashing>());
    wait_until(&home.views, "count", head).await;
    assert_eq!(wait_for_stop(home, "clashing").await, Position(7));
    running.stop().await;
    assert!(status(home, "clashing").await.error.is_some());
    assert_eq!((folded::<Clashing>(home).await, folded::<Count>(home).await), (7, head.0));
}

fn unknown() -> Line {
    let user = Uuid::from_u128(0xbad);
    let mut line = line::<User>(INSTANCE, user, &UserEvent::Registered { name: "Ada".into() });
    line.event.event_type = "user.abducted".into();
    line
}

async fn event_that_nobody_knows_stops_all_before_it(home: &Home) {
    home.write(&Story::new(1).tell(30)).await;
    let at = home.write(&[unknown()]).await;
    home.write(&Story::new(2).tell(30)).await;
    let running = Running::start(&home.views, counting());
    assert_eq!(wait_for_stop(home, "count").await, at);
    running.stop().await;
    assert_eq!(folded::<Count>(home).await, at.0);
    let error = status(home, "count").await.error.unwrap();
    assert!(error.contains("user.abducted"), "{error}");
}

async fn stopped_projection_tries_again_with_the_next_start(home: &Home) {
    let head = home.write(&Story::new(1).tell(30)).await.next();
    let running = Running::start(&home.views, counting());
    wait_until(&home.views, "count", head).await;
    running.stop().await;
    // As if an older version of the service had not been able to go on.
    run(&home.database, "UPDATE projection_checkpoints SET status = 'stopped', error = 'too new for me'")
        .await;
    // There is nothing left to fold, and it says so.
    let running = Running::start(&home.views, counting());
    while status(home, "count").await.status == Status::Stopped {
        tokio::task::yield_now().await;
    }
    running.stop().await;
    let head = home.write(&Story::new(2).tell(30)).await.next();
    let running = Running::start(&home.views, counting());
    while status(home, "count").await.status == Status::Stopped {
        tokio::task::yield_now().await;
    }
    wait_until(&home.views, "count", head).await;
    running.stop().await;
    let status = status(home, "count").await;
    assert_eq!((status.status, status.error), (Status::Running, None));
    assert_eq!(folded::<Count>(home).await, head.0);
}

/// As [`Picky`], by code that has learned it.
struct LessPicky;

impl Projection for LessPicky {
    const NAME: &'static str = Picky::NAME;
    const VERSION: u32 = Picky::VERSION;
    type Row = CountRow;

    fn key(happening: &Happening) -> Option<String> {
        Count::key(happening)
    }

    fn fold(row: Option<CountRow>, happening: &Happening) -> Result<Option<CountRow>, Misfit> {
        Count::fold(row, happening)
    }

    fn workspace(happening: &Happening) -> Uuid {
        Count::workspace(happening)
    }
}

async fn stopped_projection_goes_on_with_a_replica_that_can_fold_the_event(home: &Home) {
    let head = home.write(&Story::new(1).tell(30)).await.next();
    let older = Running::start(&home.views, vec![Box::new(Rows::<Picky>::new())]);
    assert_eq!(wait_for_stop(home, "picky").await, Position(7));
    // Beside the older one, which doesn't keep it from trying.
    let newer = Running::start(&home.replica().await, vec![Box::new(Rows::<LessPicky>::new())]);
    while status(home, "picky").await.position < head {
        tokio::task::yield_now().await;
    }
    let now = status(home, "picky").await;
    assert_eq!((now.status, now.error), (Status::Running, None));
    assert_eq!(folded::<Picky>(home).await, head.0);
    older.stop().await;
    newer.stop().await;
}

async fn missing_event_stops_all_before_it_until_it_is_there_again(home: &Home) {
    let head = home.write(&Story::new(1).tell(30)).await.next();
    home.tamper("CREATE TABLE kept AS SELECT * FROM events WHERE position = 12").await;
    home.tamper("DELETE FROM events WHERE position = 12").await;
    let pace = Pace { retry: Duration::from_millis(100), ..Pace::default() };
    let running = Running::at_pace(&home.views, with_users::<Picky>(), pace);
    for name in ["count", "user"] {
        assert_eq!(wait_for_stop(home, name).await, Position(12));
        let error = status(home, name).await.error.unwrap();
        assert_eq!(error, "position 12 is missing from the book");
    }
    assert_eq!(folded::<Count>(home).await, 12, "what lies before it is folded");
    home.tamper(
        "INSERT INTO events (position, event_id, aggregate_type, aggregate_id, event_type, event_version, payload,
            metadata, workspace_id, workspace_sequence, control, narrows, commitments, recorded_at)
         SELECT position, event_id, aggregate_type, aggregate_id, event_type, event_version, payload,
            metadata, workspace_id, workspace_sequence, control, narrows, commitments, recorded_at FROM kept",
    )
    .await;
    for name in ["count", "user"] {
        while status(home, name).await.status == Status::Stopped {
            tokio::task::yield_now().await;
        }
        wait_until(&home.views, name, head).await;
    }
    running.stop().await;
    assert_eq!(folded::<Count>(home).await, head.0);
}

async fn event_that_cannot_be_read_stops_all_before_it(home: &Home) {
    home.write(&Story::new(1).tell(30)).await;
    home.tamper("UPDATE events SET commitments = '{}' WHERE position = 9").await;
    let running = Running::start(&home.views, counting());
    assert_eq!(wait_for_stop(home, "count").await, Position(9));
    running.stop().await;
    assert_eq!(folded::<Count>(home).await, 9);
    let error = status(home, "count").await.error.unwrap();
    assert!(error.contains("position 9"), "{error}");
}
