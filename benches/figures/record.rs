//! The record: every part as it was last measured, kept as JSON in `docs/benchmarks/figures.json`; the table and
//! the picture that people look at are made from it.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::picture;
use crate::report::{Figure, Part, Report};

const HEAD: [&str; 6] = ["figure", "Tollbook", "compared with", "result", "goal", "met"];

/// What the bench writes in the document stands between these lines; the rest of it is people's.
const BEGIN: &str = "<!-- figures: written by `make bench` -->";
const END: &str = "<!-- end of figures -->";

/// What was measured on this machine, the newest of each part.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Record {
    machine: Vec<(String, String)>,
    parts: Vec<Part>,
}

impl Record {
    /// Takes what was measured into the record that lies in `dir`, and makes its table and picture anew.
    ///
    /// # Errors
    /// When a file can't be read or written, or has no place for the figures.
    pub fn take(dir: &Path, report: &Report, machine: Vec<(String, String)>) -> io::Result<()> {
        let file = dir.join("figures.json");
        let mut record: Self = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(error),
        };
        record.machine = machine;
        for part in &report.parts {
            match record.parts.iter_mut().find(|known| known.title == part.title) {
                Some(known) => *known = part.clone(),
                None => record.parts.push(part.clone()),
            }
        }
        fs::write(&file, serde_json::to_vec_pretty(&record)?)?;
        fs::write(dir.join("figures.svg"), picture::of(&record.parts))?;
        let document = dir.join("figures.md");
        let text = fs::read_to_string(&document)?;
        let place = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
        let (before, after) =
            place.ok_or_else(|| io::Error::other("the place for the figures is missing"))?;
        fs::write(document, format!("{before}{BEGIN}\n\n{}\n{END}{after}", record.markdown()))
    }

    fn markdown(&self) -> String {
        let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = "| | |\n|---|---|\n".to_owned();
        for (name, fact) in &self.machine {
            let _ = writeln!(text, "| {name} | {fact} |");
        }
        for part in &self.parts {
            let _ = writeln!(text, "\n### {}\n\nMeasured {}.\n", part.title, part.measured);
            text += &row(&HEAD.map(str::to_owned));
            text += &row(&HEAD.map(|_| "---".to_owned()));
            for figure in &part.figures {
                text += &row(&figure.cells());
            }
            for note in &part.notes {
                let _ = write!(text, "\n- {note}");
            }
            text.push('\n');
        }
        text
    }
}

/// For the terminal.
pub fn text(parts: &[Part]) -> String {
    let rows = || parts.iter().flat_map(|part| &part.figures).map(Figure::cells);
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
    for part in parts {
        let _ = write!(text, "\n\n{}", part.title);
        for figure in &part.figures {
            let _ = write!(text, "\n{}", line(&figure.cells()));
        }
        for note in &part.notes {
            let _ = write!(text, "\n  {note}");
        }
    }
    text
}
