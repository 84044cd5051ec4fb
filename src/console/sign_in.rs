//! `/sign-in`: how one gets in.

use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, route};
use askama::Template;

use super::page::{Frame, show};
use super::refusal::Refusal;
use super::visitor::Visitor;

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(sign_in);
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    signed_out: bool,
}

#[route("/sign-in", method = "GET", method = "HEAD")]
async fn sign_in(request: HttpRequest, visitor: Visitor) -> Result<HttpResponse, Refusal> {
    let signed_out = request.query_string() == "signed-out";
    show(&visitor, &SignIn { frame: Frame::new("Sign in", &visitor), signed_out })
}
