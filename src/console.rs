//! The console: pages for people, in a browser.
//!
//! What every page shares is here: the frame and its headers (`page`), the cookies (`cookies`), who is asking
//! (`visitor`), forms that nobody else can send (`posted`) and their fields (`forms`), refusals as pages (`refusal`),
//! and the files that a page needs (`assets`). A page is a file of its own: its handlers, the template that it fills, and nothing that decides
//! anything. CONTRIBUTING.md says how to add one; ADR 0090 why the frame is as it is.
//!
//! Deliberately absent: JSON, inline scripts and styles, anything loaded from elsewhere, state of its own.

mod assets;
mod browsers;
mod cookies;
mod forms;
mod home;
mod keys;
mod names;
mod one_time_links;
mod page;
mod posted;
mod refusal;
mod sign_in;
mod sign_ins;
mod times;
mod visitor;

use actix_web::http::Method;
use actix_web::http::header::ACCEPT;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};

use crate::problem::Problem;

use refusal::Refusal;

/// The routes. To be configured last: a path that isn't among them is nowhere.
pub fn configure(config: &mut ServiceConfig) {
    let pages = web::scope("")
        .wrap(from_fn(refusal::for_whoever_asks))
        .configure(assets::configure)
        .configure(home::configure)
        .configure(keys::configure)
        .configure(sign_in::configure)
        .configure(sign_ins::configure)
        .configure(one_time_links::configure);
    config.service(pages);
}

/// Is it a person's browser that asks for a page where there is none?
pub fn wants_page(request: &HttpRequest) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD) && is_browsers(request)
}

/// A problem as a page, if it is a person's browser that asks.
pub fn page_of(request: &HttpRequest, problem: &Problem) -> Option<HttpResponse> {
    is_browsers(request).then(|| Refusal::from(problem.clone()).error_response())
}

fn is_browsers(request: &HttpRequest) -> bool {
    let programs = ["/v1", "/s/", "/l/", "/oauth/", "/host/", "/.well-known/"];
    let html = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    html.is_some_and(|accept| accept.contains("text/html"))
        && !programs.iter().any(|prefix| request.path().starts_with(prefix))
}

/// What a browser is shown at a path that there isn't.
pub fn no_page() -> HttpResponse {
    HttpResponse::from_error(Refusal::from(Problem::not_found("page")))
}
