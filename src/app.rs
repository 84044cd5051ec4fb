//! The wiring: one of everything, made in the order in which it is needed.

use std::path::Path;
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollbook_journal::{Database, Journal, OpenError, Settings, migrate};
use tollbook_projections::{Pace, Projector, Rebuilder, Views, standard};
use tollbook_vault::{
    HeldKey, KeyFileError, KeyMaterial, MalformedKey, NoRandomness, OsRandomness, Randomness, Vault,
};
use url::Url;
use zeroize::Zeroizing;

use crate::authority::{Authority, FollowError};
use crate::book::Scribe;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::commands::Commands;
use crate::config::{Config, KeySource};
use crate::credential::Pepper;
use crate::doctor::Doctor;
use crate::erasure;
use crate::keys::Keys;
use crate::last_used::LastUsed;
use crate::limits::Limits as Allowances;
use crate::outbound::{HostPortError, Limits, Outbound, OutboundError, Policy};
use crate::replicas::{RegisterError, Replica};
use crate::strangers::Strangers;
use crate::upstream::Upstreams;

/// How many unwrapped data keys are kept in memory.
const CACHED_KEYS: usize = 10_000;

/// The service, without its servers.
pub struct App {
    /// What is in force.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// The book.
    pub journal: Journal,
    /// What seals.
    pub vault: Arc<Vault>,
    /// Where the vault's keys and secrets lie.
    pub keys: Keys,
    /// What credentials are checked under.
    pub pepper: Arc<Pepper>,
    /// Where new secrets come from.
    pub random: Arc<dyn Randomness>,
    /// What decisions are made on.
    pub authority: Authority,
    /// Carrying out what callers ask for.
    pub commands: Commands,
    /// This process among the replicas.
    pub replica: Replica,
    /// Deciding and recording tool calls.
    pub calls: Arc<Calls>,
    /// The read models.
    pub views: Views,
    /// What builds read models again.
    pub rebuilder: Rebuilder,
    /// The tool servers.
    pub upstreams: Arc<Upstreams>,
    /// Whatever else goes out.
    pub outbound: Outbound,
    /// What is well here and what isn't.
    pub doctor: Doctor,
    /// How much one caller or address may ask.
    pub allowances: Arc<Allowances>,
    /// What is refused before anybody is known.
    pub strangers: Arc<Strangers>,
    /// When credentials were last used.
    pub last_used: Arc<LastUsed>,
    /// Fires when no new connection is taken any more, and open ones are to end.
    pub draining: CancellationToken,
    /// Fires when the service stops.
    pub stop: CancellationToken,
    /// What then hands over to the other replicas before the database is closed.
    projecting: TaskTracker,
    /// What commands on this machine prove themselves with to this service, as long as it runs.
    pub host_key: Zeroizing<String>,
}

/// Why the service can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The book can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The book can't be followed.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// This process can't enter the register of replicas.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The data directory can't be made.
    #[error("the data directory `{path}` cannot be used: {reason}")]
    DataDir {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// A key file can't be used.
    #[error("`{path}`: {reason}")]
    KeyFile {
        /// Which.
        path: String,
        /// Why.
        reason: KeyFileError,
    },
    /// A key in a setting can't be used.
    #[error("the setting `{setting}`: {reason}")]
    Key {
        /// Which.
        setting: &'static str,
        /// Why.
        reason: MalformedKey,
    },
    /// The operating system gives no randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// An exception for tool servers isn't a host and a port.
    #[error("the setting `upstream_exceptions`: {0}")]
    Exception(#[from] HostPortError),
    /// The client for tool servers can't be made.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

impl App {
    /// Opens everything and follows the book.
    ///
    /// # Errors
    /// Says in one line what can't be opened.
    pub async fn start(config: Config, clock: Clock, run_migrations: bool) -> Result<Arc<Self>, StartError> {
        make_private_dir(&config.data_dir)?;
        let random: Arc<dyn Randomness> = Arc::new(OsRandomness);
        let host_key = Zeroizing::new(hex::encode(KeyMaterial::generate(random.as_ref())?.expose()));
        let kek = Arc::new(kek(&config.kek, &random)?);
        let pepper = Arc::new(pepper(&config.pepper, random.as_ref())?);
        let database = open_database(&config).await?;
        if run_migrations {
            migrate(&database, config.migrate_database_url.as_ref()).await?;
        }
        let settings = Settings { clock: clock.of_the_book(), ..Settings::default() };
        let journal = Journal::open(database.clone(), settings).await?;
        let keys = Keys::new(database.clone(), clock.clone());
        let vault = Arc::new(Vault::new(kek, Arc::new(keys.clone()), Arc::clone(&random), CACHED_KEYS));
        let stop = CancellationToken::new();
        let authority = Authority::start(journal.clone(), clock.clone(), stop.clone()).await?;
        let doctor = Doctor::inside(config.clone(), clock.clone(), database.clone(), authority.clone());
        let last_used = Arc::new(LastUsed::new(database, authority.clone()));
        tokio::spawn(erasure::follow(
            authority.clone(),
            Arc::clone(&vault),
            Arc::clone(&last_used),
            stop.clone(),
        ));
        let views = Views::new(journal.clone());
        let incarnation = Clock::fresh_id();
        let projector = Projector::new(&views, standard(), Pace::default(), incarnation);
        let rebuilder = projector.rebuilder();
        // Before anybody can ask for one. What can't be done now is tried again as long as it runs.
        projector.prepare().await;
        let projecting = TaskTracker::new();
        projecting.spawn(projector.run(stop.clone()));
        projecting.spawn({
            let (rebuilder, kept_for, stop) = (rebuilder.clone(), config.projection_kept_for, stop.clone());
            async move { rebuilder.run(kept_for, stop).await }
        });
        projecting.close();
        let outbound = Outbound::new(policy(&config)?, Limits::default())?;
        let upstreams = Arc::new(Upstreams::new(&outbound, config.upstream_timeout));
        let scribe = Scribe::new(Arc::clone(&vault), incarnation);
        let commands = Commands::new(
            journal.clone(),
            authority.clone(),
            Arc::clone(&vault),
            scribe.clone(),
            clock.clone(),
        );
        let replica =
            Replica::enter(journal.clone(), authority.clone(), scribe.clone(), clock.clone(), stop.clone())
                .await?;
        let calls = Calls::new(
            journal.clone(),
            authority.clone(),
            &vault,
            keys.clone(),
            scribe,
            replica.clone(),
            clock.clone(),
        );
        let allowances = Arc::new(Allowances::new(&config));
        let strangers = Arc::new(Strangers::default());
        tokio::spawn(look_after(
            Arc::clone(&allowances),
            Arc::clone(&strangers),
            Arc::clone(&last_used),
            commands.clone(),
            stop.clone(),
        ));
        Ok(Arc::new(Self {
            config,
            clock,
            journal,
            vault,
            keys,
            pepper,
            random,
            authority,
            commands,
            replica,
            calls: Arc::new(calls),
            views,
            rebuilder,
            upstreams,
            outbound,
            doctor,
            allowances,
            strangers,
            last_used,
            draining: CancellationToken::new(),
            stop,
            projecting,
            host_key,
        }))
    }

    /// Stops once no request is answered any more: every outcome is written, and the book is closed.
    pub async fn close(&self) {
        self.calls.settle().await;
        self.strangers.finish(&self.commands).await;
        self.last_used.keep().await;
        self.replica.leave().await;
        self.stop.cancel();
        self.projecting.wait().await;
        self.journal.close().await;
        self.journal.database().close().await;
    }
}

/// What goes on beside all requests, until the service stops.
async fn look_after(
    allowances: Arc<Allowances>,
    strangers: Arc<Strangers>,
    last_used: Arc<LastUsed>,
    commands: Commands,
    stop: CancellationToken,
) {
    tokio::select! {
        () = allowances.keep_small() => {}
        () = strangers.tell(&commands) => {}
        () = last_used.run() => {}
        () = stop.cancelled() => {}
    }
}

/// The database of this configuration, not migrated.
///
/// # Errors
/// When it can't be reached.
pub async fn open_database(config: &Config) -> Result<Database, StartError> {
    Ok(match &config.database_url {
        Some(url) => Database::connect(url).await?,
        None => Database::open_sqlite(&config.data_dir).await?,
    })
}

fn policy(config: &Config) -> Result<Policy, StartError> {
    let listening = Url::parse(&format!("http://{}", config.listen)).map(|url| url.origin());
    Ok(Policy {
        allow_private: config.allow_private_upstreams,
        exceptions: config.upstream_exceptions.iter().map(|item| item.parse()).collect::<Result<_, _>>()?,
        own_origins: std::iter::once(config.public_url.origin()).chain(listening).collect(),
    })
}

/// Makes the directory for its owner alone.
///
/// # Errors
/// When it can't be made.
pub fn make_private_dir(path: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let error = |error: std::io::Error| StartError::DataDir {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(error)
}

fn kek(source: &KeySource, random: &Arc<dyn Randomness>) -> Result<HeldKey, StartError> {
    match source {
        KeySource::Value(value) => HeldKey::from_value(value.expose_secret(), Arc::clone(random))
            .map_err(|reason| StartError::Key { setting: "kek", reason }),
        KeySource::File(path) => {
            HeldKey::from_file(path, Arc::clone(random)).map_err(|reason| key_file(path, reason))
        }
        KeySource::Generated(path) => generated(
            path,
            |path| HeldKey::from_file(path, Arc::clone(random)),
            |path| HeldKey::create_file(path, Arc::clone(random)),
        ),
    }
}

fn pepper(source: &KeySource, random: &dyn Randomness) -> Result<Pepper, StartError> {
    match source {
        KeySource::Value(value) => Pepper::from_value(value.expose_secret())
            .map_err(|reason| StartError::Key { setting: "pepper", reason }),
        KeySource::File(path) => Pepper::from_file(path).map_err(|reason| key_file(path, reason)),
        KeySource::Generated(path) => {
            generated(path, Pepper::from_file, |path| Pepper::create_file(path, random))
        }
    }
}

/// Loads the file, or makes it; of two processes that make it at once, both use the winner's.
fn generated<K>(
    path: &Path,
    load: impl Fn(&Path) -> Result<K, KeyFileError>,
    create: impl Fn(&Path) -> Result<K, KeyFileError>,
) -> Result<K, StartError> {
    let made = match load(path) {
        Err(KeyFileError::Absent) => create(path).inspect(|_| {
            let file = path.display();
            tracing::warn!(%file, "made a new key; for production, keep it outside of this machine and set it");
        }),
        loaded => loaded,
    };
    match made {
        Err(KeyFileError::Exists) => load(path),
        other => other,
    }
    .map_err(|reason| key_file(path, reason))
}

fn key_file(path: &Path, reason: KeyFileError) -> StartError {
    StartError::KeyFile { path: path.display().to_string(), reason }
}
