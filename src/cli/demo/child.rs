//! Starting the service as a process of its own, which goes on when we end.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::app::make_private_dir;
use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::patience::patiently;
use crate::cli::service_file::ServiceFile;
use crate::cli::settings::Settings;

/// How long the service may take to start: its first start runs the migrations.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much of the log is read to find out why it didn't.
const TAIL: u64 = 64 * 1024;

/// Starts the service and its sample, and waits until it answers.
pub(super) async fn start(
    context: &Context,
    settings: &Settings,
    data_dir: &Path,
) -> Result<(ServiceFile, Client), Failure> {
    make_private_dir(data_dir)?;
    let path = data_dir.join("service.log");
    let failed = |error: std::io::Error| Failure::failed(format!("the service cannot be started: {error}"));
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
    let before = log.metadata().map_err(failed)?.len();
    let mut child = command(context, settings, data_dir, log)?.spawn().map_err(failed)?;
    if !patiently("starting the service", says_that_it_listens(&mut child)).await? {
        return Err(why(&path, before));
    }
    ServiceFile::running(data_dir).await?.ok_or_else(|| why(&path, before))
}

fn command(context: &Context, settings: &Settings, data_dir: &Path, log: File) -> Result<Command, Failure> {
    let mut command = Command::new(super::program()?);
    command.args(["serve", "--with-sample", "--json"]).arg("--data-dir").arg(data_dir);
    if let Some(file) = context.config_file() {
        command.arg("--config").arg(file);
    }
    // A process group of its own: what the terminal sends to ours doesn't reach it.
    command.args(settings.as_flags()).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    Ok(command)
}

/// Waits for the one line that a service prints when it listens; without it, it has ended.
async fn says_that_it_listens(child: &mut Child) -> Result<bool, Failure> {
    let failed =
        |error: std::io::Error| Failure::failed(format!("the service cannot be listened to: {error}"));
    let Some(stdout) = child.stdout.take() else { return Ok(false) };
    let mut line = String::new();
    let mut lines = BufReader::new(stdout);
    if let Ok(read) = tokio::time::timeout(PATIENCE, lines.read_line(&mut line)).await {
        return read.map(|bytes| bytes > 0).map_err(failed);
    }
    child.start_kill().map_err(failed)?;
    Err(Failure::failed(format!("the service did not start within {} seconds", PATIENCE.as_secs())))
}

/// What the service said before it ended.
fn why(log: &Path, before: u64) -> Failure {
    let said = read_from(log, before).unwrap_or_default();
    let line = said.lines().rev().find_map(|line| line.strip_prefix("error: "));
    match line {
        Some(line) => Failure::failed(line),
        None => Failure::failed(format!("the service did not start: `{}` may say why", log.display())),
    }
}

fn read_from(path: &Path, offset: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
