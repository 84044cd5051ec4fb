//! What can be set, and where each setting came from.
//!
//! Every setting is a key in `tollbook.toml`, an environment variable `TOLLBOOK_…` and a flag, in
//! rising priority. All of them stand in one table, [`KEYS`].

mod rate;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use tollbook_journal::DatabaseUrl;
use url::Url;

pub use rate::{Limit, Rate};

/// A setting that there is.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As in the file; upper case behind `TOLLBOOK_` in the environment, with dashes as a flag.
    pub name: &'static str,
    /// What is in force when nobody says otherwise, for `tollbook config`.
    pub default: &'static str,
    /// Is its value never shown?
    pub secret: bool,
    /// What a number of it is a number of; nothing where it isn't one, or says so itself.
    pub unit: &'static str,
    /// For `--help` and the documentation.
    pub help: &'static str,
}

macro_rules! keys {
    ($($name:literal $default:literal $secret:literal $help:literal $(in $unit:literal)?;)*) => {
        /// Every setting.
        pub const KEYS: &[Key] = &[$(Key {
            name: $name, default: $default, secret: $secret, unit: concat!($($unit)?), help: $help,
        }),*];
    };
}

/// Where a service is reached that nobody configured.
pub const DEFAULT_URL: &str = "http://127.0.0.1:7070";

keys! {
    "listen" "127.0.0.1:7070" false "the address and port to listen on";
    "public_url" "" false "the URL that clients reach the service by (default: http:// and the listen address, unless that is every address)";
    "data_dir" "./tollbook-data" false "where keys, and the book when it is on SQLite, lie";
    "database_url" "" true "postgres://… puts the book on PostgreSQL";
    "migrate_database_url" "" true "the same database as the role that owns the tables";
    "kek" "" true "the key-encryption key, 32 bytes in hex or base64";
    "kek_file" "" false "the file that holds it (default: kek in the data directory, made at first start)";
    "pepper" "" true "the pepper of credentials, 32 bytes in hex or base64";
    "pepper_file" "" false "the file that holds it (default: pepper in the data directory, made at first start)";
    "allow_private_upstreams" "" false "may tool servers lie on private addresses? (default: while listening on loopback only)";
    "upstream_exceptions" "" false "host:port of tool servers that are allowed all the same, separated by commas";
    "trusted_proxies" "" false "addresses or networks of proxies whose X-Forwarded-For is believed, separated by commas";
    "limit_address" "100000/s" false "how many requests an address (a /64 of IPv6) may make: off, 100/s, 300/m, 100/s burst 500";
    "limit_key" "100000/s" false "how many requests an API key may make, as limit_address";
    "limit_user" "off" false "how many requests a person may make with all their keys, as limit_address";
    "limit_session" "100000/s" false "how many requests a session's own token may make, as limit_address";
    "limit_failures" "300/m" false "how many refused credentials an address may send before it is turned away, as limit_address";
    "limit_links" "20/h" false "how many one-time links that are none a signed-in person may try before they are turned away, as limit_address";
    "body_limit" "1048576" false "the largest request body, in bytes" in "bytes";
    "session_default_expires_in" "28800" false "how long a session lasts when nobody says, in seconds" in "s";
    "session_max_expires_in" "2592000" false "how long a session may last, in seconds" in "s";
    "upstream_timeout" "60" false "how long a tool call may take, in seconds" in "s";
    "stop_deadline" "10" false "how long open calls have to end at a graceful stop, in seconds" in "s";
    "projection_kept_for" "86400" false "how long what a rebuild replaced is kept for a rollback, in seconds" in "s";
    "workers" "" false "how many threads serve HTTP (default: one a core)";
    "log" "info" false "what is logged, such as info or tollbook=debug";
    "log_format" "text" false "text or json";
}

impl Key {
    /// As it is called in the environment.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_uppercase())
    }

    /// Is this the name of a variable that looks like a setting, and is none?
    pub fn is_mistaken(variable: &str) -> bool {
        variable.starts_with(PREFIX) && !KEYS.iter().any(|key| key.variable() == variable)
    }
}

/// What the variables of all settings begin with.
const PREFIX: &str = "TOLLBOOK_";

/// What is in force.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// Where clients reach the service.
    pub public_url: Url,
    /// Where keys and the embedded book lie.
    pub data_dir: PathBuf,
    /// `PostgreSQL`, if the book is there.
    pub database_url: Option<DatabaseUrl>,
    /// The same, as the owner of the tables.
    pub migrate_database_url: Option<DatabaseUrl>,
    /// Where the key-encryption key comes from.
    pub kek: KeySource,
    /// Where the pepper comes from.
    pub pepper: KeySource,
    /// May tool servers lie on private addresses?
    pub allow_private_upstreams: bool,
    /// `host:port` of tool servers that are allowed all the same.
    pub upstream_exceptions: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How much one of them may ask.
    pub limits: Rates,
    /// The largest request body, in bytes.
    pub body_limit: usize,
    /// How long a session lasts when nobody says.
    pub session_default_expires_in: Duration,
    /// How long a session may last.
    pub session_max_expires_in: Duration,
    /// How long a tool call may take.
    pub upstream_timeout: Duration,
    /// How long open calls have to end at a graceful stop.
    pub stop_deadline: Duration,
    /// How long what a rebuild replaced is kept for a rollback.
    pub projection_kept_for: Duration,
    /// How many threads serve HTTP.
    pub workers: usize,
    /// What is logged.
    pub log: String,
    /// Is it logged as JSON?
    pub log_json: bool,
}

/// Limits, by whose they are; `None` where there is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    /// Of an address: requests.
    pub address: Option<Rate>,
    /// Of an API key, or an operator's credential: requests.
    pub key: Option<Rate>,
    /// Of a person: requests, by all their keys.
    pub user: Option<Rate>,
    /// Of a session, by its own token: requests.
    pub session: Option<Rate>,
    /// Of an address: credentials that were refused.
    pub failures: Option<Rate>,
    /// Of a person who is signed in: one-time links that are none.
    pub links: Option<Rate>,
}

/// Where a key comes from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// It was given itself.
    Value(SecretString),
    /// It lies in a file that must be there.
    File(PathBuf),
    /// It lies in a file that is made when it isn't there.
    Generated(PathBuf),
}

/// A setting that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("`{path}` cannot be read: {reason}")]
    File {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// The file has a key that isn't in [`KEYS`].
    #[error("`{path}` has an unknown setting `{key}`")]
    Unknown {
        /// Which file.
        path: String,
        /// Which key.
        key: String,
    },
    /// The value doesn't fit.
    #[error("the setting `{key}` ({origin}) must be {wanted}")]
    Invalid {
        /// Which.
        key: &'static str,
        /// Where it came from.
        origin: String,
        /// What would fit.
        wanted: &'static str,
    },
    /// The address to listen on is none that clients could be told.
    #[error(
        "the service is to listen on every address of this machine ({0}): set `public_url` to the URL that clients reach it by, such as http://tollbook.example:7070"
    )]
    NoPublicUrl(SocketAddr),
    /// Two settings say the same thing differently.
    #[error("the settings `{0}` and `{0}_file` exclude each other")]
    Both(&'static str),
}

/// Values as they were given, with where each came from.
#[derive(Debug, Clone, Default)]
pub struct Given(BTreeMap<&'static str, (SecretString, String)>);

impl Given {
    /// Reads the file (which may be absent unless it was named), the environment and the flags.
    ///
    /// # Errors
    /// When the file can't be read or has a key that there isn't.
    pub fn gather(
        file: Option<&Path>,
        environment: impl Fn(&str) -> Option<String>,
        flags: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let mut given = Self::default();
        let path = file.unwrap_or_else(|| Path::new("tollbook.toml"));
        match std::fs::read_to_string(path) {
            Ok(text) => given.take_file(path, &text)?,
            Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(ConfigError::File {
                    path: path.display().to_string(),
                    reason: error.to_string(),
                });
            }
        }
        for key in KEYS {
            let variable = key.variable();
            if let Some(value) = environment(&variable).filter(|value| !value.is_empty()) {
                given.0.insert(key.name, (value.into(), variable));
            }
            if let Some(value) = flags.get(key.name) {
                let flag = format!("--{}", key.name.replace('_', "-"));
                given.0.insert(key.name, (value.clone().into(), flag));
            }
        }
        Ok(given)
    }

    fn take_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let shown = path.display().to_string();
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| ConfigError::File {
            path: shown.clone(),
            reason: match error.span().and_then(|span| text.get(..span.start)) {
                Some(before) => {
                    format!("line {}: {}", before.matches('\n').count() + 1, error.message())
                }
                None => error.message().to_owned(),
            },
        })?;
        for (name, value) in table {
            let key = KEYS.iter().find(|key| key.name == name);
            let key = key.ok_or_else(|| ConfigError::Unknown { path: shown.clone(), key: name.clone() })?;
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Array(items) => {
                    let items: Vec<_> = items.iter().map(|item| item.as_str().unwrap_or_default()).collect();
                    items.join(",")
                }
                other => other.to_string(),
            };
            self.0.insert(key.name, (text.into(), shown.clone()));
        }
        Ok(())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.expose_secret())
    }

    fn parse<T: FromStr>(&self, name: &'static str, wanted: &'static str) -> Result<Option<T>, ConfigError> {
        let Some((value, origin)) = self.0.get(name) else { return Ok(None) };
        let invalid = |_| ConfigError::Invalid { key: name, origin: origin.clone(), wanted };
        value.expose_secret().trim().parse().map(Some).map_err(invalid)
    }

    fn seconds(&self, name: &'static str, default: u64) -> Result<Duration, ConfigError> {
        let seconds = self.parse::<u64>(name, "a whole number of seconds")?.unwrap_or(default);
        Ok(Duration::from_secs(seconds))
    }

    fn key_source(
        &self,
        name: &'static str,
        file: &'static str,
        data_dir: &Path,
    ) -> Result<KeySource, ConfigError> {
        match (self.0.get(name), self.get(file)) {
            (Some(_), Some(_)) => Err(ConfigError::Both(name)),
            (Some((value, _)), None) => Ok(KeySource::Value(value.clone())),
            (None, Some(path)) => Ok(KeySource::File(PathBuf::from(path))),
            (None, None) => Ok(KeySource::Generated(data_dir.join(name))),
        }
    }

    /// Each setting with its value (masked where it is secret) and where it came from.
    pub fn shown(&self) -> Vec<(&'static str, String, String)> {
        KEYS.iter()
            .map(|key| match self.0.get(key.name) {
                Some((_, origin)) if key.secret => (key.name, "********".to_owned(), origin.clone()),
                Some((value, origin)) => (key.name, value.expose_secret().to_owned(), origin.clone()),
                None => (key.name, key.default.to_owned(), "default".to_owned()),
            })
            .collect()
    }

    /// What is in force.
    ///
    /// # Errors
    /// Names the setting that can't be used, and where it came from.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let listen = self.parse("listen", "an address and a port, such as 127.0.0.1:7070")?;
        let listen: SocketAddr = listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 7070)));
        let data_dir = PathBuf::from(self.get("data_dir").unwrap_or("./tollbook-data"));
        Ok(Config {
            listen,
            public_url: self.public_url(listen)?,
            database_url: self.parse("database_url", "postgres://user:password@host:port/database")?,
            migrate_database_url: self
                .parse("migrate_database_url", "postgres://user:password@host:port/database")?,
            kek: self.key_source("kek", "kek_file", &data_dir)?,
            pepper: self.key_source("pepper", "pepper_file", &data_dir)?,
            data_dir,
            allow_private_upstreams: self
                .parse("allow_private_upstreams", "true or false")?
                .unwrap_or_else(|| listen.ip().is_loopback()),
            upstream_exceptions: self
                .get("upstream_exceptions")
                .map(|list| {
                    list.split(',')
                        .map(|item| item.trim().to_owned())
                        .filter(|item| !item.is_empty())
                        .collect()
                })
                .unwrap_or_default(),
            trusted_proxies: self.trusted_proxies()?,
            limits: Rates {
                address: self.limit("limit_address")?,
                key: self.limit("limit_key")?,
                user: self.limit("limit_user")?,
                session: self.limit("limit_session")?,
                failures: self.limit("limit_failures")?,
                links: self.limit("limit_links")?,
            },
            body_limit: self.parse("body_limit", "a whole number of bytes")?.unwrap_or(1 << 20),
            session_default_expires_in: self.seconds("session_default_expires_in", 28_800)?,
            session_max_expires_in: self.seconds("session_max_expires_in", 2_592_000)?,
            upstream_timeout: self.seconds("upstream_timeout", 60)?,
            stop_deadline: self.seconds("stop_deadline", 10)?,
            projection_kept_for: self.seconds("projection_kept_for", 86_400)?,
            workers: self
                .parse("workers", "a whole number")?
                .unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from)),
            log: self.get("log").unwrap_or("info").to_owned(),
            log_json: self
                .parse::<LogFormat>("log_format", "text or json")?
                .is_some_and(|format| format.json),
        })
    }

    fn limit(&self, name: &'static str) -> Result<Option<Rate>, ConfigError> {
        let default = KEYS.iter().find(|key| key.name == name).and_then(|key| key.default.parse().ok());
        Ok(self.parse::<Limit>(name, rate::WANTED)?.or(default).and_then(|Limit(rate)| rate))
    }

    /// Networks, or addresses: those are networks of one.
    fn trusted_proxies(&self) -> Result<Vec<IpNet>, ConfigError> {
        let name = "trusted_proxies";
        let Some((list, origin)) = self.0.get(name) else { return Ok(Vec::new()) };
        let wanted = "addresses or networks, such as 10.0.0.0/8, separated by commas";
        let network = |item: &str| {
            let address = || item.parse().ok().map(|address: IpAddr| IpNet::from(address.to_canonical()));
            item.parse().ok().or_else(address)
        };
        let items = list.expose_secret().split(',').map(str::trim).filter(|item| !item.is_empty());
        items
            .map(|item| network(item).ok_or(()))
            .collect::<Result<_, ()>>()
            .map_err(|()| ConfigError::Invalid { key: name, origin: origin.clone(), wanted })
    }

    fn public_url(&self, listen: SocketAddr) -> Result<Url, ConfigError> {
        let wanted = "an http or https URL without a query";
        let invalid =
            |origin: &str| ConfigError::Invalid { key: "public_url", origin: origin.to_owned(), wanted };
        let (text, origin) = match self.0.get("public_url") {
            Some((text, origin)) => (text.expose_secret().to_owned(), origin.as_str()),
            // No client can connect to 0.0.0.0, and the URLs of sessions would say it.
            None if listen.ip().is_unspecified() => return Err(ConfigError::NoPublicUrl(listen)),
            None => (format!("http://{listen}"), "default"),
        };
        let url = Url::parse(&text).map_err(|_| invalid(origin))?;
        let fits =
            matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
        if fits { Ok(url) } else { Err(invalid(origin)) }
    }
}

struct LogFormat {
    json: bool,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self { json: false }),
            "json" => Ok(Self { json: true }),
            _ => Err(()),
        }
    }
}
