//! `tollbook audit`: the book, as a workspace may read it.

mod called;
mod event;
mod filters;

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::context::Context;
use super::failure::Failure;
use super::fields::number_of;
use super::output::{self, table};
use super::resolve::{In, Rooms};
use called::Called;
pub(super) use event::COLUMNS;
use event::line;
use filters::{Filters, Span};

/// How often the end of the book is looked at while it is followed.
const PAUSE: Duration = Duration::from_secs(1);

/// The book, as a workspace may read it.
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(flatten)]
    r#in: In,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the newest events, the newest last.
    Tail {
        #[command(flatten)]
        filters: Filters,
        /// How many.
        #[arg(long, default_value_t = 20, value_name = "EVENTS")]
        limit: usize,
        /// Go on showing what is added. With `--json`: one event a line.
        #[arg(long, short)]
        follow: bool,
    },
    /// Find events, the newest first.
    Search {
        #[command(flatten)]
        filters: Filters,
        #[command(flatten)]
        span: Span,
        /// At most how many.
        #[arg(long, default_value_t = 50, value_name = "EVENTS")]
        limit: usize,
    },
}

impl Audit {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let rooms = self.r#in.open(context).await?;
        match self.action {
            Action::Tail { filters, limit, follow } => {
                let query = filters.query(&rooms).await?;
                let mut events = find(&rooms, &up_to_date(&rooms, &query).await?, limit).await?;
                events.reverse();
                if follow {
                    return go_on(context, &rooms, query, &events).await;
                }
                show(context, &rooms, &events).await
            }
            Action::Search { filters, span, limit } => {
                let mut query = filters.query(&rooms).await?;
                query.extend(span.query());
                let query = up_to_date(&rooms, &query).await?;
                show(context, &rooms, &find(&rooms, &query, limit).await?).await
            }
        }
    }
}

/// As the book has them for programs; for people, with what they would look for elsewhere.
async fn show(context: &Context, rooms: &Rooms, events: &[Value]) -> Result<(), Failure> {
    if context.output.json {
        return context.output.list(events, &COLUMNS);
    }
    context.output.list(&Called::default().name(rooms, events).await?, &COLUMNS)
}

type Query = Vec<(&'static str, String)>;

async fn find(rooms: &Rooms, query: &Query, limit: usize) -> Result<Vec<Value>, Failure> {
    let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    rooms.client.list(&rooms.path(&["audit", "events"]), &query, limit).await
}

/// Events are found by an index that follows the book: what stands there by now is waited for.
async fn up_to_date(rooms: &Rooms, query: &Query) -> Result<Query, Failure> {
    let mut query = query.clone();
    if let Some(newest) = end(rooms).await?.checked_sub(1) {
        query.push(("min_position", newest.to_string()));
    }
    Ok(query)
}

/// Shows `events`, and then whatever is added.
async fn go_on(context: &Context, rooms: &Rooms, query: Query, events: &[Value]) -> Result<(), Failure> {
    let mut next = match events.last() {
        Some(last) => number_of(last, "position").saturating_add(1),
        None => end(rooms).await?,
    };
    let mut called = Called::default();
    if context.output.json {
        one_a_line(events)?;
    } else {
        output::text(&table(&called.name(rooms, events).await?, &COLUMNS))?;
    }
    loop {
        tokio::time::sleep(PAUSE).await;
        let mut query = query.clone();
        query.extend([("from", next.to_string()), ("order", "oldest".to_owned())]);
        let added = find(rooms, &query, usize::MAX).await?;
        if let Some(last) = added.last() {
            next = number_of(last, "position").saturating_add(1);
        }
        if context.output.json {
            one_a_line(&added)?;
        } else {
            let lines: Vec<String> = called.name(rooms, &added).await?.iter().map(line).collect();
            output::text(&lines.join("\n"))?;
        }
    }
}

fn one_a_line(events: &[Value]) -> Result<(), Failure> {
    let lines: Vec<String> = events.iter().map(output::one_line).collect();
    output::text(&lines.join("\n"))
}

/// The position behind the workspace's newest event.
pub(super) async fn end(rooms: &Rooms) -> Result<u64, Failure> {
    let newest = find(rooms, &Query::new(), 1).await?;
    Ok(newest.first().map_or(0, |event| number_of(event, "position").saturating_add(1)))
}

/// Everything from a position on, the oldest first, for people.
pub(super) async fn from(rooms: &Rooms, position: u64) -> Result<Vec<Value>, Failure> {
    let query = vec![("from", position.to_string()), ("order", "oldest".to_owned())];
    Called::default().name(rooms, &find(rooms, &query, usize::MAX).await?).await
}
