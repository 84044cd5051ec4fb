//! `tollbook demo`: a running service, and a walk through its main job for somebody who has never seen
//! it. Offline: the tools are those of the bundled sample server.
//!
//! Everything goes over HTTP to the service, with a key that it gave out, as it would for anybody.

mod agent;
mod child;
mod next_steps;
mod story;
mod walk;

use std::path::{Path, PathBuf};

use clap::Args;
use url::Url;

use super::client::Client;
use super::context::Context;
use super::failure::Failure;
use super::fields::text_of;
use super::output::{note, text};
use super::resolve::Rooms;
use super::service_file::ServiceFile;
use super::settings::Settings;
use super::state::StateFile;
use super::stores::{CredentialStore as _, Found, Holder, Profile};
use super::{bootstrap, fields};
use walk::Walk;

/// How the workspace of the walk is called.
const WORKSPACE: &str = "Demo";

/// Start a service with a sample tool server, and walk through the main job on it.
#[derive(Debug, Args)]
pub(super) struct Demo {
    #[command(flatten)]
    settings: Settings,
}

impl Demo {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let config = context.config(&self.settings)?;
        let data_dir = absolute(&config.data_dir)?;
        let (service, host) = match ServiceFile::running(&data_dir).await? {
            Some(running) => {
                note(&format!("The service runs on {} already.", data_dir.display()));
                running
            }
            None => child::start(context, &self.settings, &data_dir).await?,
        };
        let Some(sample) = service.sample_url.clone() else {
            return Err(Failure::failed(format!(
                "a service without the sample tool server runs on {}: stop it with `kill {}`, and try again",
                data_dir.display(),
                service.pid
            )));
        };
        let (kept, fresh) = sign_in(&service, &host, &data_dir).await?;
        let client = Client::new(service.url.clone(), Some(kept.secret))?;
        let rooms = Rooms { client, workspace: kept.workspace_id.unwrap_or_default() };
        rooms
            .client
            .get(&rooms.path(&[]), &[])
            .await
            .map_err(|failure| not_this_book(&failure, &data_dir))?;
        Walk::new(rooms, sample.clone(), fresh).go(&service.url).await?;
        text(&next_steps::text(&service, &sample, &data_dir, &program()?))
    }
}

/// The credential that an earlier walk left, or the first one of an empty book; and whether it was empty.
async fn sign_in(service: &ServiceFile, host: &Client, data_dir: &Path) -> Result<(Found, bool), Failure> {
    let file = StateFile::at(data_dir);
    if let Some(mut found) = file.read(Holder::Member, None)? {
        // The same data directory, and a service that proved to be its own: it listens elsewhere now.
        if found.url.as_ref() != Some(&service.url) {
            let operator = file.read(Holder::Operator, None)?;
            file.remove(None)?;
            found.url = Some(service.url.clone());
            for (holder, found) in [(Holder::Operator, operator.as_ref()), (Holder::Member, Some(&found))] {
                found.map_or(Ok(()), |found| keep(&file, service, holder, found))?;
            }
        }
        return Ok((found, false));
    }
    let user = std::env::var("USER").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "you".to_owned());
    let founded = bootstrap::on(host, &user, WORKSPACE).await.map_err(|failure| {
        if !failure.has_code("instance.already_bootstrapped") {
            return failure;
        }
        Failure::not_signed_in(format!(
            "the book in {} has an owner, and no credential of theirs lies there: walk on an empty directory, with TOLLBOOK_DATA_DIR or --data-dir",
            data_dir.display()
        ))
    })?;
    let found = |member| Found {
        secret: text_of(&founded, member).into(),
        url: Some(service.url.clone()),
        workspace_id: Some(text_of(&founded, "workspace_id")),
    };
    keep(&file, service, Holder::Operator, &found("operator_key"))?;
    let member = found("api_key");
    keep(&file, service, Holder::Member, &member)?;
    Ok((member, true))
}

fn keep(file: &StateFile, service: &ServiceFile, holder: Holder, found: &Found) -> Result<(), Failure> {
    let (secret, workspace_id) = (found.secret.clone(), found.workspace_id.clone());
    file.write(&Profile { url: service.url.clone(), holder, secret, workspace_id })
}

/// A kept credential that the book doesn't know: most likely the directory was half emptied.
fn not_this_book(failure: &Failure, data_dir: &Path) -> Failure {
    Failure::not_signed_in(format!(
        "the credential in `{}` is not good for this book: {}",
        StateFile::at(data_dir).path().display(),
        failure.message()
    ))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::failed(format!("`{}`: {error}", path.display())))
}

/// This program, to be started again.
fn program() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|error| Failure::failed(format!("this program's file cannot be found: {error}")))
}

/// A URL that the service answered with.
fn url_of(answer: &serde_json::Value, member: &str) -> Result<Url, Failure> {
    let text = fields::text_of(answer, member);
    Url::parse(&text).map_err(|_| Failure::failed(format!("the service answered with no `{member}`")))
}
