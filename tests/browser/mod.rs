//! The console's pages in a real Chromium. What a page does is in `scenarios/`; here stands what it was given, and
//! what must be true afterwards.

mod first_owner;
mod forgery;
mod frame;
mod given;
mod keys;
mod limited;
mod links;
mod refusals;
mod signing_in;
