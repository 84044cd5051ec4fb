//! Tables: whole where a program or a file gets them, and as wide as the terminal where a person does.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::printable::{padded, printable, short, width};
use crate::clock::{Clock, rfc3339};

/// A column of a table: its head, and what an item shows there.
pub(in crate::cli) type Column = (&'static str, fn(&Value) -> String);

/// How wide a terminal is that doesn't say.
const USUAL: usize = 80;
/// Between two columns.
const GAP: usize = 2;
/// Of an id, its end is shown: its beginning is a time, which it shares with its neighbours.
const END_OF_ID: usize = 8;
/// Columns whose words are people's: they can be cut, and a cut one is still of use. No narrower than this.
const CUT: [&str; 12] = [
    "NAME",
    "LABEL",
    "DEVICE",
    "HOLDER",
    "FOR",
    "URL",
    "WHAT",
    "BY",
    "DESCRIPTION",
    "TOOLS",
    "REASON",
    "NARROWED",
];
const NARROWEST: usize = 8;
/// Columns that go, one after the other, where cutting isn't enough.
const DROPPED: [&str; 2] = ["CREATED", "PREFIX"];

type Row = Vec<String>;
type Step<'a> = &'a dyn Fn(&mut [Row]);

/// A table with a head; only the head when there is nothing in it.
pub(in crate::cli) fn table(items: &[Value], columns: &[Column]) -> String {
    let mut rows: Vec<Row> = vec![columns.iter().map(|(name, _)| (*name).to_owned()).collect()];
    rows.extend(items.iter().map(|item| columns.iter().map(|(_, cell)| printable(&cell(item))).collect()));
    if let Some(room) = terminal() {
        fit(&mut rows, room, Clock::default().now());
    }
    align(&rows)
}

/// Names and values, one a line.
pub(in crate::cli) fn facts(facts: &[(&str, String)]) -> String {
    let rows: Vec<Row> =
        facts.iter().map(|(name, value)| vec![(*name).to_owned(), printable(value)]).collect();
    align(&rows)
}

/// [`facts`], but for those that have no value.
pub(in crate::cli) fn known(facts: &[(&str, String)]) -> String {
    let known: Vec<_> = facts.iter().filter(|(_, value)| !value.is_empty()).cloned().collect();
    self::facts(&known)
}

/// How wide the terminal is that standard output goes to, if it goes to one.
fn terminal() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(if size.ws_col == 0 { USUAL } else { size.ws_col.into() })
}

/// Columns as wide as what stands in them.
fn align(rows: &[Row]) -> String {
    let widths = widths(rows);
    let line = |row: &Row| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width)).collect();
        cells.join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn widths(rows: &[Row]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max();
    (0..columns).filter_map(widest).collect()
}

fn total(rows: &[Row]) -> usize {
    let widths = widths(rows);
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

/// Makes the table as narrow as `room`, as far as that goes: what is missed least goes first.
fn fit(rows: &mut [Row], room: usize, now: DateTime<Utc>) {
    let today = rfc3339(now).get(..10).unwrap_or_default().to_owned();
    let steps: [Step<'_>; 5] = [
        &|rows| each(rows, end_of_id),
        &|rows| each(rows, minutes),
        &drop_empty,
        &|rows| each(rows, end_of_prefix),
        &|rows| each(rows, |cell| day_or_time(cell, &today)),
    ];
    for step in steps {
        if total(rows) <= room {
            return;
        }
        step(rows);
    }
    for gone in DROPPED {
        if narrowest(rows) <= room {
            break;
        }
        drop_columns(rows, |rows, column| {
            rows.first().and_then(|head| head.get(column)).is_some_and(|name| name == gone)
        });
    }
    while total(rows) > room && cut_widest(rows) {}
}

/// As narrow as cutting makes it.
fn narrowest(rows: &[Row]) -> usize {
    let Some(head) = rows.first() else { return 0 };
    let widths = widths(rows).into_iter().zip(head);
    let least =
        widths.map(|(width, name)| if CUT.contains(&name.as_str()) { width.min(NARROWEST) } else { width });
    least.sum::<usize>() + GAP * head.len().saturating_sub(1)
}

fn each(rows: &mut [Row], shorter: impl Fn(&str) -> Option<String>) {
    for cell in rows.iter_mut().skip(1).flatten() {
        if let Some(shorter) = shorter(cell) {
            *cell = shorter;
        }
    }
}

/// As commands take it: `…`, and the end of the id.
fn end_of_id(cell: &str) -> Option<String> {
    Uuid::parse_str(cell).ok()?;
    Some(format!("…{}", cell.get(cell.len().checked_sub(END_OF_ID)?..)?))
}

fn end_of_prefix(cell: &str) -> Option<String> {
    let id = cell.strip_prefix("tbk_")?.split_once('_')?.1;
    Some(format!("…{}", id.get(id.len().checked_sub(END_OF_ID)?..)?))
}

fn minutes(cell: &str) -> Option<String> {
    DateTime::parse_from_rfc3339(cell).ok()?;
    Some(format!("{} {}", cell.get(..10)?, cell.get(11..16)?))
}

/// Of what [`minutes`] left: today the time, else the day.
fn day_or_time(cell: &str, today: &str) -> Option<String> {
    let (day, time) = cell.split_once(' ').filter(|(day, time)| day.len() == 10 && time.len() == 5)?;
    let digits = |text: &str, mark| text.chars().all(|letter| letter.is_ascii_digit() || letter == mark);
    (digits(day, '-') && digits(time, ':')).then(|| if day == today { time } else { day }.to_owned())
}

fn drop_empty(rows: &mut [Row]) {
    if rows.len() > 1 {
        drop_columns(rows, |rows, column| {
            rows.iter().skip(1).all(|row| row.get(column).is_none_or(String::is_empty))
        });
    }
}

fn drop_columns(rows: &mut [Row], gone: impl Fn(&[Row], usize) -> bool) {
    let columns = rows.first().map_or(0, Vec::len);
    let kept: Vec<bool> = (0..columns).map(|column| !gone(rows, column)).collect();
    for row in rows {
        let mut kept = kept.iter();
        row.retain(|_| kept.next().copied().unwrap_or(true));
    }
}

/// Takes one column off the widest that can be cut; says whether there was one.
fn cut_widest(rows: &mut [Row]) -> bool {
    let Some(head) = rows.first() else { return false };
    let widths = widths(rows);
    let can =
        |(column, _): &(usize, &usize)| head.get(*column).is_some_and(|name| CUT.contains(&name.as_str()));
    let widest = widths.iter().enumerate().filter(can).max_by_key(|(_, width)| **width);
    let Some((column, width)) = widest.filter(|(_, width)| **width > NARROWEST) else { return false };
    for cell in rows.iter_mut().filter_map(|row| row.get_mut(column)) {
        *cell = short(cell, width - 1);
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::fields::text_of;

    const COLUMNS: [Column; 6] = [
        ("ID", |item| text_of(item, "id")),
        ("LABEL", |item| text_of(item, "label")),
        ("PREFIX", |item| text_of(item, "prefix")),
        ("STATUS", |item| text_of(item, "status")),
        ("CREATED", |item| text_of(item, "created")),
        ("EXPIRES", |item| text_of(item, "expires")),
    ];

    fn rows(label: &str) -> Vec<Row> {
        let item = json!({
            "id": "0197aaaa-0000-7000-8000-0000deadbeef", "label": label, "prefix": "tbk_key_0DPiKuNIrrVm",
            "status": "active", "created": "2026-11-22T12:00:00Z",
        });
        let head = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
        vec![head, COLUMNS.iter().map(|(_, cell)| cell(&item)).collect()]
    }

    fn fitted(label: &str, room: usize) -> String {
        let mut rows = rows(label);
        fit(&mut rows, room, DateTime::parse_from_rfc3339("2026-11-22T20:00:00Z").unwrap().into());
        align(&rows)
    }

    #[test]
    fn columns_are_aligned() {
        let items = [json!({ "a": "工具", "b": "x" }), json!({ "a": "three", "b": "y" })];
        let columns: [Column; 2] = [("A", |item| text_of(item, "a")), ("B", |item| text_of(item, "b"))];
        let mut rows: Vec<Row> = vec![vec!["A".into(), "B".into()]];
        rows.extend(items.iter().map(|item| columns.iter().map(|(_, cell)| cell(item)).collect::<Row>()));
        assert_eq!(align(&rows), "A      B\n工具   x\nthree  y");
    }

    #[test]
    fn a_table_is_whole_where_it_fits_and_loses_first_what_is_missed_least() {
        assert!(fitted("ci", 200).contains("0197aaaa-0000-7000-8000-0000deadbeef"));
        let narrow = fitted("ci", 90);
        assert!(narrow.contains("…deadbeef") && narrow.contains("2026-11-22T12:00:00Z"), "{narrow}");
        let narrow = fitted("the machine that builds everything", 80);
        assert!(narrow.contains("everything  …KuNIrrVm"), "{narrow}");
        assert!(!narrow.contains("EXPIRES"), "nothing stands there: {narrow}");
        let narrow = fitted("the machine that builds everything", 50);
        assert!(narrow.contains("12:00") && narrow.contains("the machin…"), "{narrow}");
        assert!(narrow.contains("active"), "{narrow}");
        for room in [50, 60, 80, 100] {
            let table = fitted(&"工具".repeat(32), room);
            assert!(table.lines().all(|line| width(line) <= room), "{room}: {table}");
        }
    }
}
