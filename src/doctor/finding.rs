//! A finding, and all of them.

use serde::Serialize;
use tollbook_journal::examine::Part;
use utoipa::ToSchema;

use crate::book::SOFTWARE;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// It works; something is to be done about it all the same.
    Warning,
    /// It doesn't do what it is for.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finding {
    /// What was looked at. Names stay.
    #[schema(value_type = String, examples("append_lock"))]
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// What was found, for people.
    pub found: String,
    /// What to do about it; null where nothing is to be done.
    pub remedy: Option<String>,
}

/// Everything that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Of the worst finding.
    pub state: State,
    /// Who looked: name and version.
    pub software: &'static str,
    /// In the order in which they explain each other.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn of(findings: Findings) -> Self {
        let findings = findings.0;
        let state = findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok);
        Self { state, software: SOFTWARE, findings }
    }
}

/// Findings so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    pub(super) fn ok(&mut self, name: &'static str, found: impl Into<String>) {
        self.add(Finding { name, state: State::Ok, found: found.into(), remedy: None });
    }

    pub(super) fn warning(
        &mut self,
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (found, remedy) = (found.into(), Some(remedy.into()));
        self.add(Finding { name, state: State::Warning, found, remedy });
    }

    pub(super) fn failed(&mut self, name: &'static str, found: impl Into<String>, remedy: impl Into<String>) {
        let (found, remedy) = (found.into(), Some(remedy.into()));
        self.add(Finding { name, state: State::Failed, found, remedy });
    }

    /// What was seen; a warning where it couldn't be.
    pub(super) fn seen<'a, T>(&mut self, name: &'static str, part: &'a Part<T>) -> Option<&'a T> {
        part.as_ref()
            .map_err(|unseen| {
                let remedy =
                    "The findings above may say why; if not, the role of the service lacks a right to look.";
                self.warning(name, format!("cannot be examined: {unseen}"), remedy);
            })
            .ok()
    }
}
