//! Logs: to standard error, as text or as JSON. No secret is ever a field, and what looks like one is
//! taken out all the same ([`crate::redaction`]). And what a crash would say: its place, and no more.

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::process::{Resource, Rlimit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::redaction::Stderr;

/// What libraries say of themselves: each start and stop of a thread of the server, that a table is there already,
/// and an error for each request that can't be parsed, which anybody can send. A filter that names one of them says
/// otherwise.
const HUSHED: &str = "actix_server=warn,actix_http::h1::dispatcher=off,actix_http::h1::decoder=off,sqlx::postgres::notice=warn";

/// Starts logging what `filter` lets through. A second start changes nothing.
///
/// # Errors
/// When the filter isn't one.
pub fn start(filter: &str, json: bool) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::try_new(format!("{HUSHED},{filter}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_span_events(FmtSpan::NONE);
    // Already started means that a test or an embedding program logs its own way.
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
    Ok(())
}

/// From now on a panic says where it happened, on standard error, and nothing of what was at hand there.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| Stderr::line(&report(panic))));
}

/// From now on a crash leaves no picture of this process's memory, with all keys in it, behind: neither in a file nor with
/// a program that collects them (`core(5)`), and no other process of the same user reads it either.
pub fn leave_no_core() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = rustix::process::setrlimit(Resource::Core, none);
    // The limit isn't asked where a program collects them.
    #[cfg(target_os = "linux")]
    let limited = limited.and(set_dumpable_behavior(DumpableBehavior::NotDumpable));
    if let Err(error) = limited {
        Stderr::line(&format!("warning: a crash of this process may leave its memory in a file: {error}"));
    }
}

/// A message that is written in the code is shown. One that was put together when it happened may hold
/// whatever went wrong there, a name or a key, and isn't: the place says enough to find it.
fn report(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload().downcast_ref::<&'static str>();
    let message = message.copied().unwrap_or("its message is not shown, for what it may hold");
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let thread = std::thread::current();
    format!("error: a panic at {place} in thread `{}`: {message}", thread.name().unwrap_or("unnamed"))
}
