//! Examining a book on `SQLite`, through the connections of whoever has it open.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::sqlite::SqlitePool;
use tokio::time::timeout;

use super::order::{Book, HOLE, MISNUMBERED, STRETCH, Speed, Stretch, unsigned};
use super::{Extent, Follower, KEKS, Migrations, Part, Sealed, Unseen, made, pepper};
use crate::schema::{self, SQLITE_BOOK};
use crate::sqlite_book::SqliteBook;

/// Checking a larger file takes longer than anybody waits who didn't ask for it.
const CHECKED_BY_THE_WAY: i64 = 1 << 30;

/// What was found on `SQLite`.
#[derive(Debug)]
pub struct Examined {
    /// Where it lies.
    pub dir: PathBuf,
    /// Is the schema this version's? That of `book.db`, and that of `views.db`.
    pub migrations: Part<(Migrations, Migrations)>,
    /// How `book.db` is written, and whether it is whole.
    pub file: Part<BookFile>,
    /// What needs the tables of the book; nothing, while they aren't there.
    pub book: Option<InTheBook>,
}

/// The file of the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookFile {
    /// `wal`, if it is as it should be.
    pub journal_mode: String,
    /// 2 is FULL, 3 EXTRA: an acknowledged event survives a power cut.
    pub synchronous: i64,
    /// In bytes.
    pub size: i64,
    /// What the check of the file said; nothing, if it wasn't checked.
    pub check: Option<String>,
}

/// What was found in the book's tables.
#[derive(Debug)]
pub struct InTheBook {
    /// The order of the book.
    pub order: Part<Book>,
    /// How fast it grows; nothing is known of an empty one.
    pub speed: Part<Option<Speed>>,
    /// Triggers that the migrations made and that aren't there, or not as they were made.
    pub broken_triggers: Part<Vec<String>>,
    /// Projections.
    pub followers: Part<Vec<Follower>>,
    /// Keys and peppers.
    pub sealed: Part<Sealed>,
}

pub(super) async fn examine(book: &SqliteBook, extent: Extent) -> Examined {
    let patience = extent.patience();
    let there: Result<i64, sqlx::Error> =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'events'")
            .fetch_one(&book.readers)
            .await;
    Examined {
        dir: book.dir().to_owned(),
        migrations: within(patience, async { Ok(schema::standing_of_sqlite(book).await?) }).await,
        file: within(patience, file(book, extent)).await,
        book: match there {
            Ok(0) => None,
            Ok(_) | Err(_) => Some(InTheBook {
                order: within(patience, order(&book.readers, extent)).await,
                speed: within(patience, speed(&book.readers)).await,
                broken_triggers: within(patience, broken_triggers(&book.readers)).await,
                followers: within(patience, followers(&book.views)).await,
                sealed: within(patience, sealed(&book.readers)).await,
            }),
        },
    }
}

async fn within<T>(patience: Duration, look: impl Future<Output = Result<T, Unseen>>) -> Part<T> {
    let looked = timeout(patience, look).await;
    looked.unwrap_or_else(|_| Err(Unseen(format!("no answer within {patience:?}"))))
}

async fn file(book: &SqliteBook, extent: Extent) -> Result<BookFile, Unseen> {
    // On the connection that writes: how it writes is what counts.
    let journal_mode = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&book.writer).await?;
    let synchronous = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&book.writer).await?;
    let size = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
    let size: i64 = sqlx::query_scalar(size).fetch_one(&book.readers).await?;
    let check = match extent {
        Extent::Deep => Some("PRAGMA integrity_check(1)"),
        Extent::Usual if size <= CHECKED_BY_THE_WAY => Some("PRAGMA quick_check(1)"),
        Extent::Usual | Extent::Glance => None,
    };
    let check = match check {
        Some(check) => Some(sqlx::query_scalar(check).fetch_one(&book.readers).await?),
        None => None,
    };
    Ok(BookFile { journal_mode, synchronous, size, check })
}

async fn order(readers: &SqlitePool, extent: Extent) -> Result<Book, Unseen> {
    let last: Option<i64> = sqlx::query_scalar("SELECT max(position) FROM events").fetch_one(readers).await?;
    let head = last.map_or(0, |last| last + 1);
    let from = extent.newest().map_or(0, |newest| (head - newest).max(0));
    let seen: Stretch = sqlx::query_as(STRETCH).bind(from).bind(i64::MAX).fetch_one(readers).await?;
    let mut book = Book { head: unsigned(head), first: 0, counted_from: unsigned(from), ..Book::default() };
    if seen.first.is_some_and(|first| first != from) {
        book.hole = Some(unsigned(from));
    } else if seen.has_hole() {
        let hole = sqlx::query_scalar(HOLE).bind(from).bind(i64::MAX).fetch_optional(readers).await?;
        book.hole = Some(hole.map_or(unsigned(from), unsigned));
    }
    let misnumbered = sqlx::query_scalar(MISNUMBERED).bind(from).fetch_optional(readers).await?;
    Ok(Book { misnumbered: misnumbered.map(unsigned), ..book })
}

async fn speed(readers: &SqlitePool) -> Result<Option<Speed>, Unseen> {
    let sql = "SELECT n.position - o.position AS events,
            max((unixepoch('subsec') * 1000000 - o.recorded_at) / 1e6, 0.001) AS seconds
        FROM (SELECT position FROM events ORDER BY position DESC LIMIT 1) n, events o
        WHERE o.position = max(n.position - 100000, 0)";
    Ok(sqlx::query_as(sql).fetch_optional(readers).await?)
}

async fn broken_triggers(readers: &SqlitePool) -> Result<Vec<String>, Unseen> {
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'";
    let there: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(readers).await?;
    let mut expected = made::names(&SQLITE_BOOK, "TRIGGER");
    expected
        .retain(|name| !there.iter().any(|(known, text)| known == name && made::says(&SQLITE_BOOK, text)));
    Ok(expected)
}

async fn followers(views: &SqlitePool) -> Result<Vec<Follower>, Unseen> {
    Ok(sqlx::query_as(&super::followers("CAST(unixepoch('subsec') * 1000000 AS INTEGER)"))
        .fetch_all(views)
        .await?)
}

async fn sealed(readers: &SqlitePool) -> Result<Sealed, Unseen> {
    let keks = sqlx::query_as(KEKS).fetch_all(readers).await?;
    let payloads: Vec<String> = sqlx::query_scalar(pepper::NAMING).fetch_all(readers).await?;
    Ok(Sealed { keks, peppers: pepper::named(&payloads) })
}
