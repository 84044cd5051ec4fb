//! The guarded client's promises, against real listeners on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod addresses;
mod bounds;
mod connections;
mod privacy;
mod support;
mod urls;
