//! The description of the REST interface (`OpenAPI` 3.1): generated from the handlers, committed as
//! `openapi/tollbook.json`, served at `/openapi.json`, readable at `/docs`.

mod complete;
#[cfg(test)]
mod tests;

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App as Actix, HttpResponse};
use utoipa::Modify;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_actix_web::AppExt as _;
use utoipa_swagger_ui::SwaggerUi;

use crate::problem::Problem;
use complete::complete;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tollbook",
        description = "Sessions on loadouts of tools: every tool call decided, recorded in a book that can be proved, and only then forwarded.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem)),
    security(("bearer" = [])),
    modifiers(&Bearer),
    tags(
        (name = "workspaces", description = "Tenants and their names"),
        (name = "members", description = "Who is in a workspace and as what, and invitations"),
        (name = "tool servers", description = "MCP servers, how they are authorized, and their tools"),
        (name = "loadouts", description = "Versioned selections of tools, each pinned to its definition"),
        (name = "sessions", description = "The right to call the tools of one loadout until it expires or is revoked"),
        (name = "tool calls", description = "Calling a session's tools, and what became of calls"),
        (name = "api keys", description = "Long-lived credentials of members"),
        (name = "audit", description = "The book, as a workspace may read it"),
        (name = "operator", description = "For who looks after the instance: the operator's credential only"),
        (name = "health", description = "Is the service there, and has it caught up?")
    )
)]
struct About;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some(
            "An API key (`tbk_key_…`), an operator's credential (`tbk_opr_…`) or, to call tools, a session's token (`tbk_ses_…`)"
                .to_owned(),
        );
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// What the document says before its paths.
pub fn about() -> Document {
    About::openapi()
}

/// The whole document, without a service behind it.
pub fn document() -> Document {
    let app = Actix::new().into_utoipa_app().openapi(about()).configure(super::configure);
    let (_, document) = app.split_for_parts();
    complete(document)
}

/// For the page at `/docs`, which shares its origin with the console: nothing from elsewhere, in no frame. Its script
/// sets styles on elements.
const READER: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Adds what guards the page to an answer from below its path.
pub(super) fn guard(path: &str, headers: &mut HeaderMap) {
    if path.starts_with("/docs") {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(READER));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
}

/// The document and the page to read it.
pub fn serve(config: &mut ServiceConfig, document: Document) {
    let document = complete(document);
    let json = document.to_json().unwrap_or_default();
    let page = || async { HttpResponse::PermanentRedirect().insert_header(("location", "/docs/")).finish() };
    config
        .route(
            "/openapi.json",
            web::get().to(move || {
                let json = json.clone();
                async move { HttpResponse::Ok().content_type("application/json").body(json) }
            }),
        )
        .route("/docs", web::get().to(page))
        .service(SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", document));
}
