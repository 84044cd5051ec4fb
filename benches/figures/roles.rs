//! Servers to compare with, each a process of its own: this program again, in another role.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use actix_web::middleware::from_fn;
use actix_web::web::{self, Json};
use actix_web::{App, HttpServer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::child::Running;

const EMPTY: &str = "role-empty-handler";
const SAMPLE: &str = "role-sample-server";

/// The question of `/v1/authorize`, parsed as strictly.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "what is asked is parsed and not looked at")]
struct Question {
    session_id: Uuid,
    tool: String,
    arguments: Option<Box<RawValue>>,
    mode: Option<String>,
}

/// As long as the service's answer.
#[derive(Debug, Serialize)]
struct Answer {
    decision: &'static str,
}

/// A server that does with a request all that the service does, but for deciding: the same middleware,
/// the same body parsed, the same number of workers.
pub fn empty_handler(workers: usize, dir: &Path) -> Running {
    start(EMPTY, workers, dir)
}

/// The bundled sample tool server.
pub fn sample_server(dir: &Path) -> Running {
    start(SAMPLE, 1, dir)
}

fn start(role: &str, workers: usize, dir: &Path) -> Running {
    let program = std::env::current_exe().expect("this program lies somewhere");
    Running::start(program, &[role, &workers.to_string()], dir)
}

/// Plays the role that the arguments name, until standard input ends. `false` if they name none.
pub fn play() -> bool {
    let mut args = std::env::args().skip(1);
    let (Some(role), Some(workers)) = (args.next(), args.next()) else { return false };
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match role.as_str() {
        EMPTY => runtime().block_on(serve_empty(workers.parse().unwrap())),
        SAMPLE => runtime().block_on(serve_sample()),
        _ => return false,
    }
    true
}

async fn serve_empty(workers: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    announce(&format!("http://{}/v1/authorize", listener.local_addr().unwrap()));
    let server = HttpServer::new(|| {
        App::new().route("/v1/authorize", web::post().to(empty)).wrap(from_fn(tollbook::http::edge))
    });
    let server = server.workers(workers).disable_signals().listen(listener).unwrap().run();
    let task = tokio::spawn(server);
    stdin_ends().await;
    task.abort();
}

async fn empty(question: Json<Question>) -> Json<Answer> {
    drop(question);
    Json(Answer { decision: "permit" })
}

async fn serve_sample() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = tollbook::sample::start(listener).unwrap();
    announce(server.url.as_str());
    stdin_ends().await;
    drop(server);
}

fn announce(url: &str) {
    println!("{url}");
    std::io::stdout().flush().unwrap();
}

async fn stdin_ends() {
    let read = || std::io::stdin().read_to_end(&mut Vec::new());
    let _ = tokio::task::spawn_blocking(read).await;
}
