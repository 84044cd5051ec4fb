//! What every command is given: the flags that all have, and how results are printed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use url::Url;

use crate::config::{Config, Given};

use super::auth::{self, SignedIn};
use super::client::Client;
use super::failure::Failure;
use super::output::Output;
use super::settings::Settings;

/// Where a service listens that nobody configured.
const DEFAULT_URL: &str = "http://127.0.0.1:7070";

const EVERYWHERE: &str = "Everywhere";

/// What lies in the data directory, and how it is found.
const DATA_DIR: &str = "Where keys, the CLI's credential and, on SQLite, the book lie [env: TOLLBOOK_DATA_DIR] [default: ./tollbook-data]";

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
        Ok(self.given(settings)?.config()?)
    }

    /// The configuration file that was named.
    pub(super) fn config_file(&self) -> Option<&Path> {
        self.global.config.as_deref()
    }

    /// The data directory.
    pub(super) fn data_dir(&self) -> Result<PathBuf, Failure> {
        Ok(self.config(&Settings::default())?.data_dir)
    }

    /// A client with the API key of whoever runs this.
    pub(super) fn client(&self) -> Result<(Client, SignedIn), Failure> {
        self.signed_in(auth::api_key)
    }

    /// A client with the operator's credential.
    pub(super) fn operator(&self) -> Result<(Client, SignedIn), Failure> {
        self.signed_in(auth::operator_key)
    }

    /// The service that was asked for. An empty variable is an unset one, as for every setting.
    fn url(&self) -> Result<Option<Url>, Failure> {
        if let Some(url) = &self.global.url {
            return Ok(Some(url.clone()));
        }
        let variable = std::env::var("TOLLBOOK_URL").ok().filter(|url| !url.is_empty());
        let malformed = |error| Failure::usage(format!("TOLLBOOK_URL is no URL: {error}"));
        variable.map(|url| Url::parse(&url).map_err(malformed)).transpose()
    }

    fn signed_in(
        &self,
        credential: impl Fn(&Path, Option<&Url>) -> Result<SignedIn, Failure>,
    ) -> Result<(Client, SignedIn), Failure> {
        let asked_for = self.url()?;
        let signed_in = credential(&self.data_dir()?, asked_for.as_ref())?;
        let url = match (asked_for, &signed_in.url) {
            (Some(url), _) => url,
            (None, Some(url)) => url.clone(),
            (None, None) => Url::parse(DEFAULT_URL).map_err(|error| Failure::failed(error.to_string()))?,
        };
        let client = Client::new(url, Some(signed_in.secret.clone()))?;
        Ok((client, signed_in))
    }
}
