//! What host commands do to a book that is there: through the service that runs on this data directory, or, when none
//! does, by opening it for this one thing. In a directory without one, nothing is made.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, KeySource};
use crate::problem::Problem;
use crate::telemetry;

use super::failure::Failure;
use super::service_file::ServiceFile;

/// What came of it.
pub(super) struct Done {
    /// The answer, the same either way.
    pub(super) answer: Value,
    /// Was it a running service that answered?
    pub(super) served: bool,
}

/// Asks the running service at `path` with `body`; without one, does `here` on the book itself.
pub(super) async fn carry_out<T: Serialize>(
    config: Config,
    path: &[&str],
    body: &Value,
    here: impl AsyncFnOnce(&App) -> Result<T, Problem>,
) -> Result<Done, Failure> {
    if let Some((_, client)) = ServiceFile::running(&config.data_dir).await? {
        return Ok(Done { answer: client.post(path, body).await?, served: true });
    }
    let app = open(config).await?;
    let done = here(&app).await;
    app.close().await;
    Ok(Done { answer: serde_json::json!(done?), served: false })
}

/// Opens the book that is there, as it is: its schema is `tollbook migrate`'s.
async fn open(config: Config) -> Result<Arc<App>, Failure> {
    must_be_there(&config)?;
    telemetry::start("warn", config.log_json)
        .map_err(|error| Failure::failed(format!("no log can be written: {error}")))?;
    Ok(App::start(config, Clock::default(), false).await?)
}

/// Is there a book, with its keys? Starting on nothing would make both.
fn must_be_there(config: &Config) -> Result<(), Failure> {
    let shown = |path: &Path| std::path::absolute(path).unwrap_or(path.to_owned()).display().to_string();
    if config.database_url.is_none() && !config.data_dir.join("book.db").exists() {
        return Err(Failure::failed(format!(
            "there is no book in `{}`: say with --data-dir where it lies",
            shown(&config.data_dir)
        )));
    }
    for (name, source) in [("kek", &config.kek), ("pepper", &config.pepper)] {
        if let KeySource::Generated(path) = source
            && !path.exists()
        {
            return Err(Failure::failed(format!(
                "the book's keys are not in `{}`, where `{name}` is missing: say with --data-dir or --{name}-file where they lie",
                shown(&config.data_dir)
            )));
        }
    }
    Ok(())
}
