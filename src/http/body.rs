//! What comes in: JSON bodies, paths, queries and idempotency keys, each refused with a clear
//! problem where it doesn't fit.

use std::ops::Deref;

use actix_web::error::QueryPayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, BytesMut};
use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures::StreamExt as _;
use futures::future::{LocalBoxFuture, Ready, ready};
use serde::de::DeserializeOwned;
use tollbook_journal::INSTANCE;
use zeroize::Zeroizing;

use super::strict::Strict;
use crate::app::App;
use crate::commands::Repeatable;
use crate::problem::Problem;

/// How long an `Idempotency-Key` may be.
const KEY_MAX: usize = 255;

/// What a request may be at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of body.
    pub body: usize,
}

/// A JSON body, and the key that makes its request repeatable.
#[derive(Debug)]
pub(super) struct Body<T> {
    pub(super) value: T,
    pub(super) repeatable: Option<Repeatable>,
}

impl<T> Deref for Body<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let bytes = read(&request, &mut payload).await?;
            let empty = bytes.is_empty();
            if !empty {
                is_json(&request)?;
            }
            // A body that has no required member may be left out.
            let text: &[u8] = if empty { b"{}" } else { &bytes };
            let Strict(value) = parse(text)?;
            Ok(Self { value, repeatable: repeatable(&request, &bytes).await? })
        })
    }
}

async fn read(request: &HttpRequest, payload: &mut Payload) -> Result<BytesMut, Problem> {
    let limit = request.app_data::<Limits>().map_or(1 << 20, |limits| limits.body);
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::bad_request("body.incomplete", "The body ended early."))?;
        if bytes.len() + chunk.len() > limit {
            let detail = format!("The body is larger than {limit} bytes.");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body.too_large", "Too large", detail));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn is_json(request: &HttpRequest) -> Result<(), Problem> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "The body must be `Content-Type: application/json`.";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "body.not_json", "Unsupported media type", detail))
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Problem> {
    // Only who is refused pays for the place where it went wrong.
    serde_json::from_slice(text).map_err(|error| malformed::<T>(text, &error))
}

fn malformed<T: DeserializeOwned>(text: &[u8], error: &serde_json::Error) -> Problem {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let detail = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => "There is more behind the JSON value.".to_owned(),
        Err(placed) => match placed.path().to_string().as_str() {
            "." | "?" if error.is_data() => format!("{}.", without_the_value(error)),
            "." | "?" => format!(
                "It is not JSON: there is a mistake at line {}, column {}.",
                error.line(),
                error.column()
            ),
            path => format!("`{path}`: {}.", without_the_value(error)),
        },
    };
    Problem::bad_request("body.malformed", detail)
}

/// What a value should have been, without what it was: a secret in the wrong place is still one.
fn without_the_value(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let repeats = [
        ("invalid type: string", "\", expected "),
        ("invalid value: string", "\", expected "),
        ("unknown variant", "`, expected "),
    ];
    // The last one: the value itself may look like an end.
    let end = repeats.iter().find(|(start, _)| message.starts_with(start)).map(|(_, end)| *end);
    match end.and_then(|end| message.rsplit_once(end)) {
        Some((_, expected)) => format!("expected {expected}"),
        None => message,
    }
}

/// Keyed, so that what is kept of a request says nothing of a secret in its body.
async fn repeatable(request: &HttpRequest, body: &[u8]) -> Result<Option<Repeatable>, Problem> {
    let Some(key) = request.headers().get("idempotency-key") else { return Ok(None) };
    let fits = |key: &&str| {
        (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    };
    let key = key.to_str().ok().filter(fits);
    let key = key.ok_or_else(|| {
        let detail = format!("An `Idempotency-Key` has 1 to {KEY_MAX} visible ASCII characters.");
        Problem::bad_request("idempotency.key_malformed", detail)
    })?;
    let app = request.app_data::<web::Data<App>>().ok_or_else(Problem::internal)?;
    let route = format!("{} {}", request.method(), request.path());
    let whole = Zeroizing::new([route.as_bytes(), &[0], body].concat());
    let request_hash = app.vault.digest(INSTANCE, &whole).await?;
    Ok(Some(Repeatable { key: key.to_owned(), route, request_hash }))
}

/// The ids in a path.
#[derive(Debug)]
pub(super) struct Ids<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> FromRequest for Ids<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let path = web::Path::<T>::from_request(request, payload).into_inner();
        ready(path.map(|path| Self(path.into_inner())).map_err(|_| {
            Problem::bad_request(
                "path.malformed",
                "An id in the path is not a UUID (or a position not a number).",
            )
        }))
    }
}

/// The query, with no parameter that there isn't.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let query = web::Query::<T>::from_query(request.query_string());
        ready(query.map(|query| Self(query.into_inner())).map_err(|error| malformed_query(&error)))
    }
}

/// A query that can't be read.
pub(super) fn malformed_query(error: &QueryPayloadError) -> Problem {
    let reason = match error {
        QueryPayloadError::Deserialize(reason) => reason.to_string(),
        _ => "it cannot be read".to_owned(),
    };
    Problem::bad_request("query.malformed", format!("The query: {reason}."))
}
