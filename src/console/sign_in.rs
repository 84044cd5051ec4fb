//! `/sign-in`: how one gets in.

use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, route};
use askama::Template;

use super::page::{Frame, answer, html};
use super::refusal::Refusal;

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(home).service(sign_in);
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
}

#[route("/sign-in", method = "GET", method = "HEAD")]
async fn sign_in() -> Result<HttpResponse, Refusal> {
    html(answer(StatusCode::OK), &SignIn { frame: Frame::bare("Sign in") })
}

/// Nobody is signed in yet.
#[route("/", method = "GET", method = "HEAD")]
async fn home() -> Result<HttpResponse, Refusal> {
    Err(Refusal::SignIn)
}
