//! `/keys`: one's own API keys in every workspace that one belongs to, and ending them. Making one is in `making`.

mod making;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpResponse, get, post};
use askama::Template;
use serde_json::json;
use tollbook_aggregates::access::Operation;
use tollbook_aggregates::{ApiKeyId, WorkspaceId};
use tollbook_journal::Position;
use tollbook_projections::{ApiKeyRow, ApiKeys, Order, Query, Term};
use uuid::Uuid;

use super::home::{Membership, memberships};
use super::names;
use super::page::{Frame, answer, html, see_other, show};
use super::posted::Posted;
use super::refusal::Refusal;
use super::times::Said;
use super::visitor::{SignedIn, Visitor};
use crate::api_keys::{self, Status};
use crate::app::App;
use crate::commands::Plan;
use crate::problem::Problem;
use crate::reveal::reveal;

/// How many of a workspace's are shown, the newest.
const MOST: usize = 100;

pub(super) use making::{KeyPage, login_command};

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(list).service(revoke);
    making::configure(config);
}

/// A workspace, with one's own keys in it.
struct Section {
    workspace: Membership,
    /// Those in force, or soon again; the newest first.
    good: Vec<Shown>,
    /// The others.
    ended: Vec<Shown>,
    /// Are there more than are shown?
    more: bool,
}

/// An API key, as its holder is shown it.
struct Shown {
    id: ApiKeyId,
    label: String,
    prefix: String,
    role: &'static str,
    state: Status,
    made: Said,
    used: Option<Said>,
    expires: Option<Said>,
    revoked: Option<Said>,
}

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    frame: Frame,
    sections: Vec<Section>,
    said: Option<String>,
}

#[derive(Template)]
#[template(path = "_keys.html")]
struct KeysPart {
    frame: Frame,
    sections: Vec<Section>,
    said: Option<String>,
}

#[get("/keys")]
async fn list(app: Data<App>, visitor: Visitor) -> Result<HttpResponse, Refusal> {
    let sections = own(&app, visitor.person()?).await?;
    show(&visitor, &KeysPage { frame: frame(&visitor), sections, said: None })
}

#[post("/workspaces/{workspace}/keys/{key}/revoke")]
async fn revoke(app: Data<App>, path: Path<(Uuid, Uuid)>, posted: Posted) -> Result<HttpResponse, Refusal> {
    let person = posted.visitor.person()?;
    let (workspace, id) = path.into_inner();
    let (workspace, id) = (WorkspaceId(workspace), ApiKeyId(id));
    let plan = |live: &_, _, _| {
        let draft = api_keys::revoke(live, (workspace, person.user_id, id), None)?;
        Ok(Plan { drafts: vec![draft], answer: json!({}), secret: None })
    };
    let operation = Operation::RevokeApiKey(person.user_id);
    app.commands.execute(person.caller(), Some(workspace), operation, None, plan).await?;
    if !posted.visitor.wants_part() {
        return Ok(see_other("/keys").finish());
    }
    let label = names::api_key(&app, workspace, id).await?;
    let said = Some(format!("The key “{label}” is revoked."));
    let sections = own(&app, person).await?;
    html(answer(StatusCode::OK), &KeysPart { frame: frame(&posted.visitor), sections, said })
}

fn frame(visitor: &Visitor) -> Frame {
    Frame::new("API keys", visitor).at("/keys")
}

/// One's own keys, workspace by workspace.
async fn own(app: &App, person: &SignedIn) -> Result<Vec<Section>, Problem> {
    names::up_to_date::<ApiKeys>(app).await?;
    let mut sections = Vec::new();
    for workspace in memberships(app, person).await? {
        sections.push(section(app, person, workspace).await?);
    }
    Ok(sections)
}

async fn section(app: &App, person: &SignedIn, workspace: Membership) -> Result<Section, Problem> {
    let operation = Operation::ReadApiKey(person.user_id);
    app.commands.allow(person.caller(), Some(workspace.id), operation).await?;
    let terms = vec![Term::new("user", person.user_id)];
    let query = Query { terms, after: None, limit: MOST + 1, order: Order::NewestFirst };
    let listed = app.views.list::<ApiKeys>(workspace.id.0, &query).await;
    let listed = listed.map_err(|error| names::unreadable(&error))?;
    let more = listed.len() > MOST;
    let rows: Vec<ApiKeyRow> = listed.into_iter().take(MOST).map(|listed| listed.row).collect();
    let labels = rows.iter().filter_map(|row| row.device_label.as_ref());
    let positions: Vec<Position> = labels.map(|label| label.position).collect();
    let texts = reveal(&app.journal, &app.vault, &positions).await.map_err(|error| names::sealed(&error))?;
    let label = |row: &ApiKeyRow| {
        let sealed = row.device_label.as_ref();
        let text = sealed.and_then(|label| texts.get(label.position, &label.field));
        text.unwrap_or(names::ERASED).to_owned()
    };
    let at = app.clock.now();
    let last_used = app.last_used.of(rows.iter().map(|row| row.id.0)).await?;
    let show = |row: ApiKeyRow| Shown {
        id: row.id,
        label: label(&row),
        prefix: api_keys::prefix(&row),
        role: row.role.as_str(),
        state: app.authority.look(|live| Status::of(live, &row, at)),
        made: Said::of(row.created_at),
        used: last_used.get(&row.id.0).copied().map(Said::of),
        expires: row.expires_at.map(Said::of),
        revoked: row.revoked_at.map(Said::of),
    };
    let good = |key: &Shown| matches!(key.state, Status::Active | Status::Reset);
    let (good, ended) = rows.into_iter().map(show).partition(good);
    Ok(Section { workspace, good, ended, more })
}
