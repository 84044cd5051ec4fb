//! Another client keeps a snapshot open, as a backup or a forgotten transaction does. What is updated
//! in place then gets slower with each version that can't be cleared away; appends must not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use tollbook_journal::{Append, Budget, INSTANCE, Journal};
use uuid::Uuid;

use crate::given::{call, fenced};
use crate::home::{CLUSTER, Home};

const CALLERS: usize = 32;
/// How long a rate is measured.
const MEASURE: Duration = Duration::from_secs(4);

/// Callers that append without a pause.
struct Writers {
    done: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Writers {
    async fn start(journal: &Journal, budget: Option<Budget>) -> Self {
        let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let fence = journal.head().await.unwrap().next;
        let mut tasks = JoinSet::new();
        for _ in 0..CALLERS {
            let (journal, done, stop) = (journal.clone(), done.clone(), stop.clone());
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let append = Append { budget, ..fenced(call(INSTANCE), fence) };
                    journal.append(append).await.unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { done, stop, tasks }
    }

    /// Appends a second, from now on.
    async fn rate(&self) -> f64 {
        let (before, began) = (self.done.load(Ordering::Relaxed), Instant::now());
        tokio::time::sleep(MEASURE).await;
        (self.done.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64()
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
    }
}

/// Appends a second without a snapshot, before and after, and at the end of the time with one.
async fn rates(budget: Option<Budget>, open_for: Duration) -> (f64, f64) {
    let home = Home::postgres().await;
    let journal = home.journal().await;
    let writers = Writers::start(&journal, budget).await;
    // The first second warms up.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = writers.rate().await;
    let mut other = PgConnection::connect(&CLUSTER.url(home.name())).await.unwrap();
    let snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM budgets";
    sqlx::raw_sql(snapshot).execute(&mut other).await.unwrap();
    tokio::time::sleep(open_for.saturating_sub(MEASURE)).await;
    let with = writers.rate().await;
    let held = "SELECT count(*) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND state = 'idle in transaction'";
    assert_eq!(CLUSTER.psql("postgres", held), "1", "the snapshot was not held");
    other.close().await.unwrap();
    let after = writers.rate().await;
    writers.end().await;
    (f64::midpoint(before, after), with)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn appends_do_not_slow_down_while_another_client_keeps_a_snapshot_open() {
    let seconds = std::env::var("TOLLBOOK_SNAPSHOT_SECONDS").map_or(20, |seconds| seconds.parse().unwrap());
    let open_for = Duration::from_secs(seconds);
    let (plain, plain_with) = rates(None, open_for).await;
    let budget = Budget { session_id: Uuid::now_v7(), total: u64::from(u32::MAX) };
    let (spent, spent_with) = rates(Some(budget), open_for).await;
    println!(
        "figures · fault – · a snapshot kept open by another client · struck held for {seconds} s · appends without it \
         {plain:.0}/s · at its end {plain_with:.0}/s · ratio {:.2} · on one budget without it {spent:.0}/s · at its \
         end {spent_with:.0}/s · ratio {:.2}",
        plain_with / plain,
        spent_with / spent,
    );
    assert!(plain_with > 0.5 * plain, "appends slow down: {plain:.0}/s, {plain_with:.0}/s");
    assert!(spent_with > 0.5 * spent, "appends on a budget slow down: {spent:.0}/s, {spent_with:.0}/s");
}
