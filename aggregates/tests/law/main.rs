//! What holds for the law as a whole: its list of events, and that only what narrows can refuse, and that
//! no secret leads to one that may more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod covering;
mod every_event;
mod golden;
mod histories;
mod listed;
mod monotone;
mod world;
