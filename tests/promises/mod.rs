//! The four promises of the house, each with tests that try to break it.
//!
//! 1. Nothing happens off the book: `outage`, `exhausted`, `crash`, `stop`, `stuck`,
//!    `orphans`.
//! 2. No is no, at once: `race`, `crowd`, `expiry`, `skew`, `memory`, `credentials`,
//!    `cut_off`, `departed`, `swept`.
//! 3. Secrets stay in: `canary`, `panics`, `core_files`, `secret_types`, `forgotten`.
//! 4. The book can be proved: what it takes of order and completeness, `crash` and `paging`; the rest
//!    comes with the tree.
//!
//! Besides, what must hold of every write and list: `repetition`, `paging`; and what one of many may ask:
//! `limits`, `requests`, `guidance`; and what lies beside the book: `last_used`. Each test prints its figures. The long forms are ignored here and run by `make faults`; how
//! long, the environment says ([`figures::count`]).

mod book;
mod canary;
mod core_files;
mod crash;
mod credentials;
mod crowd;
mod cut_off;
mod departed;
mod disk;
mod exhausted;
mod expiry;
mod figures;
mod forgotten;
mod furnished;
mod guidance;
mod last_used;
mod limits;
mod load;
mod memory;
mod orphans;
mod outage;
mod paging;
mod panics;
mod race;
mod rebuild;
mod recorded;
mod refusals;
mod repetition;
mod requests;
mod secret_types;
mod service;
mod skew;
mod stop;
mod stuck;
mod swept;
mod tenant;
mod turns;
