//! What the database says to a batch, and what its errors mean.

use sqlx::Row;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgDatabaseError, PgRow, PgSeverity};

use super::super::{Failure, Verdict, Written};
use crate::event::Position;
use crate::reading::unsigned;

/// The rows of `append_batch`.
pub(super) fn written(rows: &[PgRow]) -> Result<Written, BoxDynError> {
    let first = rows.first().ok_or("an answer without rows")?;
    Ok(Written {
        verdicts: rows.iter().map(verdict).collect::<Result<_, _>>()?,
        recorded_at: first.try_get("recorded_at")?,
        tail: first.try_get::<Option<i64>, _>("tail")?.map(unsigned).transpose()?,
    })
}

fn verdict(row: &PgRow) -> Result<Verdict, BoxDynError> {
    let position = |column| -> Result<_, BoxDynError> { Ok(Position(unsigned(row.try_get(column)?)?)) };
    Ok(match row.try_get::<i16, _>("verdict")? {
        0 => Verdict::Committed { first: position("first")?, last: position("last")? },
        1 => Verdict::Stale(position("first")?),
        2 => Verdict::Conflict(row.try_get("detail")?),
        3 => Verdict::Expired,
        4 => Verdict::Exhausted,
        5 => Verdict::Duplicate {
            position: position("first")?,
            same_request: row.try_get("same")?,
            answer: row.try_get("answer")?,
        },
        6 => Verdict::Late,
        7 => Verdict::Ahead,
        other => return Err(format!("an unknown verdict, {other}").into()),
    })
}

/// An error that the server answers a statement with means that the statement wrote nothing. A
/// fatal one doesn't: a backend that is told to end while it waits for a standby has committed.
pub(super) fn failure(error: &sqlx::Error) -> Failure {
    let reason = error.to_string();
    let Some(refusal) = error.as_database_error() else {
        return if matches!(error, sqlx::Error::Encode(_)) {
            Failure::Data(reason)
        } else {
            Failure::Unknown(reason)
        };
    };
    let severity = refusal.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::severity);
    if matches!(severity, None | Some(PgSeverity::Fatal | PgSeverity::Panic)) {
        return Failure::Unknown(reason);
    }
    let code = refusal.code().unwrap_or_default();
    // Every check constraint has a name; a row that no partition takes violates none of them.
    if code == "23514" && refusal.constraint().is_none() {
        return Failure::NoRoom(reason);
    }
    match code.get(..2) {
        // Data exceptions, integrity violations, and what is too large for an index.
        Some("22" | "23" | "54") => Failure::Data(reason),
        _ => Failure::NotWritten(reason),
    }
}
