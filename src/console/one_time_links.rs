//! `/otl/{id}#{secret}`: what a one-time link is for, and redeeming it.
//!
//! A GET says nothing and uses nothing up, whoever asks, how often: it doesn't even look whether there is such a
//! link. What it is for is shown to whoever posts its secret, and only the second post redeems it. The secret comes
//! in the body of a form: the browser keeps the fragment to itself, and the page's script puts it there.

mod offer;
mod secret;

use std::net::IpAddr;

use actix_web::http::StatusCode;
use actix_web::http::header::USER_AGENT;
use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, get, post};
use askama::Template;
use tollbook_aggregates::AuthenticationFailure;

use super::cookies::Cookies;
use super::forms::{Fault, Field};
use super::keys::{KeyPage, login_command};
use super::page::{Frame, answer, html, see_other, show, show_with};
use super::posted::Posted;
use super::refusal::Refusal;
use super::visitor::Visitor;
use crate::app::App;
use crate::credential::Credential;
use crate::founding;
use crate::links::{self, Browser, NewSignIn, Redeeming};
use crate::problem::Problem;

use offer::Offer;

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(open).service(pasted).service(look).service(redeem);
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    frame: Frame,
    id: String,
}

#[derive(Template)]
#[template(path = "offer.html")]
struct OfferPage {
    frame: Frame,
    id: String,
    secret: String,
    offer: Offer,
    /// The fields of those offers that ask for something.
    name: Field,
    workspace: Field,
}

#[derive(Template)]
#[template(path = "founded.html")]
struct FoundedPage {
    frame: Frame,
    name: String,
    workspace: String,
    /// The operator's credential.
    secret: String,
}

#[get("/otl/{id}")]
async fn open(id: Path<String>, visitor: Visitor) -> Result<HttpResponse, Refusal> {
    let id = id.into_inner();
    if !secret::is_id(&id) {
        return Err(Problem::not_found("page").into());
    }
    show(&visitor, &LinkPage { frame: Frame::new("One-time link", &visitor), id })
}

/// From the page that says how to sign in: the whole link, in a field.
#[post("/otl")]
async fn pasted(app: Data<App>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Refusal> {
    let credential = secret::of_link(posted.field("link"))?;
    offered(&app, &request, &posted.visitor, &credential, None).await
}

#[post("/otl/{id}")]
async fn look(
    app: Data<App>,
    id: Path<String>,
    request: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, Refusal> {
    let credential = secret::of(&id, posted.field("secret"))?;
    offered(&app, &request, &posted.visitor, &credential, None).await
}

/// What the link is for; with the form as it was sent, where it can't be taken as it is.
async fn offered(
    app: &App,
    request: &HttpRequest,
    visitor: &Visitor,
    credential: &Credential,
    sent: Option<(&Posted, &Fault)>,
) -> Result<HttpResponse, Refusal> {
    let address = client(app, request);
    let offer =
        counted(app, credential, visitor, address, offer::find(app, visitor.signed_in(), credential)).await?;
    let id = credential.id().to_owned();
    let again = |field: Field| match sent {
        Some((posted, fault)) => field.again(posted, fault),
        None => field,
    };
    let page = OfferPage {
        frame: Frame::new(offer.title(), visitor).standing_for(format!("/otl/{id}")),
        id,
        secret: links::fragment(credential).to_owned(),
        offer,
        name: again(Field::person()),
        workspace: again(Field::workspace()),
    };
    let status = if sent.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    show_with(status, visitor, &page)
}

#[post("/otl/{id}/redeem")]
async fn redeem(
    app: Data<App>,
    id: Path<String>,
    request: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, Refusal> {
    let credential = secret::of(&id, posted.field("secret"))?;
    let user_agent = request.headers().get(USER_AGENT).and_then(|name| name.to_str().ok());
    let address = client(&app, &request);
    let browser = Browser { address, user_agent };
    let redeemed = if founding::is_first_owners_link(&app, &credential) {
        found(&app, &credential, &posted, browser).await
    } else {
        redeemed(&app, &credential, &posted, browser).await
    };
    match redeemed {
        Err(Refusal::Problem(problem)) if let Some(fault) = Fault::of(&problem) => {
            offered(&app, &request, &posted.visitor, &credential, Some((&posted, &fault))).await
        }
        redeemed => redeemed,
    }
}

/// What comes of every link but the first owner's.
async fn redeemed(
    app: &App,
    credential: &Credential,
    posted: &Posted,
    browser: Browser<'_>,
) -> Result<HttpResponse, Refusal> {
    let signed_in = posted.visitor.signed_in().map(|signed_in| signed_in.id);
    let redeeming = Redeeming { secret: credential, signed_in, name: posted.field("name"), browser };
    let redeemed =
        counted(app, credential, &posted.visitor, browser.address, links::redeem(app, &redeeming)).await?;
    if let Some(key) = redeemed.api_key {
        let frame = Frame::new("Your new key", &posted.visitor).standing_for("/keys");
        let (secret, command) = (key.credential.expose().to_owned(), login_command(&app.config.public_url));
        return show(&posted.visitor, &KeyPage { frame, secret, command });
    }
    let builder = see_other("/");
    Ok(match redeemed.sign_in {
        Some(sign_in) => welcome(app, &sign_in, builder),
        None => builder,
    }
    .finish())
}

/// The first workspace of an empty book, its owner, and the operator's credential, which is shown this once.
async fn found(
    app: &App,
    credential: &Credential,
    posted: &Posted,
    browser: Browser<'_>,
) -> Result<HttpResponse, Refusal> {
    let (name, workspace) = (posted.field("name"), posted.field("workspace"));
    let founded = founding::found_by_link(app, credential, name, workspace, browser).await?;
    let page = FoundedPage {
        frame: Frame::bare("Your workspace").standing_for("/"),
        name: name.to_owned(),
        workspace: workspace.to_owned(),
        secret: founded.operator_key.expose().to_owned(),
    };
    html(welcome(app, &founded.sign_in, answer(StatusCode::OK)), &page)
}

/// Where a request comes from.
fn client(app: &App, request: &HttpRequest) -> IpAddr {
    app.allowances.client(request.peer_addr(), request.headers())
}

/// Wrong tries are counted for the address that makes them ([`crate::authn`] does) and, so that no number of
/// addresses helps, for the person who is signed in. They change nothing about the link: nobody can burn another's.
async fn counted<T>(
    app: &App,
    credential: &Credential,
    visitor: &Visitor,
    address: IpAddr,
    tried: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let person = visitor.signed_in().map(|signed_in| signed_in.user_id.0);
    // Who has a link's secret is never refused for what others at their address tried.
    if !links::is_known(app, credential) {
        app.allowances.may_authenticate(address).map_err(Problem::too_many)?;
        person.map_or(Ok(()), |person| app.allowances.may_try_link(person)).map_err(Problem::too_many)?;
    }
    let result = tried.await;
    if let (Err(problem), Some(person)) = (&result, person)
        && problem.failure() == Some(AuthenticationFailure::Link)
    {
        app.allowances.tried_wrong_link(person);
    }
    result
}

/// With the cookie of the new sign-in; the one of the visit before has served.
fn welcome(app: &App, sign_in: &NewSignIn, mut builder: HttpResponseBuilder) -> HttpResponseBuilder {
    let cookies = Cookies::of(&app.config.public_url);
    builder
        .cookie(cookies.keep_sign_in(&sign_in.cookie, links::SIGN_IN_LASTS))
        .cookie(cookies.drop(cookies.visit()));
    builder
}
