//! What the book promises, on both of its homes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, reason = "small numbers")]

mod checks;
mod damage;
mod fence;
mod given;
mod growth;
mod home;
mod opening;
mod order;
mod outage;
mod repeated;
mod stock;
mod storable;
mod trouble;
mod wake;
