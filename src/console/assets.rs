//! The files that pages need, embedded in the binary. The name of each has a digest of what is in it: a browser may
//! keep it for good, and asks for another name when it has changed.

use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::{Path, ServiceConfig};
use actix_web::{HttpResponse, get};
use sha2::{Digest as _, Sha256};

use super::refusal::Refusal;
use crate::problem::Problem;

/// A year, and never asked for again before that (RFC 8246).
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// How many hex digits of the digest stand in a name.
const DIGITS: usize = 16;

/// Where a page finds its files.
pub(super) struct Assets {
    /// The stylesheet.
    pub(super) style: String,
    /// Our script.
    pub(super) script: String,
    /// npm's htmx.org.
    pub(super) htmx: String,
    /// The mark, as a picture.
    pub(super) mark: String,
    files: Vec<File>,
}

struct File {
    path: String,
    kind: &'static str,
    bytes: &'static [u8],
}

/// All of them.
pub(super) static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let file = |stem: &str, extension: &str, kind, bytes: &'static [u8]| {
        let digest = hex::encode(Sha256::digest(bytes));
        let digest = digest.get(..DIGITS).unwrap_or(&digest);
        File { path: format!("/assets/{stem}-{digest}.{extension}"), kind, bytes }
    };
    let script = "text/javascript; charset=utf-8";
    let style =
        file("console", "css", "text/css; charset=utf-8", include_bytes!("../../console/assets/console.css"));
    let ours = file("console", "js", script, include_bytes!("../../console/assets/console.js"));
    let htmx = file("htmx", "js", script, include_bytes!("../../console/assets/htmx.min.js"));
    let mark = file("mark", "svg", "image/svg+xml", include_bytes!("../../console/assets/mark.svg"));
    Assets {
        style: style.path.clone(),
        script: ours.path.clone(),
        htmx: htmx.path.clone(),
        mark: mark.path.clone(),
        files: vec![style, ours, htmx, mark],
    }
});

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(asset);
}

#[get("/assets/{name}")]
async fn asset(name: Path<String>) -> Result<HttpResponse, Refusal> {
    let path = format!("/assets/{name}");
    let file = ASSETS.files.iter().find(|file| file.path == path);
    let file = file.ok_or_else(|| Problem::not_found("file"))?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, file.kind))
        .insert_header((CACHE_CONTROL, FOR_GOOD))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("cross-origin-resource-policy", "same-origin"))
        .body(file.bytes))
}
