//! Black-box tests: through HTTP and the command, on both books, with real components.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs, unreachable_pub)]

mod browser;
mod cli;
mod doctor;
mod gateway;
mod house;
mod http;
mod promises;
