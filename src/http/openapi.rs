//! The description of the REST interface (OpenAPI 3.1): generated from the handlers, committed as
//! `openapi/tollbook.json`, served at `/openapi.json`, readable at `/docs`.

#[cfg(test)]
mod tests;

use actix_web::web::{self, ServiceConfig};
use actix_web::{App as Actix, HttpResponse};
use utoipa::Modify;
use utoipa::OpenApi;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, RefOr, Required};
use utoipa_actix_web::AppExt as _;
use utoipa_swagger_ui::SwaggerUi;

use crate::problem::Problem;

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

/// Adds what all operations of a kind have in common: nobody can forget it there.
fn complete(mut document: Document) -> Document {
    for item in document.paths.paths.values_mut() {
        let PathItem { post, patch, delete, .. } = item;
        for operation in [&mut *post, patch, delete].into_iter().flatten() {
            answers_with_position(operation);
        }
        if let Some(operation) = post {
            takes_idempotency_key(operation);
        }
    }
    document
}

fn takes_idempotency_key(operation: &mut Operation) {
    let text = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).max_length(Some(255));
    let description = "Makes the request repeatable for a day: the same key and body are given the first answer, \
                       another body a 409. Scoped to caller and route.";
    let parameter = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(text.build()));
    operation.parameters.get_or_insert_default().push(RefOr::T(parameter.build()));
}

fn answers_with_position(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with('2')
        {
            response.headers.insert("Tollbook-Position".to_owned(), RefOr::T(position()));
        }
    }
}

fn position() -> Header {
    let number = ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer)).minimum(Some(0));
    HeaderBuilder::new()
        .schema(Some(number.build()))
        .description(Some(
            "Where the write stands in the book: `min_position` for reads that must include it.",
        ))
        .build()
}
