//! The book: one total order of events, on `PostgreSQL` or `SQLite`.
//!
//! Every event has a [`Position`]: 0, 1, 2, … without gaps, assigned under one lock and visible in
//! that order. A replica decides on state that is exact up to some position and appends with that
//! position as its *fence*; under the lock the book refuses it if anything was narrowed since. So a
//! decision and its record have one place in one order, whatever a replica's memory held.
//!
//! [`Journal`] is the face: append, read, follow. [`mod@entry`] is what proofs are built over.
//! Deliberately absent: what events mean, sealing, and read models; those are other rooms.

mod admission;
mod answers;
mod append;
mod backend;
mod batch;
mod batcher;
mod clock;
mod commitments;
mod database;
pub mod entry;
mod event;
pub mod examine;
mod failpoint;
mod head;
mod journal;
mod lending;
mod queue;
mod read;
mod reading;
mod schema;
mod settings;
mod sqlite_book;
mod tail;
mod wake;

pub use answers::Answers;
pub use append::{Append, Appended, Budget, Committed, Expected, Idempotency, Refused, Write};
pub use backend::postgres::PartitionTrouble;
pub use clock::BookClock;
pub use database::{Database, DatabaseUrl, OpenError};
pub use event::{Body, INSTANCE, NewEvent, Position, Recorded, SealedField, Stream};
pub use failpoint::{Failpoint, Failpoints};
pub use head::Head;

pub use journal::Journal;
pub use lending::rows;
pub use read::{Filter, Page, ReadError};
pub use reading::{ControlEvent, ControlPage, StoredAnswer};
pub use schema::{check, migrate};
pub use settings::Settings;
pub use sqlite_book::SqliteBook;
pub use tail::LostTail;

#[cfg(all(feature = "fence-off", not(debug_assertions)))]
compile_error!("the feature `fence-off` is for tests: it must not be in a release");
