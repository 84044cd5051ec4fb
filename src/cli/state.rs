//! `state.json`: the services that the CLI is signed in to, and what it shows them. In plain text, for its
//! owner alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::output::plain;
use super::private_dir::{Locked, PrivateDir};
use super::stores::{CredentialStore, Found, Holder, Profile};

const FILE: &str = "state.json";
/// What this version writes.
const VERSION: u32 = 1;

/// The file in one directory.
#[derive(Debug, Clone)]
pub(super) struct StateFile {
    dir: PathBuf,
}

/// What stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    /// The service that is talked to unless another is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    /// By the service's origin.
    profiles: BTreeMap<String, Kept>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    #[serde(with = "super::url_text")]
    url: Url,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workspace_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operator_key: Option<String>,
}

impl State {
    fn profile(&self, service: Option<&Url>) -> Option<&Kept> {
        let origin = service.map(origin).or_else(|| self.current.clone())?;
        self.profiles.get(&origin)
    }
}

impl StateFile {
    /// In this directory.
    pub(super) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Is there one?
    pub(super) fn is_there(&self) -> bool {
        self.path().symlink_metadata().is_ok()
    }

    /// Where it lies.
    pub(super) fn path(&self) -> PathBuf {
        self.dir.join(FILE)
    }

    fn load(&self, dir: &PrivateDir) -> Result<Option<State>, Failure> {
        let Some(text) = dir.read(FILE)? else { return Ok(None) };
        // The parser's own message could repeat what stands there.
        let state: State = serde_json::from_str(&text).map_err(|error| {
            Failure::failed(format!(
                "`{}` is damaged at line {}: mend it, or move it away and sign in again",
                self.path().display(),
                error.line()
            ))
        })?;
        if state.version == VERSION {
            return Ok(Some(state));
        }
        Err(Failure::failed(format!(
            "`{}` was written by another version of tollbook (format {}): this one reads format {VERSION}",
            self.path().display(),
            state.version
        )))
    }

    /// What the file holds is changed while nobody else changes it.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, Failure> {
        let dir = PrivateDir::own_or_new(&self.dir)?;
        let locked = dir.lock()?;
        let empty = || State { version: VERSION, current: None, profiles: BTreeMap::new() };
        let mut state = self.load(&dir)?.unwrap_or_else(empty);
        let changed = change(&mut state);
        Self::save(&locked, &state)?;
        Ok(changed)
    }

    fn save(locked: &Locked<'_>, state: &State) -> Result<(), Failure> {
        if state.profiles.is_empty() {
            return locked.remove(FILE);
        }
        let text = Zeroizing::new(serde_json::to_string_pretty(state).unwrap_or_default());
        locked.write(FILE, &text)
    }
}

impl CredentialStore for StateFile {
    fn name(&self) -> &'static str {
        "file"
    }

    fn place(&self) -> String {
        self.path().display().to_string()
    }

    /// A file is there, or can be made.
    fn probe(&self, _: std::time::Duration) -> bool {
        true
    }

    fn keeps(&self) -> bool {
        true
    }

    fn is_plain_text(&self) -> bool {
        true
    }

    fn read(&self, holder: Holder, service: Option<&Url>) -> Result<Option<Found>, Failure> {
        let Some(dir) = PrivateDir::own(&self.dir)? else { return Ok(None) };
        let Some(state) = self.load(&dir)? else { return Ok(None) };
        let Some(kept) = state.profile(service) else { return Ok(None) };
        let secret = match holder {
            Holder::Member => kept.api_key.clone(),
            Holder::Operator => kept.operator_key.clone(),
        };
        let found = |secret: String| Found {
            secret: secret.into(),
            url: Some(kept.url.clone()),
            workspace_id: kept.workspace_id.clone(),
        };
        Ok(secret.map(found))
    }

    fn write(&self, profile: &Profile) -> Result<(), Failure> {
        use secrecy::ExposeSecret as _;
        self.change(|state| {
            let origin = origin(&profile.url);
            let kept = state.profiles.entry(origin.clone()).or_insert_with(|| Kept {
                url: profile.url.clone(),
                workspace_id: None,
                api_key: None,
                operator_key: None,
            });
            kept.url = profile.url.clone();
            let secret = Some(profile.secret.expose_secret().to_owned());
            match profile.holder {
                Holder::Member => {
                    kept.api_key = secret;
                    kept.workspace_id.clone_from(&profile.workspace_id);
                }
                Holder::Operator => kept.operator_key = secret,
            }
            state.current = Some(origin);
        })
    }

    fn remove(&self, service: Option<&Url>) -> Result<Option<Url>, Failure> {
        if PrivateDir::own(&self.dir)?.is_none() {
            return Ok(None);
        }
        self.change(|state| {
            let origin = service.map(origin).or_else(|| state.current.clone())?;
            let removed = state.profiles.remove(&origin);
            if state.current.as_deref() == Some(&origin) {
                // What is left is talked to when it is asked for.
                state.current = None;
            }
            removed.map(|kept| kept.url)
        })
    }

    fn services(&self) -> Result<Vec<String>, Failure> {
        let Some(dir) = PrivateDir::own(&self.dir)? else { return Ok(Vec::new()) };
        let state = self.load(&dir)?;
        Ok(state
            .map(|state| state.profiles.values().map(|kept| plain(&kept.url).to_owned()).collect())
            .unwrap_or_default())
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn profile(service: &str, holder: Holder, secret: &str) -> Profile {
        Profile { url: url(service), holder, secret: secret.into(), workspace_id: Some("w".to_owned()) }
    }

    fn read(file: &StateFile, holder: Holder, service: Option<&str>) -> Option<String> {
        let service = service.map(url);
        let found = file.read(holder, service.as_ref()).unwrap();
        found.map(|found| found.secret.expose_secret().to_owned())
    }

    #[test]
    fn a_kept_credential_goes_only_to_the_service_that_it_is_for() {
        let home = tempfile::tempdir().unwrap();
        let file = StateFile::at(&home.path().join(".tollbook"));
        assert_eq!(read(&file, Holder::Member, None), None);
        file.write(&profile("http://127.0.0.1:7070", Holder::Member, "one")).unwrap();
        file.write(&profile("http://127.0.0.1:7070/", Holder::Operator, "operator")).unwrap();
        file.write(&profile("https://tollbook.example.com", Holder::Member, "two")).unwrap();
        assert_eq!(read(&file, Holder::Member, None).as_deref(), Some("two"), "the last one");
        let first = Some("http://127.0.0.1:7070/x");
        assert_eq!(read(&file, Holder::Member, first).as_deref(), Some("one"));
        assert_eq!(read(&file, Holder::Operator, first).as_deref(), Some("operator"));
        for other in ["http://127.0.0.1:7071", "https://127.0.0.1:7070", "http://localhost:7070"] {
            assert_eq!(read(&file, Holder::Member, Some(other)), None, "{other}");
        }
        assert_eq!(
            file.remove(Some(&url("http://127.0.0.1:7070"))).unwrap(),
            Some(url("http://127.0.0.1:7070"))
        );
        assert_eq!(read(&file, Holder::Member, first), None);
        assert!(file.remove(None).unwrap().is_some());
        assert!(file.remove(None).unwrap().is_none());
        assert!(!file.is_there(), "nothing is left");
    }

    /// Each reads, changes and replaces the file: without a lock, one would write what the other hasn't read.
    #[test]
    fn logins_at_the_same_time_lose_nobodys_profile() {
        let home = tempfile::tempdir().unwrap();
        let file = StateFile::at(&home.path().join(".tollbook"));
        let start = std::sync::Barrier::new(16);
        std::thread::scope(|scope| {
            for number in 0..16 {
                let (file, start) = (&file, &start);
                scope.spawn(move || {
                    start.wait();
                    let service = format!("http://127.0.0.1:{}", 7000 + number);
                    file.write(&profile(&service, Holder::Member, &format!("key {number}"))).unwrap();
                });
            }
        });
        for number in 0..16 {
            let service = format!("http://127.0.0.1:{}", 7000 + number);
            assert_eq!(read(&file, Holder::Member, Some(&service)), Some(format!("key {number}")));
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_and_never_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join(".tollbook");
        let file = StateFile::at(&dir);
        file.write(&profile("http://127.0.0.1:7070", Holder::Member, "one")).unwrap();
        for (text, why) in [
            ("", "damaged"),
            ("{\"version\":1,\"profiles\":{}", "damaged"),
            ("{\"version\":1,\"profiles\":{},\"secret\":\"tbk_key_x\"}", "damaged"),
            ("{\"version\":2,\"profiles\":{}}", "format 2"),
        ] {
            std::fs::write(file.path(), text).unwrap();
            let refused = [
                file.read(Holder::Member, None).map(drop).unwrap_err(),
                file.write(&profile("http://127.0.0.1:1", Holder::Member, "two")).unwrap_err(),
                file.remove(None).map(drop).unwrap_err(),
            ];
            for refused in refused {
                assert!(refused.message().contains(why) && !refused.message().contains("tbk_key_x"), "{why}");
            }
            assert_eq!(std::fs::read_to_string(file.path()).unwrap(), text, "as it was");
        }
    }
}
