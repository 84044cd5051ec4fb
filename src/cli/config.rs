//! `tollbook config`: what is in force, and where each setting came from.

use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};
use url::Url;

use crate::config::{Config, KEYS, KeySource};

use super::context::{Context, warn_of_mistaken};
use super::failure::Failure;
use super::fields::text_of;
use super::output::{self, Column, note, plain};
use super::service_file::{ServiceFile, local_url};
use super::settings::Settings;

/// A service that lives answers a short question sooner.
const LIVES: Duration = Duration::from_secs(3);

/// Show what is in force and where it was set; secrets are masked.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    settings: Settings,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        warn_of_mistaken();
        let given = context.given(&self.settings)?;
        let config = given.config()?;
        if let Some(other) = other_service(context, &config).await {
            note(&format!("These are the settings of a service that is started from here, now. {other}"));
        }
        let shown: Vec<Value> = given
            .shown()
            .into_iter()
            .map(|(name, value, origin)| {
                let value = if origin == "default" { derived(&config, name).unwrap_or(value) } else { value };
                json!({ "setting": name, "value": value, "unit": unit_of(name), "from": origin })
            })
            .collect();
        if context.output.json {
            let by_name: Map<String, Value> = shown
                .iter()
                .map(|item| {
                    let mut shown = item.clone();
                    shown.as_object_mut().into_iter().for_each(|members| {
                        members.remove("setting");
                        members.retain(|name, value| name != "unit" || value != "");
                    });
                    (text_of(item, "setting"), shown)
                })
                .collect();
            return output::json(&Value::Object(by_name));
        }
        let columns: [Column; 3] = [
            ("SETTING", |item| text_of(item, "setting")),
            ("VALUE", |item| {
                format!("{} {}", text_of(item, "value"), text_of(item, "unit")).trim().to_owned()
            }),
            ("FROM", |item| text_of(item, "from")),
        ];
        debug_assert_eq!(shown.len(), KEYS.len());
        output::text(&output::table(&shown, &columns))
    }
}

fn unit_of(setting: &str) -> &'static str {
    KEYS.iter().find(|key| key.name == setting).map_or("", |key| key.unit)
}

/// Whose settings somebody may take these for, and isn't shown.
async fn other_service(context: &Context, config: &Config) -> Option<String> {
    let running = tokio::time::timeout(LIVES, ServiceFile::running(&config.data_dir)).await;
    if let Ok(Ok(Some((file, _)))) = running {
        let (pid, url) = (file.pid, plain(&file.url));
        return Some(format!("The one that runs here (process {pid}, {url}) has those of its own start."));
    }
    let (url, _) = context.everyone().ok()?.into_iter().next()?;
    let same = [&config.public_url, &local_url(config.listen).ok()?].map(Url::origin).contains(&url.origin());
    (!same).then(|| format!("The one that commands talk to, {}, has its own.", plain(&url)))
}

/// The default of a setting whose default depends on others.
fn derived(config: &Config, name: &str) -> Option<String> {
    let file = |source: &KeySource| match source {
        KeySource::Generated(path) => Some(path.display().to_string()),
        KeySource::Value(_) | KeySource::File(_) => None,
    };
    match name {
        "public_url" => Some(config.public_url.to_string()),
        "allow_private_upstreams" => Some(config.allow_private_upstreams.to_string()),
        "workers" => Some(config.workers.to_string()),
        "kek_file" => file(&config.kek),
        "pepper_file" => file(&config.pepper),
        _ => None,
    }
}
