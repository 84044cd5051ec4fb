//! `tollbook config`: what is in force, and where each setting came from.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::config::{Config, KEYS, KeySource};

use super::context::Context;
use super::failure::Failure;
use super::fields::text_of;
use super::output::{self, Column};
use super::settings::Settings;

/// Show what is in force and where it was set; secrets are masked.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    settings: Settings,
}

impl Show {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let given = context.given(&self.settings)?;
        let config = given.config()?;
        let shown: Vec<Value> = given
            .shown()
            .into_iter()
            .map(|(name, value, origin)| {
                let value = if origin == "default" { derived(&config, name).unwrap_or(value) } else { value };
                json!({ "setting": name, "value": value, "from": origin })
            })
            .collect();
        if context.output.json {
            let by_name: Map<String, Value> = shown
                .iter()
                .map(|item| {
                    (text_of(item, "setting"), json!({ "value": item["value"], "from": item["from"] }))
                })
                .collect();
            return output::json(&Value::Object(by_name));
        }
        let columns: [Column; 3] = [
            ("SETTING", |item| text_of(item, "setting")),
            ("VALUE", |item| text_of(item, "value")),
            ("FROM", |item| text_of(item, "from")),
        ];
        debug_assert_eq!(shown.len(), KEYS.len());
        output::text(&output::table(&shown, &columns))
    }
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
