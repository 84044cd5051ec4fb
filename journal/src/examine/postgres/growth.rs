//! The order of the book, and the room that its partitions have.

use sqlx::postgres::PgConnection;

use super::super::order::{Book, HOLE, MISNUMBERED, STRETCH, Speed, Stretch, unsigned};
use super::super::{Extent, Unseen};
use super::Looked;

/// How the book stands and grows.
#[derive(Debug, Clone)]
pub struct Growth {
    /// Its order.
    pub book: Book,
    /// In order of position.
    pub partitions: Vec<Partition>,
    /// How fast it grows; nothing is known of an empty one.
    pub speed: Option<Speed>,
}

/// A range of positions that has a table.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Partition {
    /// The table.
    pub name: String,
    /// Its first position.
    pub first: i64,
    /// The first position behind it.
    pub edge: i64,
}

const PARTITIONS: &str = r"
    SELECT c.relname::text AS name,
        (substring(pg_get_expr(c.relpartbound, c.oid) FROM 'FROM \(''(\d+)''\)'))::bigint AS first,
        (substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''(\d+)''\)'))::bigint AS edge
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.events'::regclass ORDER BY 2";

/// By the newest hundred thousand events, up to now: an hour without any counts, too.
const SPEED: &str = "
    SELECT n.position - o.position AS events,
        greatest(extract(epoch FROM clock_timestamp() - o.recorded_at), 0.001)::float8 AS seconds
    FROM (SELECT position FROM events ORDER BY position DESC LIMIT 1) n,
        LATERAL (SELECT position, recorded_at FROM events WHERE position >= n.position - 100000
                 ORDER BY position LIMIT 1) o";

pub(super) async fn look(connection: &mut PgConnection, extent: Extent) -> Looked<Growth> {
    let partitions: Vec<Partition> = sqlx::query_as(PARTITIONS).fetch_all(&mut *connection).await?;
    let speed = sqlx::query_as(SPEED).fetch_optional(&mut *connection).await?;
    let book = order(connection, &partitions, extent).await?;
    Ok(Growth { book, partitions, speed })
}

/// The ends of every partition, and a count of what was asked for.
async fn order(connection: &mut PgConnection, partitions: &[Partition], extent: Extent) -> Looked<Book> {
    let last: Option<i64> =
        sqlx::query_scalar("SELECT max(position) FROM events").fetch_one(&mut *connection).await?;
    let head = last.map_or(0, |last| last + 1);
    let first = partitions.first().map_or(0, |partition| partition.first);
    let counted_from = extent.newest().map_or(first, |newest| (head - newest).max(first));
    let mut book = Book {
        head: unsigned(head),
        first: unsigned(first),
        counted_from: unsigned(counted_from),
        ..Book::default()
    };
    // The first position that must be there next.
    let mut expected = first;
    for partition in partitions.iter().filter(|partition| partition.first < head) {
        if expected < partition.first {
            book.hole = Some(unsigned(expected));
            return Ok(book);
        }
        let from = partition.first.max(counted_from);
        if partition.edge <= from {
            // Not counted: its last position must be there all the same.
            let ends: Stretch = stretch(connection, partition.edge - 1, partition.edge).await?;
            if ends.counted == 0 {
                book.hole = Some(unsigned(partition.edge - 1));
                return Ok(book);
            }
            expected = partition.edge;
            continue;
        }
        let seen = stretch(connection, from, partition.edge).await?;
        if seen.first != Some(from) {
            book.hole = Some(unsigned(from));
            return Ok(book);
        }
        if seen.has_hole() {
            let hole: Option<i64> = sqlx::query_scalar(HOLE)
                .bind(from)
                .bind(partition.edge)
                .fetch_optional(&mut *connection)
                .await?;
            book.hole = Some(unsigned(hole.unwrap_or(from)));
            return Ok(book);
        }
        expected = seen.last.map_or(partition.edge, |last| last + 1);
    }
    let misnumbered: Option<i64> =
        sqlx::query_scalar(MISNUMBERED).bind(counted_from).fetch_optional(connection).await?;
    Ok(Book { misnumbered: misnumbered.map(unsigned), ..book })
}

async fn stretch(connection: &mut PgConnection, from: i64, edge: i64) -> Result<Stretch, Unseen> {
    Ok(sqlx::query_as(STRETCH).bind(from).bind(edge).fetch_one(connection).await?)
}
