//! `doctor`: what is examined of an installation, what was found, and what to do about it.
//!
//! The same examination serves the command, this machine's door and the operator's. It works without a service, and
//! says as much as it can where something is missing: an unreachable database is a finding and no failure. No finding
//! holds a secret or the text of anybody's query.
//!
//! To add a finding: look in `journal::examine` if it is about the database, judge in the file of its kind here, and
//! provoke it in `tests/doctor`.

mod activity;
mod book;
mod durability;
mod files;
mod finding;
mod followers;
mod keys;
mod postgres;
mod rights;
mod said;
mod service;
mod sqlite;
mod upkeep;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tollbook_journal::examine::{Examination, Extent, Sealed, examine, examine_url};
use tollbook_journal::{Database, OpenError};

use crate::authority::Authority;
use crate::clock::Clock;
use crate::config::Config;

use finding::Findings;
pub use finding::{Finding, Report, State};

/// How long what was found is told again.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// How long a glance may take, whatever happens to the database meanwhile.
const GLANCE: Duration = Duration::from_secs(6);

/// Examines one installation.
pub struct Doctor {
    config: Config,
    clock: Clock,
    /// The service that runs in this process.
    service: Option<Service>,
    last: Mutex<Option<(Instant, Arc<Report>)>>,
}

struct Service {
    database: Database,
    authority: Authority,
}

impl Doctor {
    /// From outside, for what is configured so.
    pub fn new(config: Config, clock: Clock) -> Self {
        Self { config, clock, service: None, last: Mutex::default() }
    }

    /// From inside of a running service.
    pub fn inside(config: Config, clock: Clock, database: Database, authority: Authority) -> Self {
        Self { service: Some(Service { database, authority }), ..Self::new(config, clock) }
    }

    /// Looks at everything.
    pub async fn examine(&self, extent: Extent) -> Report {
        let mut findings = Findings::default();
        if let Some(service) = self.service() {
            findings.add(service);
        }
        let examined = self.look(extent).await;
        let sealed = match &examined {
            Ok(Some(examination)) => judge(&mut findings, examination),
            Ok(None) => {
                findings.ok("book", format!("there is none yet in `{}`", self.config.data_dir.display()));
                None
            }
            Err(error) => {
                unreachable(&mut findings, &self.config, error);
                None
            }
        };
        keys::judge(&mut findings, &self.config, sealed);
        files::judge(&mut findings, &self.config.data_dir);
        Report::of(findings)
    }

    /// What costs little, at most a second old and within six: for who asks every few seconds. Who asks at the
    /// same time gets the same.
    pub async fn glance(&self) -> Arc<Report> {
        let mut last = self.last.lock().await;
        if let Some((_, report)) = last.as_ref().filter(|(at, _)| at.elapsed() < KEPT_FOR) {
            return Arc::clone(report);
        }
        let report = tokio::time::timeout(GLANCE, self.examine(Extent::Glance)).await;
        let report = Arc::new(report.unwrap_or_else(|_| {
            let mut findings = Findings::default();
            findings.failed(
                "connection",
                format!("the database could not be examined within {} s", GLANCE.as_secs()),
                "Run `tollbook doctor` on this machine: it says how far it came.",
            );
            Report::of(findings)
        }));
        *last = Some((Instant::now(), Arc::clone(&report)));
        report
    }

    /// The live state of the service in this process.
    pub fn service(&self) -> Option<Finding> {
        self.service.as_ref().map(|service| service::judge(&service.authority, service.database_kind()))
    }

    async fn look(&self, extent: Extent) -> Result<Option<Examination>, OpenError> {
        let now = || self.clock.machine();
        if let Some(service) = &self.service {
            return examine(&service.database, extent, &now).await.map(Some);
        }
        if let Some(url) = &self.config.database_url {
            return examine_url(url, extent, &now).await.map(Some);
        }
        if !self.config.data_dir.join("book.db").exists() {
            return Ok(None);
        }
        let database = Database::open_sqlite(&self.config.data_dir).await?;
        let examined = examine(&database, extent, &now).await;
        database.close().await;
        examined.map(Some)
    }
}

impl Service {
    fn database_kind(&self) -> &'static str {
        match self.database {
            Database::Postgres(_) => "PostgreSQL",
            Database::Sqlite(_) => "SQLite",
        }
    }
}

/// Judges what was found, and gives back what keys are compared with.
fn judge<'a>(findings: &mut Findings, examination: &'a Examination) -> Option<&'a Sealed> {
    let sealed = match examination {
        Examination::Postgres(examined) => {
            postgres::judge(findings, examined);
            examined.book.as_ref().map(|book| &book.sealed)
        }
        Examination::Sqlite(examined) => {
            sqlite::judge(findings, examined);
            examined.book.as_ref().map(|book| &book.sealed)
        }
    };
    sealed?.as_ref().ok()
}

/// There was nothing to look at.
fn unreachable(findings: &mut Findings, config: &Config, error: &OpenError) {
    if matches!(error, OpenError::InUse(_)) {
        return files::book_in_use(findings, &config.data_dir);
    }
    let (found, remedy) = match &config.database_url {
        Some(url) => (
            format!("{}: {error}", url.place()),
            "Is the server up, is the address in `database_url` right, does it let this machine and role in? `psql` with the same URL says the same.",
        ),
        None => (error.to_string(), "Is the data directory there, and this user's?"),
    };
    findings.failed("connection", found, remedy);
}
