//! Real components for the tests: MCP servers and clients that we did not write, and the published schemas.
//!
//! `tools/setup` installs what they need. To add a component: a program under `tests/components`, a function here
//! that starts it, a row in `testkit/tests/components.rs` that shows it works with the others directly.
//!
//! Nothing here stands in for the real thing, and nothing here is part of the service.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "used by tests only: a component that can't start is a failed test, and says why"
)]

pub mod browser;
pub mod mcp;
pub mod node;
pub mod postgres;
mod process;
pub mod proxy;
pub mod python;
