//! `/workspaces/{id}/keys/new`: making an API key of one's own. Its secret is in the answer to the form, this once:
//! the form carries a number that is good for one key, so that sending it again makes no second one.

use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpResponse, get, post};
use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tollbook_aggregates::access::{Operation, Standing};
use tollbook_aggregates::{ApiKey, Role, WorkspaceId};
use tollbook_journal::INSTANCE;
use url::Url;
use uuid::Uuid;

use super::super::forms::{Fault, Field};
use super::super::names;
use super::super::page::{Frame, show, show_with};
use super::super::posted::Posted;
use super::super::refusal::Refusal;
use super::super::visitor::Visitor;
use crate::api_keys::{NewKey, Wanted};
use crate::app::App;
use crate::authority::Live;
use crate::clock::Clock;
use crate::commands::{Plan, Repeatable};
use crate::config::DEFAULT_URL;
use crate::problem::Problem;

/// How long a key may last, as the form offers it: in days, and in words. The first is chosen.
const LASTS: [(&str, &str); 5] =
    [("", "Until it is revoked"), ("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "A year")];

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(form).service(make);
}

#[derive(Template)]
#[template(path = "new_key.html")]
struct NewKeyPage {
    frame: Frame,
    workspace: String,
    id: WorkspaceId,
    /// Good for one key.
    number: String,
    label: Field,
    roles: Vec<Choice>,
    lasts: Vec<Choice>,
}

/// What a list offers.
struct Choice {
    value: &'static str,
    words: &'static str,
    chosen: bool,
}

/// The page that shows a key's secret, once.
#[derive(Template)]
#[template(path = "key.html")]
pub(in crate::console) struct KeyPage {
    /// Around it.
    pub(in crate::console) frame: Frame,
    /// The key.
    pub(in crate::console) secret: String,
    /// The command that keeps it.
    pub(in crate::console) command: String,
}

#[derive(Template)]
#[template(path = "key_shown.html")]
struct ShownBefore {
    frame: Frame,
    label: String,
}

#[get("/workspaces/{workspace}/keys/new")]
async fn form(app: Data<App>, id: Path<Uuid>, visitor: Visitor) -> Result<HttpResponse, Refusal> {
    let page = asking(&app, &visitor, WorkspaceId(id.into_inner()), None).await?;
    show(&visitor, &page)
}

#[post("/workspaces/{workspace}/keys")]
async fn make(app: Data<App>, id: Path<Uuid>, posted: Posted) -> Result<HttpResponse, Refusal> {
    let person = posted.visitor.person()?;
    let workspace = WorkspaceId(id.into_inner());
    let new = NewKey::mint(app.random.as_ref())?;
    let (role, lasts) = (role(&posted)?, lasts(&posted)?);
    let repeatable = repeatable(&app, workspace, &posted).await?;
    let plan = |live: &Live, standing: Standing, at: DateTime<Utc>| {
        let device_label = posted.field("label");
        let expires_at = lasts.map(|lasts| at + lasts);
        let wanted = Wanted { workspace, device_label, role, expires_at, narrowing: None };
        let (_, draft) = new.draft(live, &app.pepper, (person.caller().into(), standing), wanted, at)?;
        let answer = json!({ "id": new.id, "key": new.credential.expose() });
        Ok(Plan { drafts: vec![draft], answer, secret: Some("key") })
    };
    let operation = Operation::CreateApiKey;
    let done =
        app.commands.execute(person.caller(), Some(workspace), operation, Some(&repeatable), plan).await;
    let done = match done.map_err(|problem| (Fault::of(&problem), problem)) {
        Ok(done) => done,
        Err((Some(fault), problem)) => {
            let page = asking(&app, &posted.visitor, workspace, Some((&posted, &fault))).await?;
            return show_with(problem.status_code(), &posted.visitor, &page);
        }
        Err((None, problem)) => return Err(problem.into()),
    };
    let frame = |title| Frame::new(title, &posted.visitor).at("/keys").standing_for("/keys");
    if let Some(secret) = done.answer.get("key").and_then(serde_json::Value::as_str) {
        let (secret, command) = (secret.to_owned(), login_command(&app.config.public_url));
        return show(&posted.visitor, &KeyPage { frame: frame("Your new key"), secret, command });
    }
    let label = posted.field("label").to_owned();
    show(&posted.visitor, &ShownBefore { frame: frame("Made already"), label })
}

/// The form, empty or as it was sent.
async fn asking(
    app: &App,
    visitor: &Visitor,
    id: WorkspaceId,
    sent: Option<(&Posted, &Fault)>,
) -> Result<NewKeyPage, Refusal> {
    let person = visitor.person()?;
    let standing = app.commands.allow(person.caller(), Some(id), Operation::CreateApiKey).await?;
    let hint = "The machine or program that it is for, such as “build server”. Up to 64 characters.";
    let mut label = Field::new("label", "Where will it be used?", hint, ApiKey::DEVICE_LABEL_MAX);
    let mut frame = Frame::new("Make an API key", visitor).at("/keys");
    if let Some((posted, fault)) = sent {
        label = label.again(posted, fault);
        frame = frame.standing_for(format!("/workspaces/{id}/keys/new"));
    }
    let chosen =
        |name: &str, value: &str, first: bool| sent.map_or(first, |(posted, _)| posted.field(name) == value);
    let roles = Role::ALL.into_iter().rev().filter(|role| standing.may_grant(*role)).enumerate();
    let roles = roles.map(|(at, role)| Choice {
        value: role.as_str(),
        words: carries(role),
        chosen: chosen("role", role.as_str(), at == 0),
    });
    let lasts = LASTS.into_iter().enumerate();
    let lasts =
        lasts.map(|(at, (value, words))| Choice { value, words, chosen: chosen("lasts", value, at == 0) });
    Ok(NewKeyPage {
        frame,
        workspace: names::workspace(app, id).await?,
        id,
        number: Clock::fresh_id::<Uuid>().to_string(),
        label,
        roles: roles.collect(),
        lasts: lasts.collect(),
    })
}

/// What a key with this role is good for.
const fn carries(role: Role) -> &'static str {
    match role {
        Role::Owner => "Owner: everything",
        Role::Admin => "Admin: all but what is about owners",
        Role::Member => "Member: sessions, and calling tools",
        Role::Auditor => "Auditor: reads, and changes nothing",
    }
}

fn role(posted: &Posted) -> Result<Option<Role>, Problem> {
    match posted.field("role") {
        "" => Ok(None),
        text => {
            let role = Role::ALL.into_iter().find(|role| role.as_str() == text);
            role.map(Some).ok_or_else(|| Problem::bad_request("form.malformed", "There is no such role."))
        }
    }
}

fn lasts(posted: &Posted) -> Result<Option<TimeDelta>, Problem> {
    match posted.field("lasts") {
        "" => Ok(None),
        text => {
            let offered = LASTS.iter().find(|(value, _)| *value == text);
            let days = offered.and_then(|(value, _)| value.parse().ok()).and_then(TimeDelta::try_days);
            days.map(Some).ok_or_else(|| Problem::bad_request("form.malformed", "There is no such time."))
        }
    }
}

/// What makes the form's number good for one key. The same number with other words in the form is another request:
/// somebody went back and changed them.
async fn repeatable(app: &App, workspace: WorkspaceId, posted: &Posted) -> Result<Repeatable, Problem> {
    let number = Uuid::parse_str(posted.field("number"));
    let number = number.map_err(|_| Problem::bad_request("form.malformed", "The form has no number."))?;
    let asked = [posted.field("label"), posted.field("role"), posted.field("lasts")].join("\0");
    let request_hash = app.vault.digest(INSTANCE, format!("{number}\0{asked}").as_bytes()).await?;
    let key = format!("{number} {}", hex::encode(request_hash));
    Ok(Repeatable { key, route: format!("POST /workspaces/{workspace}/keys"), request_hash })
}

/// The command that keeps a key, which it reads from standard input.
pub(in crate::console) fn login_command(public_url: &Url) -> String {
    let url = public_url.as_str().trim_end_matches('/');
    let command = "tollbook login --with-api-key";
    if url == DEFAULT_URL { command.to_owned() } else { format!("{command} --server {url}") }
}
