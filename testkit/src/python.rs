//! MCP client made with `PyPI`'s `mcp` (`tests/components/python`).

use serde_json::Value;

use crate::process::{Program, components};

/// How the client agrees on a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 2026-07-28 and nothing else, without asking first.
    Modern,
    /// Asks with `server/discover`, falls back to the handshake.
    Auto,
    /// The handshake only (2025-11-25).
    Legacy,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Modern, Self::Auto, Self::Legacy];

    const fn mode(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Auto => "auto",
            Self::Legacy => "legacy",
        }
    }
}

/// Runs the client; arguments and answer as in [`crate::node::client`].
pub async fn client(kind: Kind, url: &str, token: &str, args: &[&str]) -> Value {
    let home = components().join("python");
    let program = Program::new(home.join(".venv/bin/python"))
        .arg(home.join("client.py").to_string_lossy())
        .arg(url)
        .env("MODE", kind.mode())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("TOLLBOOK_TOKEN", token);
    args.iter().fold(program, |program, arg| program.arg(*arg)).answer().await
}
