//! How the walk is told.

use crate::cli::failure::Failure;
use crate::cli::output::{printable, text};

/// Counts the steps.
#[derive(Debug, Default)]
pub(super) struct Story {
    steps: u32,
}

impl Story {
    /// What happens next.
    pub(super) fn step(&mut self, sentence: &str) -> Result<(), Failure> {
        self.steps += 1;
        text(&format!("\n{}. {sentence}", self.steps))
    }

    /// What it looks like; several lines stay several.
    pub(super) fn show(lines: &str) -> Result<(), Failure> {
        let indented: Vec<String> = lines.lines().map(|line| format!("   {}", printable(line))).collect();
        text(&indented.join("\n"))
    }
}
