//! `tollbook doctor`: what is well with this installation, what isn't, and what to do about it.
//!
//! On `PostgreSQL` the database is examined from here, service or not: a service that is in trouble must not stand
//! between. On `SQLite` the book is one process's, and a service that runs is asked.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::time::timeout;
use tollbook_journal::examine::Extent;

use crate::clock::Clock;
use crate::config::Config;
use crate::doctor::State;

use super::client::Client;
use super::context::Context;
use super::failure::Failure;
use super::fields::{list_of, text_of};
use super::output::{self, printable};
use super::patience::patiently;
use super::service_file::ServiceFile;
use super::settings::Settings;

/// A service that lives answers a short question sooner.
const LIVES: Duration = Duration::from_secs(3);
/// An examination that isn't deep takes no longer.
const USUAL: Duration = Duration::from_secs(30);

/// Examine this installation: what is well, what isn't, and what to do about it.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Look at every position of the book and at every page of its file, however long it takes.
    #[arg(long)]
    deep: bool,
    /// Take warnings for failures.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Doctor {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config(&self.settings)?;
        let nowhere = config.database_url.is_none() && !config.data_dir.join("book.db").exists();
        let nowhere = nowhere.then(|| config.data_dir.display().to_string());
        let report = patiently("examining", self.examine(config)).await?;
        context.output.one(&report, |report| people(report, nowhere.as_deref()))?;
        let warnings = if self.strict { count(&report, "warning") } else { 0 };
        let ill = count(&report, "failed") + warnings;
        if ill == 0 {
            Ok(())
        } else {
            Err(Failure::failed(format!("not healthy: {ill} of {}", all(&report))))
        }
    }

    async fn examine(&self, config: Config) -> Result<Value, Failure> {
        let (mut service, client) = find_service(&config).await?;
        if let Some(client) = client.filter(|_| config.database_url.is_none()) {
            match self.ask(&client).await {
                Ok(report) => return Ok(report),
                Err(failure) => {
                    let remedy = "Look at its log; if it hangs, end it and start it again.";
                    let found = format!("it can't examine its book: {}", failure.message());
                    service = finding("service", State::Failed, &found, Some(remedy));
                }
            }
        }
        let extent = if self.deep { Extent::Deep } else { Extent::Usual };
        let doctor = crate::doctor::Doctor::new(config, Clock::default());
        let mut report = json!(doctor.examine(extent).await);
        add(&mut report, service);
        Ok(report)
    }

    async fn ask(&self, client: &Client) -> Result<Value, Failure> {
        let deep = if self.deep { "true" } else { "false" };
        if self.deep {
            return client.clone().patient().get(&["host", "doctor"], &[("deep", deep)]).await;
        }
        let asked = timeout(USUAL, client.get(&["host", "doctor"], &[("deep", deep)])).await;
        asked.unwrap_or_else(|_| Err(Failure::failed("no answer in time")))
    }
}

/// What is known of the service on this data directory, and the way to ask it when it answers.
async fn find_service(config: &Config) -> Result<(Value, Option<Client>), Failure> {
    let Some(file) = ServiceFile::load(&config.data_dir)? else {
        let found = "none runs on this data directory";
        return Ok((finding("service", State::Ok, found, None), None));
    };
    let pid = file.pid;
    let running = timeout(LIVES, ServiceFile::running(&config.data_dir)).await;
    if let Ok(Some((_, client))) = running.unwrap_or(Ok(None)) {
        let told = timeout(LIVES, client.get(&["host", "service"], &[])).await;
        if let Ok(Ok(told)) = told {
            return Ok((told, Some(client)));
        }
    }
    let lives =
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "tollbook");
    let told = if lives {
        let found = format!("process {pid} doesn't answer at {}", output::plain(&file.url));
        let remedy = format!("Look at its log; if it hangs, end it (`kill {pid}`) and start it again.");
        finding("service", State::Failed, &found, Some(&remedy))
    } else {
        let found = format!("process {pid} ended without a word");
        finding("service", State::Warning, &found, Some("Look at its log for why, and start it again."))
    };
    Ok((told, None))
}

fn finding(name: &str, state: State, found: &str, remedy: Option<&str>) -> Value {
    json!({ "name": name, "state": state, "found": found, "remedy": remedy })
}

/// Puts a finding first, and counts it in.
fn add(report: &mut Value, finding: Value) {
    let place = |state: &str| ["ok", "warning", "failed"].iter().position(|known| *known == state);
    let (state, so_far) = (text_of(&finding, "state"), text_of(report, "state"));
    if place(&state) > place(&so_far) {
        report["state"] = state.into();
    }
    if let Some(findings) = report["findings"].as_array_mut() {
        findings.insert(0, finding);
    }
}

fn count(report: &Value, state: &str) -> usize {
    list_of(report, "findings").iter().filter(|finding| finding["state"] == state).count()
}

fn all(report: &Value) -> String {
    format!("{} checks", list_of(report, "findings").len())
}

/// A line a finding, aligned; what to do about it stands below. `nowhere` is where no book is.
fn people(report: &Value, nowhere: Option<&str>) -> String {
    let findings = list_of(report, "findings");
    let names = findings.iter().map(|finding| text_of(finding, "name").chars().count());
    let width = names.max().unwrap_or_default();
    let mut lines = Vec::new();
    for finding in findings {
        let text = |member| printable(&text_of(finding, member));
        lines.push(format!("{:<7}  {:<width$}  {}", text("state"), text("name"), text("found")));
        if !text_of(finding, "remedy").is_empty() {
            lines.push(format!("{:<7}  {:<width$}  → {}", "", "", text("remedy")));
        }
    }
    let (warnings, failed) = (count(report, "warning"), count(report, "failed"));
    lines.push(match (failed, warnings) {
        (0, 0) if nowhere.is_some() => format!(
            "No book here yet: `tollbook serve` makes one in `{}`; another one is examined with --data-dir.",
            nowhere.unwrap_or_default()
        ),
        (0, 0) => format!("Healthy: {}.", all(report)),
        (0, warnings) => format!("Healthy, with warnings: {warnings} of {}.", all(report)),
        (failed, _) => format!("Not healthy: {failed} of {} failed.", all(report)),
    });
    lines.join("\n")
}
