//! The MCP server that comes with Tollbook: a few small tools to try it out with, offline.
//!
//! It is a real server on the published Rust SDK, speaks every revision that the SDK does, and
//! listens on loopback only. `tollbook demo` puts all tools but [`LEFT_OUT`] into a loadout.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, schemars, tool, tool_handler, tool_router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::select;
use tokio_util::sync::CancellationToken;
use url::Url;

/// The tool that a careful loadout leaves out.
pub const LEFT_OUT: &str = "delete_everything";

/// A running server. It stops when this is dropped.
pub struct SampleServer {
    /// Its MCP endpoint.
    pub url: Url,
    calls: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl SampleServer {
    /// How many tool calls have reached it.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Drop for SampleServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves the sample tools on a listener of this machine.
///
/// # Errors
/// When the listener has no address.
pub fn start(listener: TcpListener) -> std::io::Result<SampleServer> {
    let address = listener.local_addr()?;
    let url = Url::parse(&format!("http://{address}/mcp")).map_err(std::io::Error::other)?;
    let stop = CancellationToken::new();
    let calls = Arc::new(AtomicU64::new(0));
    let tools = Tools { calls: Arc::clone(&calls) };
    let config = StreamableHttpServerConfig::default().with_cancellation_token(stop.clone());
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(tools.clone()), sessions, config);
    tokio::spawn(accept(listener, TowerToHyperService::new(service), stop.clone()));
    Ok(SampleServer { url, calls, stop })
}

type Service = TowerToHyperService<StreamableHttpService<Tools, LocalSessionManager>>;

async fn accept(listener: TcpListener, service: Service, stop: CancellationToken) {
    loop {
        let accepted = select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        // Answers are written in pieces: without this, each waits for the acknowledgement of the last, 40 ms.
        let _ = stream.set_nodelay(true);
        let (service, stop) = (service.clone(), stop.clone());
        tokio::spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            select! {
                () = stop.cancelled() => {}
                ended = connection => {
                    if let Err(error) = ended {
                        tracing::debug!(error, "a connection to the sample server broke");
                    }
                }
            }
        });
    }
}

#[derive(Clone)]
struct Tools {
    calls: Arc<AtomicU64>,
}

impl Tools {
    fn called(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Deserialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Text {
    /// Any text.
    text: String,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Pair {
    /// The first number.
    a: f64,
    /// The second number.
    b: f64,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Sum {
    sum: f64,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Words {
    words: usize,
}

#[tool_router]
impl Tools {
    #[tool(description = "Says back what it was told", annotations(read_only_hint = true))]
    async fn echo(&self, Parameters(Text { text }): Parameters<Text>) -> String {
        self.called();
        text
    }

    #[tool(description = "Adds two numbers", annotations(read_only_hint = true))]
    async fn add(&self, Parameters(Pair { a, b }): Parameters<Pair>) -> Json<Sum> {
        self.called();
        Json(Sum { sum: a + b })
    }

    #[tool(description = "Counts the words of a text", annotations(read_only_hint = true))]
    async fn word_count(&self, Parameters(Text { text }): Parameters<Text>) -> Json<Words> {
        self.called();
        Json(Words { words: text.split_whitespace().count() })
    }

    #[tool(
        description = "Stands for a tool that no agent should have. It deletes nothing.",
        annotations(destructive_hint = true)
    )]
    async fn delete_everything(&self) -> String {
        self.called();
        "Nothing was deleted: this is a sample. But the call came through.".to_owned()
    }
}

#[tool_handler(name = "tollbook-sample", version = "1.0.0")]
impl ServerHandler for Tools {}
