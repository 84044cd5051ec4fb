//! Taking a tool server in.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use tollbook_aggregates::access::{Operation, Standing};
use tollbook_aggregates::{
    Authorization, Private, SecretRef, ToolServer, ToolServerCommand, ToolServerId, WorkspaceId,
};
use tollbook_journal::Expected;
use url::Url;
use utoipa::PartialSchema;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};
use zeroize::Zeroizing;

use super::super::body::{Body, Ids};
use super::super::refusals::WriteRefusals;
use super::super::strict::Strict;
use super::super::time::Time;
use super::super::written::{Written, object, written};
use super::{ToolServerStatus, ToolServerView, header};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::book::Draft;
use crate::calls::header_belongs_to;
use crate::clock::Clock;
use crate::commands::Plan;
use crate::problem::Problem;

/// The longest address, in bytes.
const URL_MAX: usize = 2_048;

/// A tool server to be taken in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToolServer {
    /// 1 to 100 characters, no control characters.
    #[schema(min_length = 1, max_length = 100, examples("Wiki"))]
    name: String,
    /// Its MCP endpoint, `https:` (or `http:` where the operator allows private addresses).
    #[schema(required, value_type = String, examples("https://tools.example/mcp"))]
    url: Option<String>,
    /// How calls to it are authorized; not at all, when absent.
    #[schema(value_type = Option<NewAuth>)]
    auth: Option<Strict<NewAuth>>,
    #[serde(default)]
    #[schema(ignore)]
    provider: Option<IgnoredAny>,
    #[serde(default)]
    #[schema(ignore)]
    command: Option<IgnoredAny>,
}

/// How calls to a tool server are to be authorized.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum NewAuth {
    None(NoAuth),
    Header(HeaderAuth),
    /// Refused by name, so that nobody looks for a typo.
    Oauth(IgnoredAny),
}

/// Not at all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NoAuth {}

/// By a fixed header.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HeaderAuth {
    /// Such as `authorization`. Not one that is ours to write, such as `host`.
    name: String,
    /// Sealed for the server's origin, and never shown again.
    #[schema(value_type = String, format = Password)]
    value: SecretText,
}

/// A text that is wiped when it is dropped and never printed.
struct SecretText(Zeroizing<String>);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretText(…)")
    }
}

/// Registers an MCP server by its URL. It isn't asked anything yet: `refresh-tools` does that.
#[utoipa::path(tag = "tool servers", operation_id = "register_tool_server", request_body = NewToolServer,
    responses((status = CREATED, body = Written<ToolServerView>), WriteRefusals))]
#[post("/v1/workspaces/{workspace_id}/tool-servers")]
pub(super) async fn register(
    app: Data<App>,
    caller: Authenticated,
    Ids(workspace): Ids<WorkspaceId>,
    body: Body<NewToolServer>,
) -> Result<HttpResponse, Problem> {
    let operation = Operation::ManageToolServers;
    app.commands.allow(caller.0, Some(workspace), operation).await?;
    let url = address(&app, &body)?;
    let header = wanted_header(body.auth.as_deref())?;
    let id: ToolServerId = Clock::fresh_id();
    let authorization = match header {
        None => Authorization::None,
        // Kept before the event that names it: a secret that no event names is harmless.
        Some((name, value)) => keep(&app, workspace, &url, name, value).await?,
    };
    let plan = |_: &Live, _: Standing, at: DateTime<Utc>| {
        let command = ToolServerCommand::Register {
            workspace_id: workspace,
            name: Private::from(body.name.as_str()),
            url: Private::from(url.as_str()),
            authorization: authorization.clone(),
        };
        let events = ToolServer::default().decide(command)?;
        let draft = Draft::new::<ToolServer>(workspace.0, id.0, Expected::NoStream, &events)?;
        let answer = object(&ToolServerView {
            id: id.0,
            name: Some(body.name.clone()),
            url: Some(url.to_string()),
            auth: authorization.clone().into(),
            status: ToolServerStatus::Live,
            tool_count: 0,
            tools_changed_at: None,
            created_at: Time(at),
            removed_at: None,
        })?;
        Ok(Plan { drafts: vec![draft], answer, secret: None })
    };
    let done =
        app.commands.execute(caller.0, Some(workspace), operation, body.repeatable.as_ref(), plan).await;
    if let Authorization::Header { secret, .. } = &authorization {
        forget_unused(&app, *secret, id, &done).await;
    }
    done.map(|done| written(StatusCode::CREATED, done))
}

/// Destroys a secret that surely no event names: the request was refused, or was a repetition. When it
/// isn't known whether the event was written, the secret stays.
async fn forget_unused(
    app: &App,
    secret: SecretRef,
    id: ToolServerId,
    done: &Result<crate::commands::Done, Problem>,
) {
    let unused = match done {
        Ok(done) => {
            done.answer.get("id").and_then(serde_json::Value::as_str) != Some(id.to_string().as_str())
        }
        Err(problem) => problem.status_code().is_client_error(),
    };
    if unused && let Err(error) = app.keys.destroy_secret(secret).await {
        tracing::warn!(%error, "a secret that nothing names could not be destroyed");
    }
}

fn address(app: &App, body: &NewToolServer) -> Result<Url, Problem> {
    let unsupported = [("provider", body.provider.is_some()), ("command", body.command.is_some())];
    if let Some((name, _)) = unsupported.into_iter().find(|(_, given)| *given) {
        let detail = format!("Registering by `{name}` is not supported by this version: give a `url`.");
        return Err(Problem::bad_request("tool_server.not_supported", detail));
    }
    let url = body.url.as_deref();
    let url = url.ok_or_else(|| Problem::bad_request("body.malformed", "missing field `url`."))?;
    if url.len() > URL_MAX {
        let detail = format!("`url` must have at most {URL_MAX} bytes.");
        return Err(Problem::bad_request("tool_server.url", detail));
    }
    app.outbound.check_url(url).map_err(|refused| {
        Problem::bad_request("tool_server.url", format!("`url` cannot be used: {refused}."))
    })
}

fn wanted_header(auth: Option<&NewAuth>) -> Result<Option<(String, &str)>, Problem> {
    match auth {
        None | Some(NewAuth::None(NoAuth {})) => Ok(None),
        Some(NewAuth::Header(auth)) => Ok(Some((header::name(&auth.name)?, header::value(&auth.value.0)?))),
        Some(NewAuth::Oauth(_)) => {
            let detail = "`auth.kind`: `oauth` is not supported by this version: use `none` or `header`.";
            Err(Problem::bad_request("tool_server.not_supported", detail))
        }
    }
}

async fn keep(
    app: &App,
    workspace: WorkspaceId,
    url: &Url,
    name: String,
    value: &str,
) -> Result<Authorization, Problem> {
    let secret = SecretRef { secret_id: Clock::fresh_id(), version: 1 };
    let origin = url.origin().ascii_serialization();
    let belongs = header_belongs_to(workspace, secret, &name, &origin);
    let sealed = app.vault.seal(&belongs, value.as_bytes()).await?;
    app.keys.keep(workspace, secret, &sealed).await?;
    Ok(Authorization::Header { name, secret })
}

/// The schema that the derive can't make of newtype variants with a tag: each kind says its name.
impl PartialSchema for NewAuth {
    fn schema() -> RefOr<Schema> {
        super::super::schemas::tagged("kind", &[("none", NoAuth::schema()), ("header", HeaderAuth::schema())])
    }
}

impl ToSchema for NewAuth {}
