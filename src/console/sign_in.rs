//! `/sign-in`: how one gets in.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, get};
use askama::Template;

use super::page::{Frame, show};
use super::refusal::Refusal;
use super::visitor::Visitor;
use crate::app::App;
use crate::founding;

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(sign_in);
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    signed_out: bool,
    /// Was somebody signed in here, until that was ended elsewhere, or was over?
    ended: bool,
    /// Is there nobody yet who could sign in?
    empty: bool,
}

#[get("/sign-in")]
async fn sign_in(app: Data<App>, request: HttpRequest, visitor: Visitor) -> Result<HttpResponse, Refusal> {
    let page = SignIn {
        frame: Frame::new("Sign in", &visitor),
        signed_out: request.query_string() == "signed-out",
        ended: visitor.had_signed_in(),
        empty: founding::is_empty(&app),
    };
    show(&visitor, &page)
}
