//! The refusals that operations document: each a problem (RFC 9457).

use std::collections::BTreeMap;

use utoipa::openapi::response::Response;
use utoipa::openapi::{Content, RefOr, ResponseBuilder, Schema};
use utoipa::{IntoResponses, ToSchema};

use crate::problem::Problem;

/// What any operation that reads may answer.
pub(super) struct ReadRefusals;

/// What any operation that writes may answer.
pub(super) struct WriteRefusals;

/// What an operation may answer, beside these, that asks a tool server.
pub(super) struct UpstreamRefusals;

const READ: [(&str, &str); 6] = [
    ("400", "The request is malformed; `code` and `detail` say what and where"),
    ("401", "There is no credential, or none that is in force"),
    ("403", "The credential does not carry the scope that is named"),
    ("404", "There is no such thing, or it is somebody else's"),
    ("429", "More was asked than is allowed; `Retry-After` says when to try again"),
    ("503", "The book cannot be reached for now; `Retry-After` says when to try again"),
];

const WRITE: [(&str, &str); 3] = [
    ("409", "It conflicts with what is there; `code` names the conflict"),
    ("413", "The body is too large"),
    ("415", "The body is not `application/json`"),
];

fn problem(description: &str) -> RefOr<Response> {
    let schema: RefOr<Schema> = utoipa::openapi::Ref::from_schema_name(Problem::name()).into();
    let content = Content::new(Some(schema));
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build()
        .into()
}

impl IntoResponses for ReadRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        READ.iter().map(|(status, description)| ((*status).to_owned(), problem(description))).collect()
    }
}

impl IntoResponses for WriteRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let both = READ.iter().chain(&WRITE);
        both.map(|(status, description)| ((*status).to_owned(), problem(description))).collect()
    }
}

impl IntoResponses for UpstreamRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let description = "The tool server could not be reached or understood, or refused us; never a 401";
        [("502".to_owned(), problem(description))].into()
    }
}
