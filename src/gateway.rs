//! The session URL: MCP towards agents, in either era, on raw JSON-RPC.
//!
//! What an agent sends is read only as far as it must be checked and decided; what a tool server
//! answers is passed on as it was written, with the few members changed that the agent's era needs.
//! Nothing is forwarded here without a permit from [`crate::calls`]. Offered are tools and nothing
//! else for now; whatever else is asked for is refused as the specification says.

mod admission;
mod call;
mod conversations;
mod edge;
mod envelope;
mod listing;
mod methods;
mod render;
mod reply;
mod stream;

use actix_web::http::StatusCode;
use actix_web::http::header::ALLOW;
use actix_web::web::{self, Data, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use tollbook_aggregates::SessionId;
use tollbook_aggregates::access::Asker;

use crate::app::App;
use crate::problem::Problem;

pub use conversations::Conversations;

/// The route of the session URL. One `conversations` serves every worker of the process.
pub fn configure(config: &mut ServiceConfig, conversations: &Conversations) {
    let url = web::resource("/s/{session}/mcp").app_data(Data::new(conversations.clone()));
    config.service(url.route(web::post().to(answer)).default_service(web::to(not_offered)));
}

/// One message of an agent, on its way through here.
struct Context {
    app: Data<App>,
    conversations: Data<Conversations>,
    session: SessionId,
    caller: Asker,
    accepts: edge::Accepts,
}

async fn answer(
    request: HttpRequest,
    app: Data<App>,
    conversations: Data<Conversations>,
    path: Path<String>,
    payload: Payload,
) -> HttpResponse {
    match take(&request, app, conversations, &path, payload).await {
        Ok(response) => response,
        Err(problem) => problem.error_response(),
    }
}

async fn take(
    request: &HttpRequest,
    app: Data<App>,
    conversations: Data<Conversations>,
    path: &str,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    edge::same_site(request.headers(), &app.config.public_url)?;
    let session: SessionId = path.parse().map_err(|_| Problem::not_found("session"))?;
    let caller = admission::caller(request).await?;
    admission::admit(&app, caller, session).await?;
    let accepts = edge::Accepts::of(request.headers())?;
    edge::is_json(request.headers())?;
    let body = edge::body(payload, app.config.body_limit).await?;
    let context = Context { app, conversations, session, caller, accepts };
    Ok(match envelope::read(request.headers(), &body) {
        Ok(incoming) => methods::dispatch(&context, request, incoming).await,
        Err(rejection) => reply::rejected(&rejection),
    })
}

/// GET and DELETE belong to protocol sessions and listening streams, which aren't offered: 405, as
/// both eras say.
async fn not_offered() -> HttpResponse {
    let detail =
        "The session URL takes POST only: there is no stream to listen on, and no protocol session to end.";
    let problem =
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method.not_allowed", "Method not allowed", detail);
    let mut response = problem.error_response();
    response.headers_mut().insert(ALLOW, actix_web::http::header::HeaderValue::from_static("POST"));
    response
}
