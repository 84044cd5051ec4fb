//! Control events, read in bulk for whoever folds all of them: as the database sends them, without a
//! copy of each of their parts.

use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use sqlx::postgres::PgPool;

use super::{Reads, failed, undecodable, unsigned};
use crate::database::Database;
use crate::event::{Position, Recorded};
use crate::lending::Lent;
use crate::read::{Filter, ReadError};

/// What live state is folded from.
#[derive(Debug, Clone, Copy)]
pub struct ControlEvent<'a> {
    /// Its place in the book.
    pub position: Position,
    /// `Aggregate::TYPE` of cqrs-es.
    pub aggregate_type: &'a str,
    /// As text.
    pub aggregate_id: &'a str,
    /// Such as `session.created`.
    pub event_type: &'a str,
    /// Such as `1.0`.
    pub event_version: &'a str,
    /// JSON.
    pub payload: &'a str,
    /// The database's clock as read under the append lock, UTC, microseconds.
    pub recorded_at: DateTime<Utc>,
}

impl<'a> From<&'a Recorded> for ControlEvent<'a> {
    fn from(recorded: &'a Recorded) -> Self {
        Self {
            position: recorded.position,
            aggregate_type: &recorded.stream.aggregate_type,
            aggregate_id: &recorded.stream.aggregate_id,
            event_type: &recorded.event_type,
            event_version: &recorded.event_version,
            payload: &recorded.payload,
            recorded_at: recorded.recorded_at,
        }
    }
}

/// Control events in order of position.
#[derive(Debug)]
pub struct ControlPage(Rows);

#[derive(Debug)]
enum Rows {
    /// What `COPY … (FORMAT binary)` sent, without its header: tuple after tuple.
    Copied {
        bytes: Vec<u8>,
        count: usize,
        last: Option<Position>,
    },
    Read(Vec<Recorded>),
}

impl ControlPage {
    /// The events, in order.
    pub fn events(&self) -> Box<dyn Iterator<Item = Result<ControlEvent<'_>, ReadError>> + '_> {
        match &self.0 {
            Rows::Copied { bytes, .. } => Box::new(Tuples(bytes)),
            Rows::Read(events) => Box::new(events.iter().map(|event| Ok(event.into()))),
        }
    }

    /// Where the next page starts, if this one of at most `limit` was full.
    pub fn next(&self, limit: usize) -> Option<Position> {
        let (count, last) = match &self.0 {
            Rows::Copied { count, last, .. } => (*count, *last),
            Rows::Read(events) => (events.len(), events.last().map(|event| event.position)),
        };
        last.filter(|_| count >= limit).map(Position::next)
    }
}

impl Reads {
    /// At most `limit` control events from `from` on and before `end`.
    pub(crate) async fn control(
        &self,
        from: Position,
        end: Position,
        limit: usize,
    ) -> Result<ControlPage, ReadError> {
        match &self.database {
            Database::Postgres(pool) => self.long(copied(pool, from, end, limit)).await,
            Database::Sqlite(_) => {
                let filter = Filter { control_only: true, ..Filter::default() };
                let mut events = self.page(from, limit, &filter).await?.events;
                events.retain(|event| event.position < end);
                Ok(ControlPage(Rows::Read(events)))
            }
        }
    }
}

/// The header: signature, flags, and the length of an extension that there isn't.
const HEADER: usize = 11 + 4 + 4;
/// In place of the number of fields.
const TRAILER: [u8; 2] = [0xff; 2];

async fn copied(
    pool: &PgPool,
    from: Position,
    end: Position,
    limit: usize,
) -> Result<ControlPage, ReadError> {
    // `COPY` takes no parameters; these are numbers.
    let sql = format!(
        "COPY (SELECT position, aggregate_type, aggregate_id, event_type, event_version, payload, recorded_at
               FROM public.events WHERE control AND position >= {from} AND position < {end}
               ORDER BY position LIMIT {limit}) TO STDOUT (FORMAT binary)"
    );
    let mut lent = Lent::from(pool).await.map_err(failed)?;
    let mut chunks = lent.connection().map_err(failed)?.copy_out_raw(&sql).await.map_err(failed)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.try_next().await.map_err(failed)? {
        bytes.extend_from_slice(&chunk);
    }
    drop(chunks);
    lent.give_back();
    if bytes.len() < HEADER || !bytes.ends_with(&TRAILER) {
        return Err(ReadError::Unavailable("a page without its beginning or its end".into()));
    }
    bytes.drain(..HEADER);
    let (mut count, mut last) = (0, None);
    let mut tuples = Tuples(&bytes);
    while let Some(position) = tuples.skip_one() {
        (count, last) = (count + 1, Some(position));
    }
    Ok(ControlPage(Rows::Copied { bytes, count, last }))
}

/// Tuples of `COPY … (FORMAT binary)`: the number of fields, then each one's length and bytes.
struct Tuples<'a>(&'a [u8]);

impl<'a> Iterator for Tuples<'a> {
    type Item = Result<ControlEvent<'a>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.number::<2>() {
            Some(TRAILER) | None => None,
            Some(_) => {
                let event =
                    self.event().ok_or_else(|| ReadError::Unavailable("a page that is cut off".into()));
                Some(event.and_then(|event| event))
            }
        }
    }
}

impl<'a> Tuples<'a> {
    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (number, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*number)
    }

    fn field(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(i32::from_be_bytes(self.number()?)).ok()?;
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }

    /// Where the next event stands, without a look at the rest of it.
    fn skip_one(&mut self) -> Option<Position> {
        let fields = i16::from_be_bytes(self.number()?);
        let position = i64::from_be_bytes(self.field()?.try_into().ok()?);
        for _ in 1..fields {
            self.field()?;
        }
        unsigned(position).ok().map(Position)
    }

    /// Nothing, where the bytes end too early.
    fn event(&mut self) -> Option<Result<ControlEvent<'a>, ReadError>> {
        let position = Position(unsigned(i64::from_be_bytes(self.field()?.try_into().ok()?)).ok()?);
        let texts = [self.field()?, self.field()?, self.field()?, self.field()?, self.field()?];
        let micros = i64::from_be_bytes(self.field()?.try_into().ok()?);
        Some(event(position, texts, micros).map_err(|reason| undecodable(position, &reason)))
    }
}

fn event(position: Position, texts: [&[u8]; 5], micros: i64) -> Result<ControlEvent<'_>, String> {
    /// 2000-01-01, where `PostgreSQL` begins to count, in microseconds since 1970.
    const EPOCH: i64 = 946_684_800_000_000;
    let text = |bytes| str::from_utf8(bytes).map_err(|error| error.to_string());
    let [aggregate_type, aggregate_id, event_type, event_version, payload] = texts;
    Ok(ControlEvent {
        position,
        aggregate_type: text(aggregate_type)?,
        aggregate_id: text(aggregate_id)?,
        event_type: text(event_type)?,
        event_version: text(event_version)?,
        payload: text(payload)?,
        recorded_at: DateTime::from_timestamp_micros(micros.saturating_add(EPOCH))
            .ok_or_else(|| format!("`{micros}` is no time"))?,
    })
}
