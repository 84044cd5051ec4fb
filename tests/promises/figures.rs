//! Figures of a run: printed, and how large it is to be.

use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

/// How many of something a long run does: the environment variable, or `short`.
pub(super) fn count<N: FromStr>(variable: &str, short: N) -> N {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not `{text}`")),
        Err(_) => short,
    }
}

/// A row of the table that `make faults` prints: the fault's number there (`docs/benchmarks/faults.md`), what was tried, and what shows that the fault really struck. Print it
/// before anything is asserted: a row whose test fails is one that didn't hold.
pub(super) fn fault(number: u32, experiment: &str, struck: &str, figures: &[(&str, String)]) {
    let mut all = vec![("struck", struck.to_owned())];
    all.extend_from_slice(figures);
    print(&format!("fault {number} · {experiment}"), &all);
}

/// One line of figures.
#[expect(clippy::print_stdout, reason = "figures are for whoever runs the tests")]
pub(super) fn print(experiment: &str, figures: &[(&str, String)]) {
    let mut line = format!("figures · {experiment}");
    for (name, value) in figures {
        let _ = write!(line, " · {name} {value}");
    }
    println!("{line}");
}

/// The `share` (0.5 is the median, 1.0 the largest) of what was measured.
pub(super) fn percentile(mut measured: Vec<Duration>, share: f64) -> Duration {
    measured.sort_unstable();
    let last = measured.len().saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let place = (last as f64 * share).round() as usize;
    measured.get(place).copied().unwrap_or_default()
}

/// In whole milliseconds.
pub(super) fn ms(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
