//! The frame around every page, and the headers that it is sent with.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    self, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use super::assets::{ASSETS, Assets};
use super::refusal::Refusal;
use crate::problem::Problem;

/// Nothing but what we serve ourselves, nothing inline, no frame around us (CSP level 3).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// What no page of ours asks a browser for.
const PERMISSIONS: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=(), \
                           midi=(), display-capture=()";

/// What stands around every page.
pub(super) struct Frame {
    /// Of the page, as its tab shows it.
    pub(super) title: &'static str,
    /// Where its files are.
    pub(super) assets: &'static Assets,
}

impl Frame {
    /// Around a page that nobody in particular is shown.
    pub(super) fn bare(title: &'static str) -> Self {
        Self { title, assets: &ASSETS }
    }

    /// Of the service.
    pub(super) fn version(&self) -> &'static str {
        let _ = self;
        env!("CARGO_PKG_VERSION")
    }
}

/// An answer with the headers that every page has.
pub(super) fn answer(status: StatusCode) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(status);
    builder
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
        .insert_header(("cross-origin-resource-policy", "same-origin"))
        .insert_header(("permissions-policy", PERMISSIONS))
        .insert_header((header::VARY, HeaderValue::from_static("Cookie")));
    builder
}

/// A page, or a part of one.
pub(super) fn html(
    mut builder: HttpResponseBuilder,
    template: &impl Template,
) -> Result<HttpResponse, Refusal> {
    let text = template.render().map_err(|error| {
        tracing::error!(%error, "a page cannot be rendered");
        Problem::internal()
    })?;
    Ok(builder.insert_header((CONTENT_TYPE, "text/html; charset=utf-8")).body(text))
}

/// Go and look there, with GET (RFC 9110, section 15.4.4).
pub(super) fn see_other(path: &str) -> HttpResponseBuilder {
    let mut builder = answer(StatusCode::SEE_OTHER);
    builder.insert_header((LOCATION, path));
    builder
}
