//! What the book promises, on both of its homes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, reason = "small numbers")]

mod given;
mod home;
mod order;
