//! Are the keys there, and are they the ones that the database was sealed with?

use std::path::Path;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use tollbook_journal::examine::Sealed;
use tollbook_vault::{HeldKey, KeyEncryption as _, KeyFileError, MalformedKey, OsRandomness};

use super::finding::Findings;
use crate::config::{Config, KeySource};
use crate::credential::Pepper;

/// A key's public name, or why it can't be had.
type Known = Result<String, KeyFault>;

#[derive(Debug)]
enum KeyFault {
    Value(MalformedKey),
    File(KeyFileError),
}

pub(super) fn judge(findings: &mut Findings, config: &Config, sealed: Option<&Sealed>) {
    let kek = known(
        &config.kek,
        |value| Ok(HeldKey::from_value(value.expose_secret(), Arc::new(OsRandomness))?.id().to_owned()),
        |path| Ok(HeldKey::from_file(path, Arc::new(OsRandomness))?.id().to_owned()),
    );
    let keks = sealed.map(|sealed| sealed.keks.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>());
    fits(findings, "kek", &config.kek, &kek, keks.as_deref());
    let pepper = known(
        &config.pepper,
        |value| Ok(Pepper::from_value(value.expose_secret())?.id().to_owned()),
        |path| Ok(Pepper::from_file(path)?.id().to_owned()),
    );
    fits(findings, "pepper", &config.pepper, &pepper, sealed.map(|sealed| sealed.peppers.as_slice()));
}

fn known(
    source: &KeySource,
    value: impl Fn(&SecretString) -> Result<String, MalformedKey>,
    file: impl Fn(&Path) -> Result<String, KeyFileError>,
) -> Known {
    match source {
        KeySource::Value(text) => value(text).map_err(KeyFault::Value),
        KeySource::File(path) | KeySource::Generated(path) => file(path).map_err(KeyFault::File),
    }
}

/// `used` are those that the database names; nothing, where that can't be seen.
fn fits(
    findings: &mut Findings,
    name: &'static str,
    source: &KeySource,
    key: &Known,
    used: Option<&[String]>,
) {
    let place = match source {
        KeySource::Value(_) => format!("the setting `{name}`"),
        KeySource::File(path) | KeySource::Generated(path) => format!("`{}`", path.display()),
    };
    let in_use = used.is_some_and(|used| !used.is_empty());
    let id = match key {
        Ok(id) => id,
        Err(KeyFault::File(KeyFileError::Absent)) if matches!(source, KeySource::Generated(_)) && !in_use => {
            return findings.ok(name, format!("{place} is made at the first start"));
        }
        Err(fault) => return unusable(findings, name, &place, fault),
    };
    let others: Vec<_> = used.unwrap_or_default().iter().filter(|used| *used != id).cloned().collect();
    if others.is_empty() {
        let fit = if in_use {
            "the database was made with it"
        } else {
            "nothing was made with it that is to be seen"
        };
        return findings.ok(name, format!("{place} is there ({id}), and {fit}"));
    }
    let found = format!("{place} is {id}, and the database was made with {}", others.join(", "));
    let remedy = "What was made with the other key can't be opened or checked: set the key that this database was made with.";
    findings.failed(name, found, remedy);
}

fn unusable(findings: &mut Findings, name: &'static str, place: &str, fault: &KeyFault) {
    let (found, remedy) = match fault {
        KeyFault::Value(malformed) => (malformed.to_string(), "32 bytes in hex or base64 are wanted.".to_owned()),
        KeyFault::File(KeyFileError::Absent) => (
            "it isn't there".to_owned(),
            "Put the key back from where it is kept safely: nothing can be opened without it, and a new one opens nothing.".to_owned(),
        ),
        KeyFault::File(error @ KeyFileError::Mode(_)) => (
            error.to_string(),
            format!("If nobody else can have read it: `chmod 0600` {place}. If somebody may have: change the key."),
        ),
        KeyFault::File(error @ KeyFileError::Owner { .. }) => {
            (error.to_string(), format!("`chown` {place} to the user that runs the service, or run this as that user."))
        }
        KeyFault::File(error) => (error.to_string(), format!("Look at {place}: it must be a file of the user that runs the service, mode 0600.")),
    };
    findings.failed(name, format!("{place}: {found}"), remedy);
}
