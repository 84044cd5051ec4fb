//! `tollbook serve`: the service, until it is told to stop.

mod first_owner;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::sample::{self, SampleServer};
use crate::{server, telemetry};

use super::context::Context;
use super::failure::Failure;
use super::output::{self, plain};
use super::service_file::{ServiceFile, local_url};
use super::settings::Settings;

/// What a shell says of a process that an interrupt ended.
const INTERRUPTED: i32 = 130;

/// Run the service.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Leave the database's schema alone: it was brought up to this version by `tollbook migrate`.
    #[arg(long)]
    no_migrate: bool,
    /// Run the sample tool server beside the service, and outlive the terminal. For `tollbook demo`.
    #[arg(long, hide = true)]
    with_sample: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Serve {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let mut config = context.config(&self.settings)?;
        if self.with_sample {
            // The sample's library reports every connection; this log is the service's.
            config.log.push_str(",rmcp=warn");
        }
        telemetry::start(&config.log, config.log_json)
            .map_err(|error| Failure::usage(format!("the setting `log`: {error}")))?;
        let mut stops = Stops::listen(self.with_sample)?;
        let listener = bind(config.listen)?;
        let address = listener.local_addr().map_err(|error| Failure::failed(error.to_string()))?;
        take_port(&mut config, address);
        let app = tokio::select! {
            started = App::start(config, Clock::default(), !self.no_migrate) => started?,
            why = stops.next() => return Err(Failure::failed(format!("{why} before it had started"))),
        };
        let sample = if self.with_sample { Some(start_sample(address).await?) } else { None };
        let running = server::serve(&app, listener)
            .map_err(|error| Failure::failed(format!("cannot listen on {address}: {error}")))?;
        let file = leave_word(&app, address, sample.as_ref())?;
        // What a service left that was killed.
        first_owner::withdraw(&app.config.data_dir)?;
        announce(context, &app, &file)?;

        let why = stops.next().await;
        tracing::info!(why, "stopping; once more to stop at once");
        tokio::spawn(async move {
            stops.next().await;
            std::process::exit(INTERRUPTED);
        });
        running.stop().await;
        app.close().await;
        drop(sample);
        file.remove(&app.config.data_dir)?;
        // The next start makes another, if one is needed still.
        first_owner::withdraw(&app.config.data_dir)?;
        tracing::info!("stopped");
        Ok(())
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| {
        let why = if error.kind() == std::io::ErrorKind::AddrInUse {
            "something else listens there; stop it, or choose another address with TOLLBOOK_LISTEN or --listen"
                .to_owned()
        } else {
            error.to_string()
        };
        Failure::failed(format!("cannot listen on {address}: {why}"))
    })
}

/// Port 0 asks the system for any free one: only now is it known which.
fn take_port(config: &mut Config, address: SocketAddr) {
    if config.listen.port() == 0 && config.public_url.port() == Some(0) {
        // The URL was made from an address and a port: it has a place for one.
        let _ = config.public_url.set_port(Some(address.port()));
    }
    config.listen = address;
}

/// Starts the sample on the port behind the service's, so that its URL stays the same from one start to
/// the next; on any free one when that is taken.
async fn start_sample(service: SocketAddr) -> Result<SampleServer, Failure> {
    let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let failed =
        |error: std::io::Error| Failure::failed(format!("the sample tool server cannot start: {error}"));
    let next = loopback(service.port().checked_add(1).unwrap_or_default());
    let listener = match tokio::net::TcpListener::bind(next).await {
        Ok(listener) => listener,
        Err(_) => tokio::net::TcpListener::bind(loopback(0)).await.map_err(failed)?,
    };
    sample::start(listener).map_err(failed)
}

/// Tells this machine where the service is.
fn leave_word(
    app: &Arc<App>,
    address: SocketAddr,
    sample: Option<&SampleServer>,
) -> Result<ServiceFile, Failure> {
    let file = ServiceFile {
        url: local_url(address)?,
        pid: std::process::id(),
        host_credential: app.host_key.as_str().to_owned(),
        sample_url: sample.map(|sample| sample.url.to_string()),
    };
    file.save(&app.config.data_dir)?;
    Ok(file)
}

fn announce(context: &Context, app: &Arc<App>, file: &ServiceFile) -> Result<(), Failure> {
    if context.output.json {
        output::text(&json!({ "url": app.config.public_url.as_str(), "local_url": file.url.as_str(), "pid": file.pid }).to_string())?;
    } else {
        output::text(&format!("Tollbook listens on {}", plain(&app.config.public_url)))?;
    }
    first_owner::invite(context, app)
}

/// The signals that ask the service to stop.
struct Stops {
    interrupt: Signal,
    terminate: Signal,
    /// Held so that a terminal that closes doesn't end the service with it.
    _hangup: Option<Signal>,
}

impl Stops {
    fn listen(outlive_terminal: bool) -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::failed(format!("signals cannot be listened to: {error}")))
        };
        let hangup = if outlive_terminal { Some(listen(SignalKind::hangup())?) } else { None };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            _hangup: hangup,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupted",
            _ = self.terminate.recv() => "terminated",
        }
    }
}
