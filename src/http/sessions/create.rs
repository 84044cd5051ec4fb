//! Opening a session.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tollbook_aggregates::access::{self, Caller, Denial, Operation, Standing, World as _};
use tollbook_aggregates::{
    Grant, LoadoutError, LoadoutId, MadeWith, Private, Session, SessionCommand, SessionId, WorkspaceId,
};
use tollbook_journal::Expected;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::body::{Body, Ids};
use super::super::owned;
use super::super::refusals::WriteRefusals;
use super::super::time::Time;
use super::super::written::{Written, object, written};
use super::view::{SessionView, State, session_url};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::book::Draft;
use crate::clock::Clock;
use crate::commands::Plan;
use crate::config::Config;
use crate::credential::{Credential, Kind};
use crate::problem::Problem;

/// The most calls that can be counted and said: what every JSON reader holds (RFC 8259, section 6).
const CALLS_MAX: u64 = (1 << 53) - 1;

/// A session to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSession {
    loadout_id: Uuid,
    /// What it is for: 1 to 100 characters, no control characters.
    #[schema(min_length = 1, max_length = 100, examples("nightly report"))]
    label: Option<String>,
    /// In seconds: 8 hours when not given, at most 30 days, unless the operator set others.
    #[schema(minimum = 1, examples(3600))]
    expires_in: Option<u64>,
    /// How many calls it permits in all; any number, when absent.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    max_calls: Option<u64>,
}

/// A session that was made.
#[derive(Debug, Serialize, ToSchema)]
struct SessionCreated {
    #[serde(flatten)]
    session: SessionView,
    /// The session's credential, shown this once: `Authorization: Bearer` at its URL. Absent in the
    /// answer to a repeated request.
    #[schema(required = false, examples("tbk_ses_…"))]
    token: String,
}

/// Opens a session on the newest version of a loadout, with the rights of the caller.
#[utoipa::path(tag = "sessions", operation_id = "create_session", request_body = NewSession,
    responses((status = CREATED, body = Written<SessionCreated>), WriteRefusals))]
#[post("/v1/workspaces/{workspace_id}/sessions")]
pub(super) async fn create(
    app: Data<App>,
    caller: Authenticated,
    Ids(workspace): Ids<WorkspaceId>,
    body: Body<NewSession>,
) -> Result<HttpResponse, Problem> {
    let id: SessionId = Clock::fresh_id();
    let token = Credential::mint(Kind::Session, app.random.as_ref()).map_err(|_| Problem::internal())?;
    let lasts = lasts(&app.config, body.expires_in)?;
    if body.max_calls.is_some_and(|most| most > CALLS_MAX) {
        let detail = format!("`max_calls` must be at most {CALLS_MAX}.");
        return Err(Problem::bad_request("session.max_calls", detail));
    }
    let plan = |live: &Live, standing: Standing, at: DateTime<Utc>| {
        // `access` lets nobody else make a session.
        let (Standing::Member { user_id, .. }, Caller::ApiKey(key)) = (standing, caller.0.caller) else {
            return Err(Problem::insufficient_scope(Operation::CreateSession.scope()));
        };
        let loadout_id = LoadoutId(body.loadout_id);
        let loadout = owned::loadout(live, workspace, loadout_id)?;
        if !access::reaches_loadout(live, caller.0.caller, loadout_id) {
            return Err(Problem::denied(Denial::OutsideNarrowing, ""));
        }
        let grant = Grant {
            workspace_id: workspace,
            user_id,
            made_with: MadeWith::ApiKey(key),
            loadout_id,
            loadout_version: loadout.newest().ok_or(LoadoutError::Removed)?,
            verifier: token.verifier(&app.pepper),
            expires_at: access::lasts_until(live, caller.0, at + lasts),
            max_calls: body.max_calls,
            epoch: live.workspace(workspace).epoch(),
        };
        let session = view(&app.config, id, &grant, body.label.clone(), at);
        let label = body.label.as_deref().map(Private::from);
        let events = Session::default().decide(SessionCommand::Create { grant, label, at })?;
        let draft = Draft::new::<Session>(workspace.0, id.0, Expected::NoStream, &events)?;
        let answer = object(&SessionCreated { session, token: token.expose().to_owned() })?;
        Ok(Plan { drafts: vec![draft], answer, secret: Some("token") })
    };
    let operation = Operation::CreateSession;
    let done =
        app.commands.execute(caller.0, Some(workspace), operation, body.repeatable.as_ref(), plan).await?;
    Ok(written(StatusCode::CREATED, done))
}

fn view(
    config: &Config,
    id: SessionId,
    grant: &Grant,
    label: Option<String>,
    at: DateTime<Utc>,
) -> SessionView {
    SessionView {
        id: id.0,
        url: session_url(&config.public_url, id),
        label,
        status: State::OPEN.status,
        ended_because: State::OPEN.because,
        loadout_id: grant.loadout_id.0,
        loadout_version: grant.loadout_version,
        user_id: grant.user_id.0,
        max_calls: grant.max_calls,
        created_at: Time(at),
        expires_at: Time(grant.expires_at),
        revoked_at: None,
        reason: None,
    }
}

fn lasts(config: &Config, wanted: Option<u64>) -> Result<TimeDelta, Problem> {
    let most = config.session_max_expires_in;
    let seconds = wanted.map_or(config.session_default_expires_in.min(most), Duration::from_secs);
    let fits = !seconds.is_zero() && seconds <= most;
    let lasts = TimeDelta::from_std(seconds).ok().filter(|_| fits);
    lasts.ok_or_else(|| {
        let detail = format!("`expires_in` must be 1 to {} seconds.", most.as_secs());
        Problem::bad_request("session.expires_in", detail)
    })
}
