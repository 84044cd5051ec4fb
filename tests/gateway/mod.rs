//! The session URL and the tool servers behind it, with real clients and real servers of both eras.

mod calls;
mod clients;
mod echoed;
mod endings;
mod last_used;
mod refusals;
mod sample;
mod setting;
mod support;
mod upstream;
mod wire;
