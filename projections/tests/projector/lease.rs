//! Of several replicas one folds, and another takes over when it goes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tollbook_journal::{INSTANCE, Position};
use tollbook_projections::{Happening, Misfit, Model, Pace, Projection, Rows, Views};
use uuid::Uuid;

use crate::home::{Home, Running, wait_until};
use crate::story::Story;
use crate::toy::{Count, CountRow};

/// As [`Count`], by a replica that counts how often it folds: a type for each replica of a test.
struct Counted<const REPLICA: usize>;

static FOLDED: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];

fn folded(replica: usize) -> u64 {
    FOLDED[replica].load(Ordering::SeqCst)
}

impl<const REPLICA: usize> Projection for Counted<REPLICA> {
    const NAME: &'static str = Count::NAME;
    const VERSION: u32 = Count::VERSION;
    type Row = CountRow;

    fn key(happening: &Happening) -> Option<String> {
        Count::key(happening)
    }

    fn fold(row: Option<CountRow>, happening: &Happening) -> Result<Option<CountRow>, Misfit> {
        FOLDED[REPLICA].fetch_add(1, Ordering::SeqCst);
        Count::fold(row, happening)
    }

    fn workspace(happening: &Happening) -> Uuid {
        Count::workspace(happening)
    }
}

fn start<const REPLICA: usize>(views: &Views) -> Running {
    let models: Vec<Box<dyn Model>> = vec![Box::new(Rows::<Counted<REPLICA>>::new())];
    Running::at_pace(views, models, Pace { pause: Duration::from_millis(1), ..Pace::default() })
}

async fn holder(views: &Views) -> Option<Uuid> {
    views.status().await.unwrap()[0].holder
}

/// Writes some events and waits until they are folded; answers with how many there are in all.
async fn grow(home: &Home, seed: u64) -> Position {
    let head = home.write_together(&Story::new(seed).tell(200)).await.next();
    wait_until(&home.views, "count", head).await;
    head
}

async fn assert_each_folded_once(home: &Home, head: Position) {
    let row = home.views.get::<Count>(INSTANCE, "all").await.unwrap().unwrap().row;
    assert_eq!(row, CountRow { events: head.0, positions: head.0 * (head.0 - 1) / 2 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_replica_folds_until_it_stops_and_then_another_does_at_once() {
    let home = Home::postgres().await;
    let one = start::<0>(&home.views);
    let before = grow(&home, 1).await;
    let replica = home.replica().await;
    let other = start::<1>(&replica);
    grow(&home, 2).await;
    let head = grow(&home, 3).await;
    assert_eq!((folded(0), folded(1)), (head.0, 0), "only one folds");
    assert_eq!(holder(&replica).await, Some(one.replica));
    assert!(head > before);
    let began = Instant::now();
    one.stop().await;
    let last = grow(&home, 4).await;
    eprintln!("a replica that stopped was followed within {:?}", began.elapsed());
    // Sooner than its lease would have run out.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!((folded(0), folded(1)), (head.0, last.0 - head.0));
    assert_eq!(holder(&replica).await, Some(other.replica));
    other.stop().await;
    assert_eq!(holder(&replica).await, None, "nobody is there");
    assert_each_folded_once(&home, last).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_takes_over_within_five_seconds_of_a_death() {
    let home = Home::postgres().await;
    let one = start::<2>(&home.views);
    let before = grow(&home, 1).await;
    let replica = home.replica().await;
    let other = start::<3>(&replica);
    grow(&home, 2).await;
    one.kill().await;
    let began = Instant::now();
    let head = grow(&home, 3).await;
    eprintln!("a replica that died was followed within {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(holder(&replica).await, Some(other.replica));
    assert!(head > before && folded(3) > 0);
    other.stop().await;
    assert_each_folded_once(&home, head).await;
}

/// As [`Count`], held up at the first event.
struct Stuck;

static FOLDING: Notify = Notify::const_new();
static HELD_UP: Mutex<bool> = Mutex::new(true);
static GO_ON: Condvar = Condvar::new();

impl Projection for Stuck {
    const NAME: &'static str = Count::NAME;
    const VERSION: u32 = Count::VERSION;
    type Row = CountRow;

    fn key(happening: &Happening) -> Option<String> {
        Count::key(happening)
    }

    fn fold(row: Option<CountRow>, happening: &Happening) -> Result<Option<CountRow>, Misfit> {
        FOLDING.notify_one();
        tokio::task::block_in_place(|| {
            drop(GO_ON.wait_while(HELD_UP.lock().unwrap(), |held_up| *held_up).unwrap());
        });
        Count::fold(row, happening)
    }

    fn workspace(happening: &Happening) -> Uuid {
        Count::workspace(happening)
    }
}

/// It is held up in the middle of its transaction, with its checkpoint in its hands: its process was
/// stopped, or the network is gone and the database doesn't know it yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holder_that_comes_back_late_writes_nothing_twice() {
    let home = Home::postgres().await;
    let replica = home.replica().await;
    home.write_together(&Story::new(9).tell(50)).await;
    let one = Running::start(&home.views, vec![Box::new(Rows::<Stuck>::new())]);
    FOLDING.notified().await;
    let other = start::<4>(&replica);
    let began = Instant::now();
    let head = home.write_together(&Story::new(1).tell(200)).await.next();
    wait_until(&replica, "count", head).await;
    eprintln!("a replica that hung was followed within {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(folded(4), head.0, "the one before had written nothing");
    *HELD_UP.lock().unwrap() = false;
    GO_ON.notify_all();
    let last = home.write_together(&Story::new(2).tell(200)).await.next();
    wait_until(&replica, "count", last).await;
    assert_eq!(holder(&replica).await, Some(other.replica));
    assert_each_folded_once(&home, last).await;
    one.stop().await;
    other.stop().await;
}
