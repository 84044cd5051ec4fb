//! `/sign-ins`: where one is signed in, and ending that. Also `/sign-out`.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpResponse, get, post};
use askama::Template;
use chrono::{DateTime, Utc};
use serde_json::json;
use tollbook_aggregates::access::{Operation, World as _};
use tollbook_aggregates::{SignIn, SignInCommand, SignInId};
use tollbook_journal::{Expected, INSTANCE, Position};
use uuid::Uuid;

use super::browsers;
use super::cookies::Cookies;
use super::names;
use super::page::{Frame, answer, html, see_other, show};
use super::posted::Posted;
use super::refusal::Refusal;
use super::times::Said;
use super::visitor::{SignedIn, Visitor};
use crate::app::App;
use crate::authority::Live;
use crate::book::Draft;
use crate::commands::Plan;
use crate::problem::Problem;
use crate::reveal::reveal;

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(list).service(end_others).service(end).service(sign_out);
}

/// A sign-in, as its person is shown it.
struct Shown {
    id: SignInId,
    this: bool,
    label: String,
    since: Said,
    used: Said,
    until: Said,
}

#[derive(Template)]
#[template(path = "sign_ins.html")]
struct SignInsPage {
    frame: Frame,
    sign_ins: Vec<Shown>,
    said: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "_sign_ins.html")]
struct SignInsPart {
    frame: Frame,
    sign_ins: Vec<Shown>,
    said: Option<&'static str>,
}

#[get("/sign-ins")]
async fn list(app: Data<App>, visitor: Visitor) -> Result<HttpResponse, Refusal> {
    let sign_ins = shown(&app, visitor.person()?).await?;
    show(&visitor, &SignInsPage { frame: frame(&visitor), sign_ins, said: None })
}

#[post("/sign-ins/{id}/end")]
async fn end(app: Data<App>, id: Path<Uuid>, posted: Posted) -> Result<HttpResponse, Refusal> {
    let person = posted.visitor.person()?;
    let id = SignInId(id.into_inner());
    end_where(&app, person, |other| other == id).await?;
    if id == person.id {
        return Ok(signed_out(&app));
    }
    ended(&app, &posted.visitor, "The sign-in has ended.").await
}

#[post("/sign-ins/end-others")]
async fn end_others(app: Data<App>, posted: Posted) -> Result<HttpResponse, Refusal> {
    let person = posted.visitor.person()?;
    let this = person.id;
    end_where(&app, person, |other| other != this).await?;
    ended(&app, &posted.visitor, "All other sign-ins have ended.").await
}

#[post("/sign-out")]
async fn sign_out(app: Data<App>, posted: Posted) -> Result<HttpResponse, Refusal> {
    let person = posted.visitor.person()?;
    let this = person.id;
    end_where(&app, person, |other| other == this).await?;
    Ok(signed_out(&app))
}

fn frame(visitor: &Visitor) -> Frame {
    Frame::new("Sign-ins", visitor).at("/sign-ins")
}

/// The list anew: the part of the page where htmx asked for it, else the page that the browser then asks for.
async fn ended(app: &App, visitor: &Visitor, said: &'static str) -> Result<HttpResponse, Refusal> {
    if !visitor.wants_part() {
        return Ok(see_other("/sign-ins").finish());
    }
    let sign_ins = shown(app, visitor.person()?).await?;
    html(answer(StatusCode::OK), &SignInsPart { frame: frame(visitor), sign_ins, said: Some(said) })
}

fn signed_out(app: &App) -> HttpResponse {
    let cookies = Cookies::of(&app.config.public_url);
    see_other("/sign-in?signed-out").cookie(cookies.drop(cookies.sign_in())).finish()
}

/// Ends those of one's own sign-ins that are meant, in one append: refused everywhere from that position on.
async fn end_where(app: &App, person: &SignedIn, meant: impl Fn(SignInId) -> bool) -> Result<(), Problem> {
    let plan = |live: &Live, _, _| {
        let mut drafts = Vec::new();
        for (id, _) in live.sign_ins_of(person.user_id).filter(|(id, _)| meant(*id)) {
            let events = live.sign_in(id).decide(SignInCommand::End)?;
            drafts.push(Draft::new::<SignIn>(INSTANCE, id.0, live.expect_sign_in(id), &events)?);
        }
        Ok(Plan { drafts, answer: json!({}), secret: None })
    };
    let operation = Operation::EndSignIn(person.user_id);
    app.commands.execute(person.caller(), None, operation, None, plan).await.map(drop)
}

/// One's own sign-ins that are in force, this one first, then the newest.
async fn shown(app: &App, person: &SignedIn) -> Result<Vec<Shown>, Refusal> {
    let at = app.clock.now();
    let mut open: Vec<(SignInId, Position, DateTime<Utc>)> = app.authority.look(|live| {
        let in_force = live.sign_ins_of(person.user_id).filter(|(_, grant)| at < grant.expires_at);
        in_force.filter_map(|(id, grant)| Some((id, created_at(live, id)?, grant.expires_at))).collect()
    });
    open.sort_by_key(|(id, created, _)| (*id != person.id, std::cmp::Reverse(created.0)));
    let positions: Vec<Position> = open.iter().map(|(_, created, _)| *created).collect();
    let events = app.journal.events(&positions).await?;
    let texts = reveal(&app.journal, &app.vault, &positions).await.map_err(|error| names::sealed(&error))?;
    let last_used = app.last_used.of(open.iter().map(|(id, ..)| id.0)).await.map_err(Problem::from)?;
    let show = |(id, created, until): (SignInId, Position, DateTime<Utc>)| {
        let since = events.iter().find(|event| event.position == created)?.recorded_at;
        let used = last_used.get(&id.0).copied().unwrap_or(since);
        Some(Shown {
            id,
            this: id == person.id,
            label: browsers::describe(texts.get(created, "user_agent")),
            since: Said::of(since),
            used: Said::of(used),
            until: Said::of(until),
        })
    };
    Ok(open.into_iter().filter_map(show).collect())
}

/// Where a sign-in that wasn't ended was made: its stream has no other event.
fn created_at(live: &Live, id: SignInId) -> Option<Position> {
    match live.expect_sign_in(id) {
        Expected::At(position) => Some(position),
        Expected::NoStream | Expected::Any => None,
    }
}
