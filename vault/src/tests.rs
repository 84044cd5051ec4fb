//! The vault's promises, each tried by somebody who wants to break it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fields;
mod files;
mod keys;
mod places;
mod support;
