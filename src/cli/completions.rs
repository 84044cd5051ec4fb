//! `tollbook completions`: a script that teaches a shell our words.

use clap::{Args, Command};
use clap_complete::Shell;

use super::context::Context;
use super::failure::Failure;
use super::output;

/// Print a completion script for a shell.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Which shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, _: &Context, command: &mut Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, command, "tollbook", &mut script);
        output::text(String::from_utf8_lossy(&script).trim_end())
    }
}
