//! The client side of the protocol: towards tool servers over streamable HTTP, in either era.
//!
//! Which era a server lives in is found out once and remembered. Everything that a server defines or
//! answers stays as it wrote it. What a server asks back (sampling, elicitation, roots) is refused at
//! once, so that nothing hangs; carrying it is deliberately absent for now. Here nothing is decided
//! and nothing recorded: whoever calls has a permit, or asks for Tollbook itself.
//!
//! No error in here holds a URL or a secret.

mod answer;
mod call;
mod definition;
mod echo;
mod era;
mod error;
mod exchange;
mod legacy;
mod listing;
mod modern;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::future::Cache;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::value::RawValue;
use tollbook_aggregates::{SessionId, ToolServerId};
use url::Url;

use crate::mcp::{Id, Mirrored};
use crate::outbound::{self, Outbound};

pub use answer::{Answer, Frame, ToolResult, UpstreamAnswer};
pub use definition::{ToolDefinition, digest_of};
pub use error::UpstreamError;

/// Where a tool server lies, and what it takes to be let in.
#[derive(Debug, Clone)]
pub struct Target {
    /// Which.
    pub tool_server_id: ToolServerId,
    /// Its MCP endpoint.
    pub url: Url,
    /// Sent with every request; its value is marked as sensitive.
    pub header: Option<(HeaderName, HeaderValue)>,
}

/// For whom a server is asked. In the older era each has a protocol session of its own, so that what
/// a server remembers of one Tollbook session never shows in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// For the holder of a session.
    Session(SessionId),
    /// For Tollbook itself, which lists tools.
    Own,
}

/// A call to be made.
#[derive(Debug)]
pub struct UpstreamCall {
    /// For whom.
    pub lane: Lane,
    /// The server's own name for the tool.
    pub tool: String,
    /// As the agent wrote them, an object.
    pub arguments: Option<Box<RawValue>>,
    /// The `_meta` that the agent's request carried, an object.
    pub meta: Option<Box<RawValue>>,
    /// `Mcp-Param-…` headers of the agent's request that mean nothing to us.
    pub parameter_headers: Vec<(HeaderName, HeaderValue)>,
}

/// What a tool server may take of our time and memory.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From a tool call to its result.
    pub call: Duration,
    /// Between two messages of one answer.
    pub idle: Duration,
    /// For finding out the era, opening a protocol session, or one small message.
    pub handshake: Duration,
    /// For a whole list of tools.
    pub list: Duration,
    /// One message, in bytes.
    pub message: usize,
    /// All messages of one answer, in bytes.
    pub answer: u64,
    /// All definitions of one server, in bytes.
    pub definitions: usize,
    /// How many tools a server may list.
    pub tools: usize,
    /// How long a protocol session of the older era is kept unused.
    pub session_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            handshake: Duration::from_secs(10),
            list: Duration::from_secs(30),
            message: 16 * 1024 * 1024,
            answer: 128 * 1024 * 1024,
            definitions: 8 * 1024 * 1024,
            tools: 1_000,
            session_idle: Duration::from_secs(15 * 60),
        }
    }
}

impl From<Duration> for Limits {
    /// The defaults, with this long for a call.
    fn from(call: Duration) -> Self {
        Self { call, idle: call, ..Self::default() }
    }
}

/// Talks to tool servers. Cheap to clone.
#[derive(Clone)]
pub struct Upstreams {
    inner: Arc<Inner>,
}

struct Inner {
    outbound: Outbound,
    limits: Limits,
    next_id: AtomicU64,
    eras: Cache<ToolServerId, era::Known>,
    sessions: Cache<(ToolServerId, Lane), Arc<legacy::Session>>,
    /// Which parameters the tools of a server want to see in headers.
    mirrored: Cache<ToolServerId, Arc<HashMap<String, Mirrored>>>,
}

/// How many servers' eras, and how many protocol sessions, are remembered.
const SERVERS_KEPT: u64 = 10_000;
const SESSIONS_KEPT: u64 = 50_000;
/// A server that was upgraded is noticed after this long even if it still answers the older era.
const ERA_KEPT: Duration = Duration::from_secs(60 * 60);

impl Upstreams {
    /// Reaches servers through `outbound` and nothing else.
    pub fn new(outbound: &Outbound, limits: impl Into<Limits>) -> Self {
        let limits = limits.into();
        // A tool may think for as long as a call may take before it begins to answer.
        let patience = outbound::Limits { headers: limits.call, idle: limits.idle, ..Default::default() };
        let outbound = outbound.with_limits(patience);
        let sessions = Cache::builder()
            .max_capacity(SESSIONS_KEPT)
            .time_to_idle(limits.session_idle)
            .support_invalidation_closures()
            .eviction_listener(legacy::on_eviction(outbound.clone(), limits))
            .build();
        let inner = Inner {
            outbound,
            limits,
            next_id: AtomicU64::new(1),
            eras: Cache::builder().max_capacity(SERVERS_KEPT).time_to_live(ERA_KEPT).build(),
            sessions,
            mirrored: Cache::builder().max_capacity(SERVERS_KEPT).time_to_live(ERA_KEPT).build(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Forgets what is known of a server: it was changed or removed.
    pub async fn forget(&self, tool_server_id: ToolServerId) {
        self.inner.eras.invalidate(&tool_server_id).await;
        self.inner.mirrored.invalidate(&tool_server_id).await;
        self.end_sessions(move |(server, _)| *server == tool_server_id);
    }

    /// Ends the protocol sessions that were held for a Tollbook session: it has ended.
    pub fn end_session(&self, session_id: SessionId) {
        self.end_sessions(move |(_, lane)| *lane == Lane::Session(session_id));
    }

    fn end_sessions(&self, ends: impl Fn(&(ToolServerId, Lane)) -> bool + Send + Sync + 'static) {
        let ended = self.inner.sessions.invalidate_entries_if(move |key, _| ends(key));
        if let Err(error) = ended {
            // Only a cache built without that support refuses.
            tracing::error!(%error, "protocol sessions could not be ended");
        }
    }
}

impl Inner {
    fn fresh_id(&self) -> Id {
        Id::number(self.next_id.fetch_add(1, Ordering::Relaxed))
    }
}
