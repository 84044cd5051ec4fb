//! Watching a build to its end: a bar on a terminal, nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::fields::{number_of, text_of};

/// How often the service is asked.
const ASK: Duration = Duration::from_millis(200);

/// The newest build of a projection, as the service tells of it.
pub(super) fn build_of(projection: &Value) -> &Value {
    projection.get("build").unwrap_or(&Value::Null)
}

/// Waits until the build that was ordered at `position`, or the one that follows it, has come to its end.
/// Answers with the projection as it is then.
pub(super) async fn watch(client: &Client, name: &str, position: u64) -> Result<Value, Failure> {
    let bar = bar();
    loop {
        let projection = client.get(&["v1", "operator", "projections", name], &[]).await?;
        let build = build_of(&projection);
        let begun = number_of(build, "ordered_at") >= position;
        let state = text_of(build, "state");
        if begun && !["building", "comparing"].contains(&state.as_str()) {
            bar.finish_and_clear();
            return Ok(projection);
        }
        show(&bar, build, &state);
        tokio::time::sleep(ASK).await;
    }
}

/// Draws on standard error, and nothing when that isn't a terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {prefix}");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn show(bar: &ProgressBar, build: &Value, state: &str) {
    bar.set_message(state.to_owned());
    bar.set_length(number_of(build, "target"));
    bar.set_position(number_of(build, "position"));
    let left = build.get("seconds_left").and_then(Value::as_u64);
    let left = left.map_or(String::new(), |seconds| format!(", {seconds} s left"));
    bar.set_prefix(format!("{} events/s{left}", text_of(build, "events_per_second")));
}
