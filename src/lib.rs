//! Tollbook: an authorization service and gateway for the tools of AI agents.
//!
//! Every tool call is decided, written in an event-sourced book, and only then forwarded, with a
//! token that the agent never sees. `ARCHITECTURE.md` is the map of these rooms, and
//! `tests/arrows` keeps what may import what.

pub mod api_keys;
pub mod app;
pub mod authn;
pub mod authority;
pub mod book;
pub mod bounds;
pub mod calls;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod console;
pub mod credential;
pub mod doctor;
pub mod erasure;
pub mod forward;
pub mod founding;
pub mod gateway;
pub mod host;
pub mod http;
pub mod keys;
pub mod last_used;
pub mod limits;
pub mod links;
pub mod mcp;
pub mod outbound;
pub mod problem;
pub mod redaction;
pub mod replicas;
pub mod reveal;
pub mod sample;
pub mod server;
pub mod strangers;
pub mod telemetry;
pub mod upstream;
