//! Logs: to standard error, as text or as JSON. No secret is ever a field.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Starts logging what `filter` lets through. A second start changes nothing.
///
/// # Errors
/// When the filter isn't one.
pub fn start(filter: &str, json: bool) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::try_new(filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_span_events(FmtSpan::NONE);
    // Already started means that a test or an embedding program logs its own way.
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
    Ok(())
}
