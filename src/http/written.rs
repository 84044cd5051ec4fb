//! What goes out: the answers to writes, and pages of lists.

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use utoipa::ToSchema;

use super::position_header;
use crate::commands::Done;
use crate::problem::Problem;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// What there is.
    pub(super) items: Vec<T>,
    /// Give it as `cursor` for the next page; null on the last one. A page may be short, or empty, and
    /// still have a next one.
    pub(super) next: Option<String>,
}

/// The answer to a write.
// For the document only: handlers answer with what `commands` made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Written<T> {
    /// What it is about.
    #[serde(flatten)]
    answer: T,
    /// Where the write stands in the book. Give it as `min_position` to reads that must include it.
    position: u64,
    /// This answers a repeated request: the secret was shown with the first answer, and isn't again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_already_shown: Option<bool>,
}

/// Answers a write.
pub(super) fn written(status: StatusCode, done: Done) -> HttpResponse {
    HttpResponseBuilder::new(status)
        .insert_header(position_header(done.position))
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(done.answer)
}

/// The JSON object that an answer is.
///
/// # Errors
/// When it doesn't serialize.
pub(super) fn object<T: Serialize>(answer: &T) -> Result<serde_json::Value, Problem> {
    serde_json::to_value(answer).map_err(|_| Problem::internal())
}
