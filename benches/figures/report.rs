//! What was measured: a line each, in parts, with the goal that it has.

use serde::{Deserialize, Serialize};

use crate::rounds::{Sample, Series};

/// What a result has to reach.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    /// How far it was reached: 1 is the goal, more is better than asked.
    pub fn reached_by(self, value: f64) -> f64 {
        match self {
            Self::AtLeast(goal) => value / goal,
            Self::AtMost(goal) if value <= 0.0 => goal.signum() * f64::INFINITY,
            Self::AtMost(goal) => goal / value,
        }
    }

    pub fn met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(goal) => value >= goal,
            Self::AtMost(goal) => value <= goal,
        }
    }

    pub fn text(self, unit: &str) -> String {
        let (sign, value) = match self {
            Self::AtLeast(value) => ("≥", value),
            Self::AtMost(value) => ("≤", value),
        };
        format!("{sign} {}{unit}", short(value))
    }
}

/// A line of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    pub ours: String,
    /// What it is compared with.
    pub base: String,
    /// How they compare, and in which unit.
    pub result: f64,
    pub unit: String,
    pub goal: Option<Goal>,
}

impl Figure {
    /// How many a second, beside each other.
    pub fn rates(what: &str, ours: &Series, base: &Series, goal: Option<Goal>) -> Self {
        Self {
            what: what.to_owned(),
            ours: format!("{:.0}/s", ours.rate()),
            base: format!("{:.0}/s", base.rate()),
            result: ours.against(base, |ours, base| ours.rate / base.rate),
            unit: " ×".to_owned(),
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
            unit: " ×".to_owned(),
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
            unit: " ms more".to_owned(),
            goal,
        }
    }

    /// A number by itself, with nothing beside it.
    pub fn plain(what: &str, result: f64, unit: &str, goal: Option<Goal>) -> Self {
        let (what, unit) = (what.to_owned(), unit.to_owned());
        Self { what, ours: String::new(), base: String::new(), result, unit, goal }
    }

    /// As a row: what, ours, compared with, result, goal, met.
    pub fn cells(&self) -> [String; 6] {
        let met = match self.goal {
            None => "",
            Some(goal) if goal.met_by(self.result) => "yes",
            Some(_) => "no",
        };
        [
            self.what.clone(),
            self.ours.clone(),
            self.base.clone(),
            format!("{}{}", short(self.result), self.unit),
            self.goal.map(|goal| goal.text(&self.unit)).unwrap_or_default(),
            met.to_owned(),
        ]
    }
}

/// What is measured together, and compared within itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    pub title: String,
    /// When, how long, and beside what load: parts can be measured again one at a time.
    pub measured: String,
    pub figures: Vec<Figure>,
    pub notes: Vec<String>,
}

/// Everything that was measured in this run.
#[derive(Debug, Default)]
pub struct Report {
    pub parts: Vec<Part>,
}

impl Report {
    pub fn part(&mut self, title: impl Into<String>) {
        let (title, measured) = (title.into(), String::new());
        self.parts.push(Part { title, measured, figures: Vec::new(), notes: Vec::new() });
    }

    pub fn add(&mut self, figure: Figure) {
        if let Some(part) = self.parts.last_mut() {
            part.figures.push(figure);
        }
    }

    pub fn note(&mut self, note: impl Into<String>) {
        if let Some(part) = self.parts.last_mut() {
            part.notes.push(note.into());
        }
    }
}

/// Two places, or three below a tenth, or none above a hundred.
fn short(value: f64) -> String {
    match value.abs() {
        ..0.1 => format!("{value:.3}"),
        100.0.. => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

/// Microseconds as milliseconds.
fn millis(micros: f64) -> String {
    format!("{:.3} ms", micros / 1000.0)
}
