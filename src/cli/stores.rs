//! Where the CLI's credential may lie, behind one trait, and in which order it is looked for: the
//! environment, the operating system's keychain, a file. A keychain joins by implementing the trait and
//! taking its place in the list.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::output::note;
use super::state::StateFile;
use crate::credential::Credential;

/// How long a store may take to say whether it is there: a keychain may wait for somebody to unlock it.
const PROBE: Duration = Duration::from_secs(2);

/// Whose credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// A member's API key.
    Member,
    /// An operator's credential.
    Operator,
}

impl Holder {
    /// The variable that it may come from.
    pub(super) const fn variable(self) -> &'static str {
        match self {
            Self::Member => "TOLLBOOK_API_KEY",
            Self::Operator => "TOLLBOOK_OPERATOR_KEY",
        }
    }
}

/// What a store has.
pub(super) struct Found {
    /// The credential.
    pub(super) secret: SecretString,
    /// The service that it is good for, and goes to alone; `None` when the store doesn't know.
    pub(super) url: Option<Url>,
    /// The workspace that it was kept for.
    pub(super) workspace_id: Option<String>,
}

/// What is kept.
pub(super) struct Profile {
    /// The service that it is good for.
    pub(super) url: Url,
    /// Whose it is.
    pub(super) holder: Holder,
    /// The credential.
    pub(super) secret: SecretString,
    /// The workspace that it belongs to.
    pub(super) workspace_id: Option<String>,
}

/// A place for credentials.
pub(super) trait CredentialStore {
    /// `environment`, `keychain` or `file`.
    fn name(&self) -> &'static str;

    /// Where, for people.
    fn place(&self) -> String;

    /// Where a credential of this holder is, for people.
    fn place_of(&self, _: Holder) -> String {
        self.place()
    }

    /// Is it there? Says so within `limit`; what doesn't answer isn't.
    fn probe(&self, limit: Duration) -> bool;

    /// Can something be kept in it?
    fn keeps(&self) -> bool;

    /// Does it lie there as it is?
    fn is_plain_text(&self) -> bool;

    /// The credential for this service; for the one that was signed in to last, when none is named.
    fn read(&self, holder: Holder, service: Option<&Url>) -> Result<Option<Found>, Failure>;

    /// Keeps it, in the place of what was kept for the same service and holder.
    fn write(&self, profile: &Profile) -> Result<(), Failure>;

    /// Forgets what is kept for this service (the last one, when none is named); says which that was.
    fn remove(&self, service: Option<&Url>) -> Result<Option<Url>, Failure>;

    /// The services that something is kept for.
    fn services(&self) -> Result<Vec<String>, Failure>;
}

/// Variables, for scripts. Nothing can be kept there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Environment;

impl CredentialStore for Environment {
    fn name(&self) -> &'static str {
        "environment"
    }

    fn place(&self) -> String {
        format!("{} or {}", Holder::Member.variable(), Holder::Operator.variable())
    }

    fn place_of(&self, holder: Holder) -> String {
        holder.variable().to_owned()
    }

    fn probe(&self, _: Duration) -> bool {
        true
    }

    fn keeps(&self) -> bool {
        false
    }

    fn is_plain_text(&self) -> bool {
        true
    }

    fn read(&self, holder: Holder, _: Option<&Url>) -> Result<Option<Found>, Failure> {
        let secret = std::env::var(holder.variable()).ok().filter(|secret| !secret.is_empty());
        Ok(secret.map(|secret| Found { secret: secret.into(), url: None, workspace_id: None }))
    }

    fn write(&self, _: &Profile) -> Result<(), Failure> {
        Err(Failure::failed("nothing can be kept in the environment"))
    }

    fn remove(&self, _: Option<&Url>) -> Result<Option<Url>, Failure> {
        Ok(None)
    }

    fn services(&self) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }
}

/// A credential to send.
#[derive(Clone)]
pub(super) struct SignedIn {
    /// The credential.
    pub(super) secret: SecretString,
    /// The service that the CLI is signed in to, unless another was asked for.
    pub(super) url: Option<Url>,
    /// The workspace that it was kept for.
    pub(super) workspace_id: Option<String>,
    /// The store that it came from, and where that lies.
    pub(super) store: (&'static str, String),
    /// Was it kept there by the CLI, which can keep another in its place?
    pub(super) is_kept: bool,
}

/// All stores, in the order in which they are asked.
pub(super) struct Stores(Vec<Box<dyn CredentialStore>>);

impl Stores {
    /// With this file as the last.
    pub(super) fn new(file: Option<StateFile>) -> Self {
        let mut stores: Vec<Box<dyn CredentialStore>> = vec![Box::new(Environment)];
        if let Some(file) = file {
            stores.push(Box::new(file));
        }
        Self(stores)
    }

    /// Those that are there. What isn't is said: nothing takes its place in silence.
    fn there(&self) -> impl Iterator<Item = &dyn CredentialStore> {
        self.0.iter().map(AsRef::as_ref).filter(|store| {
            let there = store.probe(PROBE);
            if !there {
                note(&format!(
                    "warning: the {} ({}) does not answer and is passed over",
                    store.name(),
                    store.place()
                ));
            }
            there
        })
    }

    /// The credential for this service, from the first store that has one.
    pub(super) fn find(&self, holder: Holder, service: Option<&Url>) -> Result<Option<SignedIn>, Failure> {
        for store in self.there() {
            if let Some(Found { secret, url, workspace_id }) = store.read(holder, service)? {
                // A variable says nothing about where it is good: where the CLI is signed in, most likely.
                let url = match (url, service) {
                    (Some(url), _) => Some(url),
                    (None, Some(_)) => None,
                    (None, None) => self.current()?,
                };
                return Ok(Some(SignedIn {
                    secret,
                    url,
                    workspace_id,
                    store: (store.name(), store.place_of(holder)),
                    is_kept: store.keeps(),
                }));
            }
        }
        Ok(None)
    }

    /// The service that was signed in to last.
    fn current(&self) -> Result<Option<Url>, Failure> {
        for store in self.there().filter(|store| store.keeps()) {
            for holder in [Holder::Member, Holder::Operator] {
                if let Some(found) = store.read(holder, None)? {
                    return Ok(found.url);
                }
            }
        }
        Ok(None)
    }

    /// Keeps it in the first store that can; answers with it.
    pub(super) fn keep(&self, profile: &Profile) -> Result<&dyn CredentialStore, Failure> {
        let store = self.there().find(|store| store.keeps());
        let store = store.ok_or_else(|| Failure::failed("there is no place to keep a credential in: HOME is not set; say where with TOLLBOOK_STATE_DIR"))?;
        store.write(profile)?;
        Ok(store)
    }

    /// Forgets it wherever it is kept; says what was forgotten, and where.
    pub(super) fn forget(&self, service: Option<&Url>) -> Result<Vec<(Url, String)>, Failure> {
        let mut forgotten = Vec::new();
        for store in self.there().filter(|store| store.keeps()) {
            forgotten.extend(store.remove(service)?.map(|url| (url, store.place())));
        }
        Ok(forgotten)
    }

    /// The services that something is kept for.
    pub(super) fn services(&self) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        for store in self.there().filter(|store| store.keeps()) {
            all.extend(store.services()?);
        }
        Ok(all)
    }
}

impl SignedIn {
    /// The public part of a credential, if it is one.
    pub(super) fn public_part(secret: &SecretString) -> Option<String> {
        let credential = Credential::parse(secret.expose_secret().trim()).ok()?;
        Some(credential.display_prefix().to_owned())
    }

    /// The value of the `Authorization` header, or nothing when it can't be one.
    pub(super) fn header(secret: &SecretString) -> Option<reqwest::header::HeaderValue> {
        let text = Zeroizing::new(format!("Bearer {}", secret.expose_secret().trim()));
        let mut value = reqwest::header::HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}
