//! Callers that keep a service busy, and remember every answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Nobody waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(90);
/// What a polite client leaves between an answer of 503 and the next try.
const BACK_OFF: Duration = Duration::from_millis(20);

/// A client of a service that may not be there.
#[derive(Clone)]
pub(super) struct Door {
    http: reqwest::Client,
    url: String,
    credential: String,
}

/// Whatever came back.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Said {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The body, if the status is the expected one.
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()
    }
}

impl Door {
    pub(super) fn new(url: &str, credential: &str) -> Self {
        // The service installs one when it starts; a test of a child process has none yet.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http =
            reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client can be made");
        Self { http, url: url.to_owned(), credential: credential.to_owned() }
    }

    /// A request that the caller may still change.
    pub(super) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.credential)
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> reqwest::Result<Said> {
        said(self.request(Method::POST, path).json(body)).await
    }

    pub(super) async fn get(&self, path: &str) -> reqwest::Result<Said> {
        said(self.request(Method::GET, path)).await
    }
}

/// Sends it, and takes whatever comes back.
pub(super) async fn said(request: reqwest::RequestBuilder) -> reqwest::Result<Said> {
    let response = request.send().await?;
    let (status, headers) = (response.status(), response.headers().clone());
    Ok(Said { status, headers, text: response.text().await? })
}

/// What a caller does again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Calls the tool `echo` through the service.
    Call,
    /// Asks for a permit that somebody else carries out.
    Authorize,
    /// Makes a session.
    CreateSession,
}

/// Where the work is done.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) workspace: String,
    pub(super) loadout: String,
    pub(super) session: String,
}

/// How one request ended.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) work: Work,
    /// Unique; the argument of a call, the label of a session.
    pub(super) text: String,
    pub(super) took: Duration,
    pub(super) end: End,
}

#[derive(Debug)]
pub(super) enum End {
    /// Acknowledged, with the position of what was written.
    Done(Value),
    /// 503; did it say when to try again?
    Unavailable { retry_after: bool, code: String },
    /// No answer: the service went away.
    Lost,
    /// Anything else.
    Other(Said),
}

impl Answered {
    /// The position that was acknowledged.
    pub(super) fn position(&self) -> Option<u64> {
        match &self.end {
            End::Done(body) => body["position"].as_u64(),
            _ => None,
        }
    }
}

/// How many answers of which kind each caller has had.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    works: Vec<Work>,
    pub(super) done: Vec<u64>,
    pub(super) unavailable: Vec<u64>,
}

impl Tally {
    pub(super) fn all_done(&self) -> u64 {
        self.done.iter().sum()
    }

    /// Calls that went through us.
    pub(super) fn calls(&self) -> u64 {
        let calls = self.works.iter().zip(&self.done).filter(|(work, _)| **work == Work::Call);
        calls.map(|(_, done)| done).sum()
    }
}

/// Callers at work.
pub(super) struct Load {
    shared: Arc<Shared>,
    callers: JoinSet<()>,
}

struct Shared {
    door: Door,
    place: Place,
    run: String,
    stop: CancellationToken,
    tally: watch::Sender<Tally>,
    in_flight: AtomicUsize,
    answers: Mutex<Vec<Answered>>,
}

impl Load {
    /// One caller for each work; `run` makes the texts of this load unlike those of any other.
    pub(super) fn start(door: &Door, place: &Place, run: &str, works: &[Work]) -> Self {
        let tally =
            Tally { works: works.to_vec(), done: vec![0; works.len()], unavailable: vec![0; works.len()] };
        let shared = Arc::new(Shared {
            door: door.clone(),
            place: place.clone(),
            run: run.to_owned(),
            stop: CancellationToken::new(),
            tally: watch::channel(tally).0,
            in_flight: AtomicUsize::new(0),
            answers: Mutex::default(),
        });
        let mut callers = JoinSet::new();
        for (number, work) in works.iter().enumerate() {
            callers.spawn(Arc::clone(&shared).work(number, *work));
        }
        Self { shared, callers }
    }

    /// Waits until the callers have come that far.
    pub(super) async fn until(&self, far: impl Fn(&Tally) -> bool) {
        let mut tally = self.shared.tally.subscribe();
        let waited = timeout(PATIENCE, tally.wait_for(|tally| far(tally))).await;
        let waited = waited.unwrap_or_else(|_| panic!("nothing may hang: {:?}", self.shared.tally.borrow()));
        drop(waited.expect("the load goes on"));
    }

    pub(super) fn tally(&self) -> Tally {
        self.shared.tally.borrow().clone()
    }

    /// How many requests are open at this moment.
    pub(super) fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// Lets open requests end, and answers with all that was answered.
    pub(super) async fn stop(mut self) -> Vec<Answered> {
        self.shared.stop.cancel();
        let end = async { while self.callers.join_next().await.is_some() {} };
        timeout(PATIENCE, end).await.expect("no request hangs");
        std::mem::take(&mut *self.shared.answers.lock().expect("no caller panics"))
    }
}

impl Shared {
    async fn work(self: Arc<Self>, number: usize, work: Work) {
        for count in 0_u64.. {
            if self.stop.is_cancelled() {
                return;
            }
            let text = format!("{}-{number}-{count}", self.run);
            let asked = Instant::now();
            self.in_flight.fetch_add(1, Ordering::SeqCst);
            let end = end(self.ask(work, &text).await);
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            let (done, unavailable) = (matches!(end, End::Done(_)), matches!(end, End::Unavailable { .. }));
            let answered = Answered { work, text, took: asked.elapsed(), end };
            self.answers.lock().expect("no caller panics").push(answered);
            self.tally.send_modify(|tally| {
                tally.done[number] += u64::from(done);
                tally.unavailable[number] += u64::from(unavailable);
            });
            if !done {
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }

    async fn ask(&self, work: Work, text: &str) -> reqwest::Result<Said> {
        let Place { workspace, loadout, session } = &self.place;
        let arguments = json!({ "text": text });
        let workspace = format!("/v1/workspaces/{workspace}");
        match work {
            Work::Call => {
                let path = format!("{workspace}/sessions/{session}/tool-calls");
                self.door.post(&path, &json!({ "tool": "echo", "arguments": arguments })).await
            }
            Work::Authorize => {
                let body = json!({ "session_id": session, "tool": "echo", "arguments": arguments });
                self.door.post("/v1/authorize", &body).await
            }
            Work::CreateSession => {
                let body = json!({ "loadout_id": loadout, "label": text });
                self.door.post(&format!("{workspace}/sessions"), &body).await
            }
        }
    }
}

fn end(answer: reqwest::Result<Said>) -> End {
    let Ok(said) = answer else { return End::Lost };
    match said.status.as_u16() {
        200 | 201 => End::Done(said.json()),
        503 => {
            let code = said.json()["code"].as_str().unwrap_or_default().to_owned();
            End::Unavailable { retry_after: said.headers.contains_key(RETRY_AFTER), code }
        }
        _ => End::Other(said),
    }
}
