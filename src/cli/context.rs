//! What every command is given: the flags that all have, and how results are printed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args};
use secrecy::SecretString;
use url::{Host, Url};

use crate::config::{Config, DEFAULT_URL, Given, Key};

use super::client::Client;
use super::failure::Failure;
use super::output::{Output, note, plain, printable};
use super::settings::Settings;
use super::state::StateFile;
use super::stores::{Holder, SignedIn, Stores};

/// Says as a variable what `--insecure-http` says.
const INSECURE_HTTP: &str = "TOLLBOOK_INSECURE_HTTP";

/// Variables that are no settings of the service: those of the CLI, and what `session create --env` sets.
const VARIABLES: [&str; 8] = [
    "TOLLBOOK_URL",
    "TOLLBOOK_API_KEY",
    "TOLLBOOK_OPERATOR_KEY",
    "TOLLBOOK_WORKSPACE",
    "TOLLBOOK_STATE_DIR",
    INSECURE_HTTP,
    "TOLLBOOK_SESSION_URL",
    "TOLLBOOK_SESSION_TOKEN",
];

const EVERYWHERE: &str = "Everywhere";

/// What lies in the data directory, and how it is found.
const DATA_DIR: &str =
    "Where keys and, on SQLite, the book lie [env: TOLLBOOK_DATA_DIR] [default: ./tollbook-data]";

/// Flags of every command.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// The configuration file (default: tollbook.toml, if it is there).
    #[arg(long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    config: Option<PathBuf>,
    /// The data directory, as `config` shows it.
    #[arg(long, global = true, value_name = "DIR", help = DATA_DIR, help_heading = EVERYWHERE)]
    data_dir: Option<PathBuf>,
    /// The service to talk to [env: `TOLLBOOK_URL`] [default: the one that the CLI is signed in to].
    #[arg(long, global = true, value_name = "URL", help_heading = EVERYWHERE)]
    url: Option<Url>,
    /// Send the credential to an http:// address beyond this machine, where whoever is in between can read it.
    #[arg(long, global = true, env = INSECURE_HTTP, hide_env_values = true, help_heading = EVERYWHERE,
        value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue)]
    insecure_http: bool,
    /// Print results as JSON.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
}

/// What a command works with.
#[derive(Debug)]
pub(super) struct Context {
    global: Global,
    /// Where results go.
    pub(super) output: Output,
}

impl Context {
    pub(super) fn new(global: Global) -> Self {
        let output = Output { json: global.json };
        Self { global, output }
    }

    /// Every setting with where it came from, by the file, the environment and these flags.
    pub(super) fn given(&self, settings: &Settings) -> Result<Given, Failure> {
        let mut flags: BTreeMap<String, String> = settings.0.clone();
        if let Some(dir) = &self.global.data_dir {
            let dir = dir.to_str().ok_or_else(|| Failure::usage("--data-dir must be UTF-8"))?;
            flags.insert("data_dir".to_owned(), dir.to_owned());
        }
        let environment = |name: &str| std::env::var(name).ok();
        Ok(Given::gather(self.global.config.as_deref(), environment, &flags)?)
    }

    /// What is in force.
    pub(super) fn config(&self, settings: &Settings) -> Result<Config, Failure> {
        warn_of_mistaken();
        Ok(self.given(settings)?.config()?)
    }

    /// The configuration file that was named.
    pub(super) fn config_file(&self) -> Option<&Path> {
        self.global.config.as_deref()
    }

    /// A client with the API key of whoever runs this.
    pub(super) fn client(&self) -> Result<(Client, SignedIn), Failure> {
        self.signed_in(Holder::Member)
    }

    /// A client with the operator's credential.
    pub(super) fn operator(&self) -> Result<(Client, SignedIn), Failure> {
        self.signed_in(Holder::Operator)
    }

    /// All credentials that there are for the service, the member's first, with where it is.
    pub(super) fn everyone(&self) -> Result<Vec<(Url, SignedIn)>, Failure> {
        let asked_for = self.asked_for()?;
        let stores = self.stores()?;
        let mut all = Vec::new();
        for holder in [Holder::Member, Holder::Operator] {
            if let Some(signed_in) = stores.find(holder, asked_for.as_ref())? {
                let url = asked_for.clone().or_else(|| signed_in.url.clone()).map_or_else(default_url, Ok)?;
                all.push((url, signed_in));
            }
        }
        if all.is_empty() {
            return Err(not_signed_in(&stores, Holder::Member, asked_for.as_ref())?);
        }
        Ok(all)
    }

    /// Where credentials are looked for and kept.
    pub(super) fn stores(&self) -> Result<Stores, Failure> {
        Ok(Stores::new(self.state_dir()?.as_deref().map(StateFile::at)))
    }

    /// The directory of `state.json`: `TOLLBOOK_STATE_DIR`; or the data directory, when one is named and has
    /// one, as `tollbook demo` leaves it; or `~/.tollbook`. None without a home.
    fn state_dir(&self) -> Result<Option<PathBuf>, Failure> {
        let absolute = |variable: &str| {
            let dir = std::env::var_os(variable).filter(|dir| !dir.is_empty()).map(PathBuf::from);
            match dir {
                Some(dir) if dir.is_relative() => {
                    Err(Failure::usage(format!("{variable} must be an absolute path: `{}`", dir.display())))
                }
                dir => Ok(dir),
            }
        };
        if let Some(dir) = absolute("TOLLBOOK_STATE_DIR")? {
            return Ok(Some(dir));
        }
        // One that merely lies here may have come with somebody else's files.
        let given = self.given(&Settings::default())?;
        let named =
            given.shown().into_iter().any(|(name, _, origin)| name == "data_dir" && origin != "default");
        if named {
            let dir = given.config()?.data_dir;
            if StateFile::at(&dir).is_there() {
                return Ok(Some(dir));
            }
        }
        Ok(absolute("HOME")?.map(|home| home.join(".tollbook")))
    }

    /// The service to sign in to.
    pub(super) fn service(&self, named: Option<Url>) -> Result<Url, Failure> {
        let url = match named {
            Some(url) => Some(url),
            None => self.asked_for()?,
        };
        url.map_or_else(default_url, Ok)
    }

    /// The service that was asked for. An empty variable is an unset one, as for every setting.
    pub(super) fn asked_for(&self) -> Result<Option<Url>, Failure> {
        if let Some(url) = &self.global.url {
            return Ok(Some(url.clone()));
        }
        let variable = std::env::var("TOLLBOOK_URL").ok().filter(|url| !url.is_empty());
        let malformed = |error| Failure::usage(format!("TOLLBOOK_URL is no URL: {error}"));
        variable.map(|url| Url::parse(&url).map_err(malformed)).transpose()
    }

    fn signed_in(&self, holder: Holder) -> Result<(Client, SignedIn), Failure> {
        let asked_for = self.asked_for()?;
        let stores = self.stores()?;
        match stores.find(holder, asked_for.as_ref())? {
            Some(signed_in) => Ok((self.client_for(asked_for, &signed_in)?, signed_in)),
            None => Err(not_signed_in(&stores, holder, asked_for.as_ref())?),
        }
    }

    fn client_for(&self, asked_for: Option<Url>, signed_in: &SignedIn) -> Result<Client, Failure> {
        let url = asked_for.or_else(|| signed_in.url.clone()).map_or_else(default_url, Ok)?;
        self.client_to(url, signed_in.secret.clone())
    }

    /// A client that sends this credential to the service at `url`.
    pub(super) fn client_to(&self, url: Url, secret: SecretString) -> Result<Client, Failure> {
        self.may_send_to(&url)?;
        Client::new(url, Some(secret))
    }

    /// No credential goes out in the clear, unless somebody said so.
    pub(super) fn may_send_to(&self, url: &Url) -> Result<(), Failure> {
        if !goes_in_the_clear(url) || self.global.insecure_http {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "{} is not encrypted, and whoever is in between could read the credential: use https://, or say --insecure-http ({INSECURE_HTTP}=true)",
            plain(url)
        )))
    }
}

fn goes_in_the_clear(url: &Url) -> bool {
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !here
}

/// A variable that is none of ours changes nothing, and whoever misspelt one believes that it does.
pub(super) fn warn_of_mistaken() {
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if Key::is_mistaken(name) && !VARIABLES.contains(&name) {
            note(&format!("warning: {} is no setting of this version and changes nothing", printable(name)));
        }
    }
}

fn default_url() -> Result<Url, Failure> {
    Url::parse(DEFAULT_URL).map_err(|error| Failure::failed(error.to_string()))
}

/// What to do about it. A credential is shown to the service that gave it, whatever else is asked for.
fn not_signed_in(stores: &Stores, holder: Holder, service: Option<&Url>) -> Result<Failure, Failure> {
    let variable = holder.variable();
    let others = stores.services()?;
    let to = service.map(|url| format!(" to {}", plain(url))).unwrap_or_default();
    let server = service.map(|url| format!(" --server {}", plain(url))).unwrap_or_default();
    let but = match (others.as_slice(), holder) {
        ([], _) => String::new(),
        (some, Holder::Member) => format!(" (what is kept is for {})", some.join(", ")),
        (_, Holder::Operator) => " as operator".to_owned(),
    };
    Ok(Failure::not_signed_in(format!(
        "not signed in{to}{but}: sign in with `tollbook login --with-api-key{server}`, or set {variable}"
    )))
}
