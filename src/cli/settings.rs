//! Every setting as a flag, generated from the table of them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::config::{KEYS, Key};

/// Settings given as flags, by name. `data_dir` isn't among them: that flag is every command's.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings(pub(super) BTreeMap<String, String>);

/// Name, flag and help. Flags are made at run time and clap wants them to live as long as it does:
/// made once, kept for good.
static FLAGS: LazyLock<Vec<(&str, &str, String)>> = LazyLock::new(|| {
    let keys = KEYS.iter().filter(|key| key.name != "data_dir");
    keys.map(|key| (key.name, &*key.name.replace('_', "-").leak(), help(key))).collect()
});

fn help(key: &Key) -> String {
    let variable = key.name.to_uppercase();
    let default = if key.default.is_empty() { String::new() } else { format!(" [default: {}]", key.default) };
    format!("{} [env: TOLLBOOK_{variable}]{default}", key.help)
}

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, (name, flag, help)| {
            let arg = Arg::new(*name).long(*flag).value_name("VALUE").help(help).help_heading("Settings");
            command.arg(arg)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut settings = Self::default();
        settings.update_from_arg_matches(matches)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for (name, ..) in FLAGS.iter() {
            if let Some(value) = matches.get_one::<String>(name) {
                self.0.insert((*name).to_owned(), value.clone());
            }
        }
        Ok(())
    }
}

impl Settings {
    /// As flags again, for a child process.
    pub(super) fn as_flags(&self) -> Vec<String> {
        let flag = |(name, value): (&String, &String)| format!("--{}={value}", name.replace('_', "-"));
        self.0.iter().map(flag).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Settings {
        let command = Settings::augment_args(Command::new("test"));
        let matches = command.try_get_matches_from(std::iter::once(&"test").chain(args)).unwrap();
        Settings::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn every_setting_is_a_flag() {
        for key in KEYS.iter().filter(|key| key.name != "data_dir") {
            let flag = format!("--{}=x", key.name.replace('_', "-"));
            let settings = parsed(&[&flag]);
            assert_eq!(settings.0.get(key.name).map(String::as_str), Some("x"));
            assert_eq!(settings.as_flags(), [flag]);
        }
    }
}
