//! The service in this process.

use chrono::TimeDelta;

use super::finding::{Finding, State};
use super::said::{count, span};
use crate::authority::Authority;

/// Answers from memory rest on a state that is younger.
const FRESH: std::time::Duration = std::time::Duration::from_secs(1);

pub(super) fn judge(authority: &Authority, database: &str) -> Finding {
    let age = authority.age();
    let next = authority.look(|live| live.next().0);
    let pid = std::process::id();
    let told = TimeDelta::from_std(age).ok().map(span);
    let told = told.map_or_else(|| "never".to_owned(), |age| format!("{age} ago"));
    let found = format!(
        "running as process {pid} on {database}; its state reaches position {}, and the book was read to its end {told}",
        count(next)
    );
    let remedy =
        "It refuses what it would answer from memory: the findings on the database say why it can't follow.";
    let (state, remedy) =
        if age < FRESH * 3 { (State::Ok, None) } else { (State::Failed, Some(remedy.to_owned())) };
    Finding { name: "service", state, found, remedy }
}
