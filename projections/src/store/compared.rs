//! Reading a build from its beginning to its end, in an order that both databases and this program agree
//! on, so that two builds can be held against each other.

use uuid::Uuid;

use super::Work;
use super::statement::Arg;

/// How many entries are read at a time.
const PAGE: usize = 2000;

/// A row: its key, and the workspace, ordinal and digest of the data behind it.
pub(crate) type RowEntry = (String, (Uuid, i64, Vec<u8>));
/// What a term leads to: the term as it is stored, and the ordinal of a row or an event.
pub(crate) type TermEntry = (Uuid, i64);

impl Work {
    /// The next rows of a build behind a key.
    pub(crate) async fn rows_behind(
        &mut self,
        build: i32,
        after: Option<&str>,
    ) -> Result<Vec<RowEntry>, sqlx::Error> {
        let behind = if after.is_some() { "AND r.key > $2" } else { "" };
        let sql = format!(
            "SELECT r.key, r.workspace_id, r.ordinal, {{digest}} FROM projection_rows r
             WHERE r.build = $1 {behind} ORDER BY r.key LIMIT {PAGE}"
        );
        let mut args = vec![Arg::Small(build)];
        args.extend(after.map(Arg::Text));
        let rows: Vec<(String, Uuid, i64, Vec<u8>)> = self.rows(&sql, &args).await?;
        Ok(rows
            .into_iter()
            .map(|(key, workspace, ordinal, digest)| (key, (workspace, ordinal, digest)))
            .collect())
    }

    /// The next terms of the rows of a build.
    pub(crate) async fn terms_behind(
        &mut self,
        build: i32,
        after: Option<TermEntry>,
    ) -> Result<Vec<TermEntry>, sqlx::Error> {
        let behind = if after.is_some() { "AND (t.term, t.ordinal) > ($2, $3)" } else { "" };
        let sql = format!(
            "SELECT t.term, t.ordinal FROM projection_terms t
             WHERE t.build = $1 {behind} ORDER BY t.term, t.ordinal LIMIT {PAGE}"
        );
        let mut args = vec![Arg::Small(build)];
        args.extend(after.into_iter().flat_map(|(term, ordinal)| [Arg::Id(term), Arg::Number(ordinal)]));
        self.rows(&sql, &args).await
    }

    /// The next postings of a build: term, first, and the offsets of the others as a JSON list.
    pub(crate) async fn postings_behind(
        &mut self,
        build: i32,
        after: Option<TermEntry>,
    ) -> Result<Vec<(Uuid, i64, Option<String>)>, sqlx::Error> {
        let behind = if after.is_some() { "AND (t.term, t.first) > ($2, $3)" } else { "" };
        let sql = format!(
            "SELECT t.term, t.first, {{offsets}} FROM projection_postings t
             WHERE t.build = $1 {behind} ORDER BY t.term, t.first LIMIT {PAGE}"
        );
        let mut args = vec![Arg::Small(build)];
        args.extend(after.into_iter().flat_map(|(term, first)| [Arg::Id(term), Arg::Number(first)]));
        self.rows(&sql, &args).await
    }

    /// Key and data of the row at an ordinal.
    pub(crate) async fn row_at(
        &mut self,
        build: i32,
        ordinal: i64,
    ) -> Result<Option<(String, String)>, sqlx::Error> {
        let sql = "SELECT r.key, r.data FROM projection_rows r WHERE r.build = $1 AND r.ordinal = $2";
        Ok(self.rows(sql, &[Arg::Small(build), Arg::Number(ordinal)]).await?.pop())
    }

    /// Data of the row of a key.
    pub(crate) async fn row_of(&mut self, build: i32, key: &str) -> Result<Option<String>, sqlx::Error> {
        let sql = "SELECT r.data FROM projection_rows r WHERE r.build = $1 AND r.key = $2";
        let found = self.rows(sql, &[Arg::Small(build), Arg::Text(key)]).await?.pop();
        Ok(found.map(|(data,): (String,)| data))
    }
}
