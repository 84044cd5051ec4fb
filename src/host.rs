//! What commands on the same machine ask of a running service: the book is open in one process only.
//!
//! Not part of the REST interface, and not in its description. Who asks has to hold the credential that
//! this start of the service made and wrote where only those can read it who could read its keys; and
//! has to come from this machine. To everybody else, there is nothing here.

use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL};
use actix_web::web::{Data, Json, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, get, post};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use tollbook_journal::examine::Extent;
use zeroize::Zeroizing;

use crate::app::App;
use crate::clock::rfc3339;
use crate::doctor::{Finding, Report};
use crate::founding::{self, Bootstrapped};
use crate::links;
use crate::problem::Problem;

/// The routes.
pub fn configure(config: &mut ServiceConfig) {
    config.service(status).service(bootstrap).service(user_link).service(operator).service(doctor);
    config.service(service);
}

/// A service that is the one it is taken for.
#[derive(Debug, Serialize)]
struct Status {
    /// Its process.
    pid: u32,
}

/// Whoever gets an answer knows that the service of this data directory is there: a port may have
/// changed hands, a process id too.
#[get("/host/status")]
async fn status(app: Data<App>, request: HttpRequest) -> Result<Json<Status>, Problem> {
    admit(&app, &request)?;
    Ok(Json(Status { pid: std::process::id() }))
}

/// The first of everything is to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Founding {
    /// How the first owner is called.
    user: String,
    /// How their workspace is called.
    workspace: String,
}

/// The first of everything, as it is shown once.
#[derive(Serialize)]
pub struct Founded {
    /// The first workspace.
    pub workspace_id: String,
    /// Its owner.
    pub user_id: String,
    /// The owner's key.
    pub api_key: String,
    /// The first operator's credential.
    pub operator_key: String,
}

impl From<Bootstrapped> for Founded {
    fn from(made: Bootstrapped) -> Self {
        Self {
            workspace_id: made.workspace_id.to_string(),
            user_id: made.user_id.to_string(),
            api_key: made.api_key.expose().to_owned(),
            operator_key: made.operator_key.expose().to_owned(),
        }
    }
}

#[post("/host/bootstrap")]
async fn bootstrap(
    app: Data<App>,
    request: HttpRequest,
    founding: Json<Founding>,
) -> Result<HttpResponse, Problem> {
    admit(&app, &request)?;
    let made = founding::bootstrap(&app, &founding.user, &founding.workspace).await?;
    Ok(HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(Founded::from(made)))
}

/// Somebody is to sign in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SigningIn {
    /// How they are called, or their id.
    user: String,
}

/// A link with which somebody signs in, as it is shown once.
#[derive(Serialize)]
pub struct SignInLink {
    /// Who.
    pub user_id: String,
    /// The link.
    pub one_time_url: String,
    /// The first moment at which it is no longer good.
    pub expires_at: String,
}

/// Makes a link with which this person signs in, by their name or id.
///
/// # Errors
/// When nobody is meant by it, or several are.
pub async fn sign_in_link(app: &App, user: &str) -> Result<SignInLink, Problem> {
    let made = links::sign_in_link(app, links::called(app, user).await?).await?;
    let (user_id, expires_at) = (made.user_id.to_string(), rfc3339(made.expires_at));
    Ok(SignInLink { user_id, one_time_url: made.url, expires_at })
}

#[post("/host/user-link")]
async fn user_link(
    app: Data<App>,
    request: HttpRequest,
    signing_in: Json<SigningIn>,
) -> Result<HttpResponse, Problem> {
    admit(&app, &request)?;
    let made = sign_in_link(&app, &signing_in.user).await?;
    Ok(HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(made))
}

/// An operator's credential is to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operating {
    /// Whose or what for.
    label: String,
}

/// An operator's credential, as it is shown once.
#[derive(Serialize)]
pub struct OperatorKey {
    /// Its id.
    pub id: String,
    /// Whose or what for.
    pub label: String,
    /// Its secret.
    pub key: String,
    /// What of that may be shown again.
    pub prefix: String,
}

/// Makes another operator's credential, for when the last one is lost.
///
/// # Errors
/// On a book that nobody has founded, and when the label doesn't fit.
pub async fn operator_credential(app: &App, label: &str) -> Result<OperatorKey, Problem> {
    let (id, key) = founding::another_operator(app, label).await?;
    let prefix = key.display_prefix().to_owned();
    Ok(OperatorKey { id: id.to_string(), label: label.to_owned(), key: key.expose().to_owned(), prefix })
}

#[post("/host/operator-credential")]
async fn operator(
    app: Data<App>,
    request: HttpRequest,
    operating: Json<Operating>,
) -> Result<HttpResponse, Problem> {
    admit(&app, &request)?;
    let made = operator_credential(&app, &operating.label).await?;
    Ok(HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(made))
}

/// How much is to be looked at.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Depth {
    /// All of it, however long it takes.
    #[serde(default)]
    deep: bool,
}

/// On `SQLite` the book is this process's: it is examined from in here.
#[get("/host/doctor")]
async fn doctor(app: Data<App>, request: HttpRequest, depth: Query<Depth>) -> Result<Json<Report>, Problem> {
    admit(&app, &request)?;
    let extent = if depth.deep { Extent::Deep } else { Extent::Usual };
    Ok(Json(app.doctor.examine(extent).await))
}

/// What only this process knows: its live state.
#[get("/host/service")]
async fn service(app: Data<App>, request: HttpRequest) -> Result<Json<Option<Finding>>, Problem> {
    admit(&app, &request)?;
    Ok(Json(app.doctor.service()))
}

/// Lets in who holds the host credential and comes from this machine.
fn admit(app: &App, request: &HttpRequest) -> Result<(), Problem> {
    let expected = Zeroizing::new(format!("Bearer {}", app.host_key.as_str()));
    let presented = request.headers().get(AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
    let known: bool = presented.ct_eq(expected.as_bytes()).into();
    if known && is_local(request) { Ok(()) } else { Err(Problem::not_found("route")) }
}

/// Does the request come from this machine? By the connection, never by a header; a service that
/// listens on one address of the machine only is spoken to from that address.
fn is_local(request: &HttpRequest) -> bool {
    let own = request.app_config().local_addr().ip();
    request.peer_addr().is_some_and(|peer| peer.ip().is_loopback() || peer.ip() == own)
}
