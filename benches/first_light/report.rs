//! The figures, as a table for the terminal and for `docs/benchmarks/first-light.md`.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use crate::rounds::{Sample, Series};

/// What a result has to reach.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(goal) => value >= goal,
            Self::AtMost(goal) => value <= goal,
        }
    }
}

/// A line of the table.
#[derive(Debug)]
pub struct Figure {
    /// What was measured.
    what: String,
    ours: String,
    /// What it is compared with.
    base: String,
    /// How they compare, and in which unit.
    result: f64,
    unit: &'static str,
    goal: Option<Goal>,
}

impl Figure {
    /// How many a second, beside each other.
    pub fn rates(what: &str, ours: &Series, base: &Series, goal: Option<Goal>) -> Self {
        Self {
            what: what.to_owned(),
            ours: format!("{:.0}/s", ours.rate()),
            base: format!("{:.0}/s", base.rate()),
            result: ours.against(base, |ours, base| ours.rate / base.rate),
            unit: " ×",
            goal,
        }
    }

    /// How long it takes, as a multiple.
    pub fn times(
        what: &str,
        ours: &Series,
        base: &Series,
        of: impl Fn(&Sample) -> f64,
        goal: Option<Goal>,
    ) -> Self {
        Self {
            what: what.to_owned(),
            ours: millis(ours.median(&of)),
            base: millis(base.median(&of)),
            result: ours.against(base, |ours, base| of(ours) / of(base)),
            unit: " ×",
            goal,
        }
    }

    /// How much longer half of them take, in milliseconds.
    pub fn added(what: &str, ours: &Series, base: &Series, goal: Option<Goal>) -> Self {
        Self {
            what: what.to_owned(),
            ours: millis(ours.median(Sample::p50)),
            base: millis(base.median(Sample::p50)),
            result: ours.against(base, |ours, base| (ours.p50() - base.p50()) / 1000.0),
            unit: " ms more",
            goal,
        }
    }
}

/// Everything that was measured, in parts.
#[derive(Debug, Default)]
pub struct Report {
    parts: Vec<(String, Vec<Figure>)>,
    notes: Vec<String>,
}

const HEAD: [&str; 6] = ["figure", "Tollbook", "compared with", "result", "goal", "met"];

/// What the bench writes in the document stands between these lines; the rest of it is people's.
const BEGIN: &str = "<!-- figures: written by `make bench` -->";
const END: &str = "<!-- end of figures -->";

impl Report {
    pub fn part(&mut self, title: impl Into<String>) {
        self.parts.push((title.into(), Vec::new()));
    }

    pub fn add(&mut self, figure: Figure) {
        if let Some((_, figures)) = self.parts.last_mut() {
            figures.push(figure);
        }
    }

    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// For the terminal.
    pub fn text(&self) -> String {
        let rows = || self.parts.iter().flat_map(|(_, figures)| figures).map(cells);
        let widths: Vec<usize> = (0..HEAD.len())
            .map(|column| {
                let cells = rows().map(|row| row[column].chars().count());
                cells.chain([HEAD[column].len()]).max().unwrap_or(0)
            })
            .collect();
        let line = |row: &[String]| {
            let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut text = line(&HEAD.map(str::to_owned));
        for (title, figures) in &self.parts {
            let _ = write!(text, "\n\n{title}");
            for figure in figures {
                let _ = write!(text, "\n{}", line(&cells(figure)));
            }
        }
        text.push('\n');
        for note in &self.notes {
            let _ = write!(text, "\n{note}");
        }
        text
    }

    /// For the document.
    fn markdown(&self) -> String {
        let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = String::new();
        for (title, figures) in &self.parts {
            let _ = writeln!(text, "### {title}\n");
            text += &row(&HEAD.map(str::to_owned));
            text += &row(&HEAD.map(|_| "---".to_owned()));
            for figure in figures {
                text += &row(&cells(figure));
            }
            text.push('\n');
        }
        for note in &self.notes {
            let _ = writeln!(text, "- {note}");
        }
        text
    }

    /// Writes what was measured, and on what, into its place in the document.
    ///
    /// # Errors
    /// When there is no such document with such a place.
    pub fn record(&self, path: &Path, facts: &[(&str, String)]) -> io::Result<()> {
        let text = fs::read_to_string(path)?;
        let place = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
        let (before, after) =
            place.ok_or_else(|| io::Error::other("the place for the figures is missing"))?;
        let facts: String = facts.iter().map(|(name, fact)| format!("| {name} | {fact} |\n")).collect();
        let figures = self.markdown();
        fs::write(path, format!("{before}{BEGIN}\n\n| | |\n|---|---|\n{facts}\n{figures}\n{END}{after}"))
    }
}

fn cells(figure: &Figure) -> [String; 6] {
    let (goal, met) = match figure.goal {
        None => (String::new(), ""),
        Some(goal) => {
            let (sign, value) = match goal {
                Goal::AtLeast(value) => ("≥", value),
                Goal::AtMost(value) => ("≤", value),
            };
            let met = if goal.met_by(figure.result) { "yes" } else { "no" };
            (format!("{sign} {}{}", short(value), figure.unit), met)
        }
    };
    [
        figure.what.clone(),
        figure.ours.clone(),
        figure.base.clone(),
        format!("{}{}", short(figure.result), figure.unit),
        goal,
        met.to_owned(),
    ]
}

/// Two places, or three below a tenth.
fn short(value: f64) -> String {
    if value.abs() < 0.1 { format!("{value:.3}") } else { format!("{value:.2}") }
}

/// Microseconds as milliseconds.
fn millis(micros: f64) -> String {
    format!("{:.3} ms", micros / 1000.0)
}
