//! The frame around every page, and the headers that it is sent with.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    self, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use super::assets::{ASSETS, Assets};
use super::refusal::Refusal;
use super::visitor::Visitor;
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
    pub(super) title: Cow<'static, str>,
    /// Who is signed in.
    pub(super) person: Option<String>,
    /// What every form of the page sends along.
    pub(super) csrf: String,
    /// Where its files are.
    pub(super) assets: &'static Assets,
    /// What stands in the address bar in place of the form that this page answers: the way back, and loading it
    /// again, ask for that, and send nothing a second time.
    pub(super) stands_for: Option<String>,
    here: &'static str,
}

/// A page that the frame leads to.
pub(super) struct Place {
    pub(super) path: &'static str,
    pub(super) name: &'static str,
    /// Is it the one that is shown?
    pub(super) here: bool,
}

/// The pages that the frame leads to, for whoever is signed in.
const PLACES: [(&str, &str); 3] = [("/", "Workspaces"), ("/keys", "API keys"), ("/sign-ins", "Sign-ins")];

impl Frame {
    /// Around a page for this visitor.
    pub(super) fn new(title: impl Into<Cow<'static, str>>, visitor: &Visitor) -> Self {
        Self {
            title: title.into(),
            person: visitor.signed_in().map(|signed_in| signed_in.name.clone()),
            csrf: visitor.csrf_token(),
            assets: &ASSETS,
            stands_for: None,
            here: "",
        }
    }

    /// Around a page that nobody in particular is shown, without a form.
    pub(super) fn bare(title: impl Into<Cow<'static, str>>) -> Self {
        let (title, csrf) = (title.into(), String::new());
        Self { title, person: None, csrf, assets: &ASSETS, stands_for: None, here: "" }
    }

    /// Around the answer to a form, which this path takes the place of.
    #[must_use]
    pub(super) fn standing_for(mut self, path: impl Into<String>) -> Self {
        self.stands_for = Some(path.into());
        self
    }

    /// Around the page at this path, which the frame leads to.
    #[must_use]
    pub(super) fn at(mut self, path: &'static str) -> Self {
        self.here = path;
        self
    }

    /// The pages that the frame leads to.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let here = self.here;
        PLACES.into_iter().map(move |(path, name)| Place { path, name, here: path == here })
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

/// A page for this visitor: with the cookie that its forms are bound to, if the browser has none yet.
pub(super) fn show(visitor: &Visitor, template: &impl Template) -> Result<HttpResponse, Refusal> {
    show_with(StatusCode::OK, visitor, template)
}

/// As [`show`], with another status.
pub(super) fn show_with(
    status: StatusCode,
    visitor: &Visitor,
    template: &impl Template,
) -> Result<HttpResponse, Refusal> {
    let mut builder = answer(status);
    if let Some(cookie) = visitor.new_cookie() {
        builder.cookie(cookie);
    }
    html(builder, template)
}

/// Go and look there, with GET (RFC 9110, section 15.4.4).
pub(super) fn see_other(path: &str) -> HttpResponseBuilder {
    let mut builder = answer(StatusCode::SEE_OTHER);
    builder.insert_header((LOCATION, path));
    builder
}
