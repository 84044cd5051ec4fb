//! `tollbook openapi`: the description of the REST interface, as it is committed.

use crate::http;

use super::context::Context;
use super::failure::Failure;
use super::output;

pub(super) fn run(_: &Context) -> Result<(), Failure> {
    let document = http::openapi::document().to_pretty_json();
    let document =
        document.map_err(|error| Failure::failed(format!("the description cannot be made: {error}")))?;
    output::text(&document)
}
