//! Whatever happened, what is read is what a replay makes of it: random histories, read in pages of random
//! sizes, with projectors killed at random moments and versions built, swapped and rolled back in between.

use std::time::Duration;

use tollbook_aggregates::{Instance, InstanceEvent, ProjectionOrder};
use tollbook_journal::INSTANCE;
use tollbook_projections::{Pace, Projector, standard};
use uuid::Uuid;

use crate::home::{Home, Running};
use crate::story::{Story, line};
use crate::tables::assert_equal_a_fresh_fold;

const A_DAY: Duration = Duration::from_secs(86_400);

/// One history in chapters; answers with how many events it had and how many projectors were killed.
async fn history(home: &Home, seed: u64) -> (u64, usize) {
    let rebuilder = Projector::new(&home.views, standard(), Pace::default(), Uuid::now_v7()).rebuilder();
    let names: Vec<&str> = standard().iter().map(|model| model.name()).collect();
    let (mut story, mut killed) = (Story::new(seed), 0);
    let mut random = seed;
    let mut below = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    for chapter in 0..4 {
        let page = usize::try_from(1 + below(300)).unwrap();
        let running = Running::at_pace(&home.views, standard(), Pace { page, ..Pace::default() });
        home.write_together(&story.tell(usize::try_from(50 + below(500)).unwrap())).await;
        if below(2) == 0 {
            running.kill().await;
            killed += 1;
        } else {
            running.stop().await;
        }
        home.caught_up(standard).await;
        let name = names[usize::try_from(below(names.len() as u64)).unwrap()];
        let order =
            if chapter == 0 || below(2) == 0 { ProjectionOrder::Rebuild } else { ProjectionOrder::Rollback };
        let event = InstanceEvent::ProjectionRebuildRequested { projection: name.into() };
        let at = home.write(&[line::<Instance>(INSTANCE, Uuid::nil(), &event)]).await;
        // There may be nothing to roll back.
        let _ = rebuilder.carry_out(name, order, at).await;
        rebuilder.round(A_DAY).await.unwrap();
    }
    home.caught_up(standard).await;
    assert_equal_a_fresh_fold(&home.database, &home.journal).await;
    (home.journal.head().await.unwrap().next.0, killed)
}

#[expect(clippy::print_stdout, reason = "figures are for whoever runs the tests")]
async fn histories(cases: u64) {
    let (mut events, mut killed) = (0, 0);
    for seed in 1..=cases {
        for home in [Home::postgres().await, Home::sqlite().await] {
            let (told, dead) = history(&home, seed).await;
            (events, killed) = (events + told, killed + dead);
        }
    }
    println!(
        "figures · fault 17 · projection = replay · struck {killed} projectors killed, {} orders · cases {} · \
         events {events} · differences 0",
        cases * 8,
        cases * 2
    );
    assert!(killed > 0, "nothing was killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_models_equal_a_replay_of_some_histories() {
    histories(2).await;
}

/// Fault 17.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn read_models_equal_a_replay_of_random_histories() {
    let cases = std::env::var("TOLLBOOK_HISTORIES").ok().and_then(|text| text.parse().ok());
    histories(cases.unwrap_or(20)).await;
}
