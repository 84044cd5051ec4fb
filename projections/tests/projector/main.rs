//! What the projector promises, on both of the book's homes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod follow;
mod home;
mod lease;
mod misfit;
mod reading;
mod rebuild;
mod replay;
mod story;
mod tables;
mod toy;
