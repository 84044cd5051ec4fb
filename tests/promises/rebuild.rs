//! Rebuilds, whatever happens: the service is killed again and again while it builds under appends, and
//! what comes out equals a fresh fold; no read is wrong while versions are swapped and rolled back; an
//! event that can't be folded stops the build visibly, and what is read stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::{Value, json};
use tollbook::book::Draft;
use tollbook::clock::Clock;
use tollbook::credential::{Credential, Kind};
use tollbook_aggregates::{Epoch, Grant, MadeWith, Session, SessionEvent, SessionId, WorkspaceId};
use tollbook_journal::{Database, Expected};

use super::figures::{count, fault, ms, percentile};
use super::load::Door;
use super::service::{First, Home, Service};
use crate::house::CLUSTER;

/// How long anything may take. Generous: both cores may be busy.
const PATIENCE: Duration = Duration::from_secs(180);
/// The one that is tried.
const SESSIONS: &str = "/v1/operator/projections/session";

/// How the read model is, once `when` says so.
async fn projection(door: &Door, when: impl Fn(&Value) -> bool) -> Value {
    let patience = Instant::now() + PATIENCE;
    loop {
        let now = door.get(SESSIONS).await.expect("it answers").expect(200);
        if when(&now) {
            return now;
        }
        assert!(Instant::now() < patience, "{now:#}");
        tokio::task::yield_now().await;
    }
}

fn has_ended(projection: &Value) -> bool {
    !["building", "comparing"].contains(&projection["build"]["state"].as_str().unwrap_or_default())
}

async fn ordered(door: &Door, what: &str, status: u16) {
    door.post(&format!("{SESSIONS}/{what}"), &json!({})).await.expect("it answers").expect(status);
}

/// So many sessions, written straight into the book: as fast as can be.
async fn fill(home: &Home, first: &First, sessions: usize) {
    let app = home.open().await;
    let workspace: WorkspaceId = first.workspace.parse().expect("an id");
    let verifier =
        Credential::mint(Kind::Session, app.random.as_ref()).expect("randomness").verifier(&app.pepper);
    let created = || {
        let grant = Grant {
            workspace_id: workspace,
            user_id: Clock::fresh_id(),
            made_with: MadeWith::ApiKey(Clock::fresh_id()),
            loadout_id: Clock::fresh_id(),
            loadout_version: 1,
            verifier,
            expires_at: app.clock.now() + TimeDelta::days(1),
            max_calls: None,
            epoch: Epoch::FIRST,
        };
        let event = SessionEvent::Created { grant, label: None };
        let id: SessionId = Clock::fresh_id();
        Draft::new::<Session>(workspace.0, id.0, Expected::NoStream, &[event]).expect("it serializes")
    };
    for _ in 0..sessions.div_ceil(500) {
        let drafts = (0..500).map(|_| created()).collect();
        app.commands.write_as_system(drafts).await.expect("it is written").expect("it is accepted");
    }
    home.close(app).await;
}

/// Killed `kills` times while it builds and sessions are made; answers with how many kills struck a build
/// that had begun to be written and wasn't at its end.
async fn killed_while_building(home: &Home, first: &First, kills: usize) -> (usize, Vec<Duration>) {
    let (mut struck, mut starts) = (0, Vec::new());
    for life in 0..kills {
        let began = Instant::now();
        let service = home.serve().await;
        starts.push(began.elapsed());
        let (operator, owner) = (service.door(&first.operator), service.door(&first.key));
        if life == 0 {
            ordered(&operator, "rebuild", 202).await;
        }
        let appends = appending(owner, &first.workspace);
        let from = projection(&operator, |now| now["build"].is_object()).await;
        let from = from["build"]["position"].as_u64().unwrap_or(0);
        let reached = projection(&operator, |now| {
            has_ended(now) || now["build"]["position"].as_u64().is_some_and(|position| position > from)
        })
        .await;
        struck += usize::from(!has_ended(&reached));
        service.kill9().await;
        appends.abort();
    }
    (struck, starts)
}

/// Keeps making workspace events until it is ended.
fn appending(door: Door, workspace: &str) -> tokio::task::JoinHandle<()> {
    let path = format!("/v1/workspaces/{workspace}/tool-servers");
    let body = json!({ "name": "x", "url": "http://127.0.0.1:9/" });
    tokio::spawn(async move { while door.post(&path, &body).await.is_ok() {} })
}

async fn survives_kills(name: &str, home: Home, sessions: usize, kills: usize) {
    let first = home.bootstrap().await;
    fill(&home, &first, sessions).await;
    let (struck, starts) = killed_while_building(&home, &first, kills).await;
    let service = home.serve().await;
    let operator = service.door(&first.operator);
    let rebuilt = projection(&operator, has_ended).await;
    assert_eq!(rebuilt["build"]["state"], "swapped", "{rebuilt:#}");
    ordered(&operator, "verify", 202).await;
    let verified = projection(&operator, has_ended).await;
    let (state, differences) = (&verified["build"]["state"], &verified["build"]["differences"]);
    assert_eq!((state, differences), (&json!("verified"), &json!(0)), "{verified:#}");
    fault(
        16,
        name,
        &format!("{struck} of {kills} kills while it was written"),
        &[
            ("events", verified["build"]["target"].to_string()),
            ("differences from a fresh fold", differences.to_string()),
            ("events/s of the last stretch", rebuilt["build"]["events_per_second"].to_string()),
            ("start p50", ms(percentile(starts, 0.5))),
        ],
    );
    assert!(struck > 0, "no kill struck a build");
    service.kill9().await;
}

/// Readers who check every answer, until they are told to stop.
struct Readers {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<Vec<Duration>>>,
}

impl Readers {
    /// Each asks for the newest page of sessions: it is always full, and begins with the newest session.
    fn start(door: &Door, workspace: &str, newest: &str) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let tasks = (0..2).map(|_| {
            let (door, stop, answers) = (door.clone(), Arc::clone(&stop), Arc::clone(&answers));
            let (path, newest) = (format!("/v1/workspaces/{workspace}/sessions?limit=50"), newest.to_owned());
            tokio::spawn(async move {
                let mut took = Vec::new();
                while !stop.load(Ordering::Acquire) {
                    let began = Instant::now();
                    let page = door.get(&path).await.expect("it answers").expect(200);
                    took.push(began.elapsed());
                    assert_eq!(page["items"].as_array().map(Vec::len), Some(50), "never a short page");
                    assert_eq!(page["items"][0]["id"], newest, "never an older state");
                    answers.fetch_add(1, Ordering::Release);
                }
                took
            })
        });
        let tasks = tasks.collect();
        Self { stop, answers, tasks }
    }

    /// Waits until they have had so many answers more.
    async fn read(&self, more: usize) {
        let enough = self.answers.load(Ordering::Acquire) + more;
        while self.answers.load(Ordering::Acquire) < enough {
            assert!(self.tasks.iter().all(|task| !task.is_finished()), "a reader found something wrong");
            tokio::task::yield_now().await;
        }
    }

    async fn stop(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Release);
        let mut took = Vec::new();
        for task in self.tasks {
            took.extend(task.await.expect("every answer was right"));
        }
        took
    }
}

async fn newest_session(door: &Door, workspace: &str) -> String {
    let path = format!("/v1/workspaces/{workspace}/sessions?limit=1");
    let page = door.get(&path).await.expect("it answers").expect(200);
    page["items"][0]["id"].as_str().expect("there is one").to_owned()
}

async fn reads_stay_right(name: &str, home: Home, sessions: usize, flips: usize) {
    let first = home.bootstrap().await;
    fill(&home, &first, sessions).await;
    let service = home.serve().await;
    let (operator, owner) = (service.door(&first.operator), service.door(&first.key));
    projection(&operator, |now| now["lag"] == 0).await;
    let newest = newest_session(&owner, &first.workspace).await;

    let quiet = Readers::start(&owner, &first.workspace, &newest);
    quiet.read(300).await;
    let quiet = quiet.stop().await;

    let busy = Readers::start(&owner, &first.workspace, &newest);
    ordered(&operator, "rebuild", 202).await;
    let rebuilt = projection(&operator, has_ended).await;
    assert_eq!(rebuilt["build"]["state"], "swapped", "{rebuilt:#}");
    let busy = busy.stop().await;

    let flipped = Readers::start(&owner, &first.workspace, &newest);
    let mut flip_took = Vec::new();
    for _ in 0..flips {
        let began = Instant::now();
        ordered(&operator, "rollback", 200).await;
        flip_took.push(began.elapsed());
        flipped.read(4).await;
    }
    let flipped = flipped.stop().await;
    fault(
        16,
        name,
        &format!("{flips} flips under load"),
        &[
            ("reads during a rebuild", busy.len().to_string()),
            ("during flips", flipped.len().to_string()),
            ("wrong or empty", 0.to_string()),
            ("read p50 before", micros(&quiet)),
            ("during the rebuild", micros(&busy)),
            ("rollback p50", ms(percentile(flip_took, 0.5))),
            ("events/s", rebuilt["build"]["events_per_second"].to_string()),
        ],
    );
    poison(&service, &home, &first, &operator, &newest).await;
    service.kill9().await;
}

fn micros(took: &[Duration]) -> String {
    format!("{} µs", percentile(took.to_vec(), 0.5).as_micros())
}

/// An event whose payload nobody can decode (an owner's hand in the tables) stops the build; reads stay.
async fn poison(service: &Service, home: &Home, first: &First, operator: &Door, newest: &str) {
    let Some((_, url)) = &home.database else { return };
    let database = Database::connect(&url.parse().expect("a URL")).await.expect("it can be reached");
    let Database::Postgres(pool) = &database else { return };
    for sql in [
        "ALTER TABLE events_p000000 DISABLE TRIGGER refuse_change",
        "UPDATE events_p000000 SET payload = '{\"nothing\": {}}' WHERE position =
            (SELECT min(position) + 7 FROM events WHERE event_type = 'session.created')",
        "ALTER TABLE events_p000000 ENABLE ALWAYS TRIGGER refuse_change",
    ] {
        sqlx::query(sql).execute(pool).await.expect("the owner may");
    }
    database.close().await;
    ordered(operator, "rebuild", 202).await;
    let stopped = projection(operator, has_ended).await;
    assert_eq!(stopped["build"]["state"], "stopped", "{stopped:#}");
    assert!(stopped["build"]["error"].is_string() && stopped["status"] == "running", "{stopped:#}");
    let read = newest_session(&service.door(&first.key), &first.workspace).await;
    assert_eq!(read, newest, "what was read is read still");
    let at = stopped["build"]["position"].to_string();
    fault(16, "poison event in a rebuild", &format!("stopped at {at}"), &[("skipped", 0.to_string())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rebuild_killed_under_appends_equals_a_fresh_fold_on_postgres() {
    survives_kills("rebuild killed, PostgreSQL", Home::postgres(&CLUSTER), 30_000, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rebuild_killed_under_appends_equals_a_fresh_fold_on_sqlite() {
    survives_kills("rebuild killed, SQLite", Home::sqlite(), 30_000, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_wrong_while_versions_are_swapped_on_postgres() {
    reads_stay_right("flip under load, PostgreSQL", Home::postgres(&CLUSTER), 5_000, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_wrong_while_versions_are_swapped_on_sqlite() {
    reads_stay_right("flip under load, SQLite", Home::sqlite(), 5_000, 10).await;
}

/// Fault 16.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn rebuilds_survive_kills_poison_and_flips() {
    let kills = count("TOLLBOOK_REBUILD_KILLS", 3);
    let sessions = count("TOLLBOOK_REBUILD_SESSIONS", 40_000);
    let flips = count("TOLLBOOK_REBUILD_FLIPS", 50);
    survives_kills("rebuild killed again and again, PostgreSQL", Home::postgres(&CLUSTER), sessions, kills)
        .await;
    survives_kills("rebuild killed again and again, SQLite", Home::sqlite(), sessions, kills).await;
    reads_stay_right("flips under load, PostgreSQL", Home::postgres(&CLUSTER), sessions, flips).await;
    reads_stay_right("flips under load, SQLite", Home::sqlite(), sessions, flips).await;
}
