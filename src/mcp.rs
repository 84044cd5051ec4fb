//! The Model Context Protocol as it stands on the wire: revisions, names, codes, messages.
//!
//! Both sides of the gateway use this room: `gateway` towards agents, `upstream` towards tool
//! servers. Messages are read without decoding what they carry: [`Object`] keeps every byte of a
//! JSON object and changes only the members that must change. Typed models of the protocol are
//! deliberately absent, since they lose what they don't know.

pub mod message;
mod mirrored;
mod object;
pub mod sse;

pub use message::{Id, Message, RpcError};
pub use mirrored::{MirrorMismatch, Mirrored, decode as decode_header, encode as encode_header};
pub use object::{NotAnObject, Object, within_depth};

/// The current revision: stateless, with `_meta` on every request.
pub const MODERN: &str = "2026-07-28";
/// The newest revision with a handshake.
pub const LEGACY: &str = "2025-11-25";
/// Every revision that is spoken here, newest first.
///
/// 2025-03-26 is not among them: it obliges a server to take batches.
pub const REVISIONS: [&str; 3] = [MODERN, LEGACY, "2025-06-18"];

/// Is this one of the revisions with a handshake that are spoken here?
pub fn is_legacy(revision: &str) -> bool {
    revision != MODERN && REVISIONS.contains(&revision)
}

/// Header names, in lower case.
pub mod header {
    /// The revision of a request.
    pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
    /// The body's method (2026-07-28).
    pub const METHOD: &str = "mcp-method";
    /// The tool's name, where the method is `tools/call` (2026-07-28).
    pub const NAME: &str = "mcp-name";
    /// What the names of mirrored parameters begin with (2026-07-28).
    pub const PARAM_PREFIX: &str = "mcp-param-";
    /// The protocol session (2025-11-25 and before).
    pub const SESSION_ID: &str = "mcp-session-id";
}

/// Keys of `_meta` that the protocol defines.
pub mod meta {
    /// The revision of a request.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// The client's own name and version for itself.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// What the client can do.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// From which level on the client wants log messages.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// The server's own name and version for itself.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// Asks for progress notifications, and names them.
    pub const PROGRESS_TOKEN: &str = "progressToken";
}

/// Codes of JSON-RPC errors.
pub mod code {
    /// The body isn't JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// The body isn't a JSON-RPC request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// There is no such method here.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters don't fit the method; also for an unknown tool.
    pub const INVALID_PARAMS: i64 = -32602;
    /// Something went wrong on the server's side.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// Headers and body disagree, or a required header is missing.
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The client didn't declare what the request needs.
    pub const MISSING_CAPABILITY: i64 = -32021;
    /// The revision isn't spoken here.
    pub const UNSUPPORTED_VERSION: i64 = -32022;
}
