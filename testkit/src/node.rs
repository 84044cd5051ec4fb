//! MCP upstreams and clients made with the published TypeScript packages (`tests/components/node`).

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::process::{Program, Server, components};

/// A real MCP server on a free loopback port. It counts and keeps what reaches it, and ends on drop.
#[derive(Debug)]
pub struct Upstream {
    server: Server,
}

/// How an upstream is to behave.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Demand this header, name and value; anything else is answered 401.
    pub require_header: Option<(String, String)>,
    /// Send this header, name and value, with every answer.
    pub answer_header: Option<(String, String)>,
    /// The modern upstream serves requests of the older era too, without protocol sessions.
    pub both_eras: bool,
    /// Count only, keep nothing of what came: for benches.
    pub count_only: bool,
}

impl Upstream {
    /// The everything server (revisions 2025-11-25 and 2025-06-18, with protocol sessions).
    pub async fn legacy() -> Self {
        Self::legacy_with(&Settings::default()).await
    }

    /// The everything server with settings (`both_eras` has no meaning there).
    pub async fn legacy_with(settings: &Settings) -> Self {
        Self::start("legacy-server.mjs", settings).await
    }

    /// A server of revision 2026-07-28 with the tools of `tests/components/node/tools.mjs`.
    pub async fn modern() -> Self {
        Self::modern_with(&Settings::default()).await
    }

    /// The modern server with settings.
    pub async fn modern_with(settings: &Settings) -> Self {
        Self::start("modern-server.mjs", settings).await
    }

    async fn start(file: &str, settings: &Settings) -> Self {
        let mut program = Program::new("node").arg(script(file));
        if let Some((name, value)) = &settings.require_header {
            program = program.env("REQUIRE_HEADER", format!("{name}: {value}"));
        }
        if let Some((name, value)) = &settings.answer_header {
            program = program.env("ANSWER_HEADER", format!("{name}: {value}"));
        }
        if settings.both_eras {
            program = program.env("LEGACY", "stateless");
        }
        if settings.count_only {
            program = program.env("RECORD", "count");
        }
        Self { server: program.serve().await }
    }

    /// The MCP endpoint, `http://127.0.0.1:PORT/mcp`.
    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// What has reached the server until now.
    pub async fn calls(&self) -> Calls {
        let body = self.server.ask("GET", "/__calls", "").await;
        Calls(serde_json::from_str(&body).expect("the record is JSON"))
    }

    /// The modern server lists its tool `echo` with another description from now on, as a server that drifts.
    pub async fn drift(&self, description: &str) {
        let settings = json!({ "echo_description": description }).to_string();
        self.server.ask("POST", "/__control", &settings).await;
    }

    /// Kills the server; its port refuses connections from now on.
    pub async fn kill(&mut self) {
        self.server.kill().await;
    }
}

/// What has reached an upstream: counters of everything, and the last 20,000 requests as they came in.
#[derive(Debug, Clone)]
pub struct Calls(Value);

impl Calls {
    /// All HTTP requests to the MCP endpoint, refused ones included.
    pub fn requests(&self) -> u64 {
        self.number("/requests")
    }

    /// Requests without the required header.
    pub fn refused(&self) -> u64 {
        self.number("/refused")
    }

    /// All `tools/call` messages.
    pub fn tool_calls(&self) -> u64 {
        self.number("/tool_calls")
    }

    /// The `tools/call` messages for one tool.
    pub fn of(&self, tool: &str) -> u64 {
        self.0["by_tool"][tool].as_u64().unwrap_or(0)
    }

    /// The messages of one JSON-RPC method.
    pub fn of_method(&self, method: &str) -> u64 {
        self.0["by_method"][method].as_u64().unwrap_or(0)
    }

    /// The requests kept, oldest first: `http_method`, `path`, `headers` (lower-case names), `message` (the
    /// JSON-RPC body, null where there was none), `refused`, `status`, and `outcome`: `open`, `answered`, or
    /// `aborted` where the caller went away first.
    pub fn entries(&self) -> &[Value] {
        self.0["entries"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The kept `tools/call` requests.
    pub fn tool_call_entries(&self) -> impl Iterator<Item = &Value> {
        self.entries().iter().filter(|entry| entry["message"]["method"] == "tools/call")
    }

    /// Does `text` stand anywhere in what arrived, in a path, a header or a body? For canaries.
    pub fn contain(&self, text: &str) -> bool {
        // As JSON, so that what needs escaping is found in its escaped form.
        let needle = Value::from(text).to_string();
        self.0.to_string().contains(needle.trim_matches('"'))
    }

    fn number(&self, pointer: &str) -> u64 {
        self.0.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
    }
}

/// The client programs, by package and mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `@modelcontextprotocol/client` 2.4, revision 2026-07-28 and nothing else.
    V2Modern,
    /// The same, asking first and falling back to the handshake.
    V2Auto,
    /// The same, with the handshake only (2025-11-25).
    V2Legacy,
    /// `@modelcontextprotocol/sdk` 1.32, revision 2025-11-25.
    V1November,
    /// The same, offering 2025-06-18.
    V1June,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::V2Modern, Self::V2Auto, Self::V2Legacy, Self::V1November, Self::V1June];

    const fn program(self) -> (&'static str, &'static str) {
        match self {
            Self::V2Modern => ("client-v2.mjs", "modern"),
            Self::V2Auto => ("client-v2.mjs", "auto"),
            Self::V2Legacy => ("client-v2.mjs", "legacy"),
            Self::V1November => ("client-v1.mjs", "2025-11-25"),
            Self::V1June => ("client-v1.mjs", "2025-06-18"),
        }
    }
}

/// Runs a client against `url` with `token` as bearer (none if empty). `args` is the command: `["list"]`,
/// `["discover"]` or `["call", NAME, JSON]`.
///
/// Answers with `{ ok: true, protocol_version, server, result }` or `{ ok: false, protocol_version, error: { kind,
/// code, message, http_status, data } }`; the result is what the package made of the answer, not the raw bytes.
pub async fn client(kind: Kind, url: &str, token: &str, args: &[&str]) -> Value {
    let (file, mode) = kind.program();
    let program =
        Program::new("node").arg(script(file)).arg(url).env("MODE", mode).env("TOLLBOOK_TOKEN", token);
    args.iter().fold(program, |program, arg| program.arg(*arg)).answer().await
}

fn script(file: &str) -> String {
    let path: PathBuf = components().join("node").join(file);
    path.to_string_lossy().into_owned()
}
