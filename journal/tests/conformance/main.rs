//! What the book promises, on both of its homes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small numbers")]
#![allow(clippy::print_stdout, reason = "figures are for whoever runs the tests")]

mod checks;
mod crowd;
mod damage;
mod feed;
mod fence;
mod given;
mod growth;
mod home;
mod killed;
mod opening;
mod order;
mod outage;
mod repeated;
mod settings;
mod silent;
mod snapshot;
mod stock;
mod storable;
mod trouble;
mod wake;
