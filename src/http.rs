//! REST: one file a resource. Handlers parse, call one function, and map the result.

mod api_keys;
mod audit;
mod authorize;
mod body;
mod cursor;
mod erasure;
mod health;
mod invitations;
mod loadouts;
mod members;
mod one_time_links;
pub mod openapi;
mod operator;
mod operator_credentials;
mod operator_health;
mod owned;
mod problems;
mod refusals;
mod routes;
mod schemas;
mod sessions;
mod strict;
mod time;
mod tool_calls;
mod tool_servers;
mod views;
mod words;
mod workspaces;
mod written;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError as _};
use tollbook_aggregates::AuthenticationFailure;
use tollbook_journal::Position;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use crate::app::App;
use crate::authn;
use crate::clock::Clock;
use crate::problem::{Problem, REQUEST_ID};

pub use body::Limits;

/// The header that says where a write stands in the book.
const POSITION: HeaderName = HeaderName::from_static("tollbook-position");
/// The header that names the request.
const REQUEST: HeaderName = HeaderName::from_static("tollbook-request-id");

/// Every REST route.
pub fn configure(config: &mut ServiceConfig<'_>) {
    // Routes are tried in this order: the one that is asked most comes first.
    config
        .configure(authorize::configure)
        .service(health::alive)
        .service(health::ready)
        .configure(workspaces::configure)
        .configure(members::configure)
        .configure(invitations::configure)
        .configure(tool_servers::configure)
        .configure(loadouts::configure)
        .configure(sessions::configure)
        .configure(tool_calls::configure)
        .configure(api_keys::configure)
        .configure(audit::configure)
        .configure(operator::configure)
        .configure(operator_credentials::configure)
        .configure(erasure::configure)
        .service(operator_health::health);
}

/// What is asked for at a path that there isn't, or by a method that it hasn't.
pub fn unknown_route(request: &HttpRequest) -> HttpResponse {
    let (method, path) = (request.method().as_str(), request.path());
    let Some(allowed) = routes::allowed(path) else { return no_route(method, path).error_response() };
    let mut response = no_method(method, path).error_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

fn no_method(method: &str, path: &str) -> Problem {
    let detail = format!("{method} is not offered at {path}.");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method.not_allowed", "Method not allowed", detail)
}

fn no_route(method: &str, path: &str) -> Problem {
    let detail = format!("There is nothing at {method} {path}. `/docs` lists what there is.");
    Problem::new(StatusCode::NOT_FOUND, "route.unknown", "No such route", detail)
}

/// What asks whether the process lives: more often than an address that is limited may ask, and it costs nothing.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// HEAD is answered as GET is, without the body (RFC 9110, section 9.3.2). Not at a session's URL, which has no GET
/// but a stream.
fn ask_as_get(request: &mut ServiceRequest) {
    if request.method() == Method::HEAD && !request.path().starts_with("/s/") {
        request.head_mut().method = Method::GET;
    }
}

/// Around every request: gives it an id, makes a problem of whatever refusal isn't one yet, and has refused
/// credentials counted.
///
/// # Errors
/// Never: errors become answers here.
pub async fn edge(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = Clock::fresh_id::<Uuid>().to_string();
    let (method, path) = (request.method().clone(), request.path().to_owned());
    ask_as_get(&mut request);
    let app = request.app_data::<Data<App>>().cloned();
    let open = app.as_ref().map(|app| app.calls.open().token());
    REQUEST_ID
        .scope(id.clone(), async move {
            let from = app.as_ref().map(|app| {
                let address = app.allowances.client(request.peer_addr(), request.headers());
                (app, address)
            });
            let refused = from.and_then(|(app, address)| {
                let probe = PROBES.contains(&path.as_str());
                let let_in = if probe { Ok(()) } else { app.allowances.request(address) };
                let let_in = let_in.map_err(Problem::too_many);
                let_in.and_then(|()| authn::not_in_url(app, address, request.uri())).err()
            });
            let mut response = match refused {
                Some(problem) => {
                    let told = told(request.request(), &problem);
                    request.into_response(told)
                }
                None => next.call(request).await?.map_into_boxed_body(),
            };
            let failure = response.response().extensions().get::<AuthenticationFailure>().copied();
            if let (Some((app, address)), Some(failure)) = (from, failure) {
                authn::count(app, address, failure);
            }
            if let Some(problem) = refusal(response.response(), method.as_str(), &path) {
                let told = told(response.request(), &problem);
                response = response.into_response(told);
            }
            if let Ok(value) = HeaderValue::from_str(&id) {
                response.headers_mut().insert(REQUEST, value);
            }
            openapi::guard(&path, response.headers_mut());
            if app.as_ref().is_some_and(|app| app.draining.is_cancelled()) {
                response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
            }
            drop(open);
            Ok(response)
        })
        .await
}

/// How a person's browser is told what a program is told in JSON, if it is one that asks: REST knows no pages.
pub struct Pages(pub fn(&HttpRequest, &Problem) -> Option<HttpResponse>);

fn told(request: &HttpRequest, problem: &Problem) -> HttpResponse {
    let page = request.app_data::<Pages>().and_then(|Pages(page)| page(request, problem));
    page.unwrap_or_else(|| problem.error_response())
}

/// Actix's own refusals have no body, or one in plain text.
fn refusal(response: &HttpResponse, method: &str, path: &str) -> Option<Problem> {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let ours = ["json", "event-stream", "text/html"];
    let structured = kind.is_some_and(|kind| ours.iter().any(|ours| kind.contains(ours)));
    if structured || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    Some(match status {
        StatusCode::NOT_FOUND => no_route(method, path),
        StatusCode::METHOD_NOT_ALLOWED => no_method(method, path),
        status if status.is_client_error() => {
            let title = status.canonical_reason().unwrap_or("The request is not valid");
            Problem::new(status, "request.invalid", title, "The request is not one that can be read.")
        }
        _ => Problem::internal(),
    })
}

/// The header `Tollbook-Position`.
fn position_header(position: Position) -> (HeaderName, HeaderValue) {
    (POSITION, HeaderValue::from(position.0))
}
