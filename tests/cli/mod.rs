//! The command, run as a process in an empty directory: what it prints, how it ends, what it leaves.

mod bootstrap;
mod clients;
mod configuration;
mod credentials;
mod demo;
pub mod machine;
mod on_host;
mod people;
mod secrets_at_a_terminal;
mod serving;
mod shown;
mod terminal;
mod tour;
