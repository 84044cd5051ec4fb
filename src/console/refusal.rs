//! What a person is shown when something is refused: the same problem that a program is told, as a page.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError};
use askama::Template;

use super::page::{Frame, answer, html, see_other};
use super::visitor::Visitor;
use crate::app::App;
use crate::problem::Problem;

/// Why a page isn't shown.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Something is wrong.
    Problem(Box<Problem>),
    /// Nobody is signed in: the page that says how.
    SignIn {
        /// Was only a part of a page asked for?
        part: bool,
    },
}

impl<P: Into<Problem>> From<P> for Refusal {
    fn from(problem: P) -> Self {
        Self::Problem(Box::new(problem.into()))
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Problem(problem) => problem.fmt(formatter),
            Self::SignIn { .. } => formatter.write_str("nobody is signed in"),
        }
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    frame: Frame,
    problem: &'a Problem,
    /// Is the form for a whole link what helps? It needs a visitor, whose forms can be sent.
    pastes: bool,
    /// Who is signed in, where somebody else should be.
    wrong_person: Option<String>,
    /// How long to wait.
    again: Option<String>,
}

/// So many seconds, for a person; never too few.
fn in_words(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..=90 => (seconds, "second"),
        91..=5400 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3600), "hour"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Where a part of a page was asked for, the whole of it is replaced (htmx's response headers).
const INSTEAD_OF_A_PART: [(&str, &str); 3] =
    [("hx-retarget", "#main"), ("hx-reselect", "#main"), ("hx-reswap", "outerHTML")];

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Problem(problem) => problem.status_code(),
            Self::SignIn { part: false } => StatusCode::SEE_OTHER,
            Self::SignIn { part: true } => StatusCode::UNAUTHORIZED,
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Problem(problem) => page(problem, Frame::bare(problem.title.clone()), None),
            Self::SignIn { part: false } => see_other("/sign-in").finish(),
            // A redirect would be followed for the part: htmx's header leads the whole page there.
            Self::SignIn { part: true } => answer(StatusCode::UNAUTHORIZED)
                .insert_header(("hx-redirect", "/sign-in"))
                .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
                .finish(),
        }
    }
}

/// Around every page: a refusal stands in the frame of whoever asks, as every page does.
///
/// # Errors
/// As what it is around.
pub(super) async fn for_whoever_asks(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    let page = match response.response().error().and_then(|error| error.as_error()) {
        Some(Refusal::Problem(problem)) => theirs(response.request(), problem).await,
        Some(Refusal::SignIn { .. }) | None => None,
    };
    Ok(match page {
        Some(page) => response.into_response(page),
        None => response,
    })
}

/// The page for whoever asks; none where they can't be looked up, or aren't to be, because they ask too much.
async fn theirs(request: &HttpRequest, problem: &Problem) -> Option<HttpResponse> {
    let visitor = if problem.status_code() == StatusCode::TOO_MANY_REQUESTS {
        Visitor::known(request)?
    } else {
        Visitor::of(request, request.app_data::<Data<App>>()?).await.ok()?
    };
    let mut frame = Frame::new(problem.title.clone(), &visitor);
    if *request.method() == Method::POST {
        frame = frame.standing_for(instead_of(request.path()));
    }
    Some(page(problem, frame, Some(&visitor)))
}

/// The page to come back to in place of what a form was sent to.
fn instead_of(path: &str) -> String {
    let mut parts = path.split('/').skip(1);
    match (parts.next(), parts.next()) {
        (Some("otl"), Some(id)) => format!("/otl/{id}"),
        (Some("workspaces"), _) => "/keys".to_owned(),
        (Some("sign-ins"), _) => "/sign-ins".to_owned(),
        _ => "/".to_owned(),
    }
}

fn page(problem: &Problem, frame: Frame, visitor: Option<&Visitor>) -> HttpResponse {
    let wrong_person = frame.person.clone().filter(|_| problem.code == "link.another_person");
    let pastes = visitor.is_some() && problem.code == "link.malformed";
    let again = problem.wait().map(in_words);
    let page = ProblemPage { frame, problem, pastes, wrong_person, again };
    let mut builder = answer(problem.status_code());
    for (name, value) in INSTEAD_OF_A_PART {
        builder.insert_header((HeaderName::from_static(name), HeaderValue::from_static(value)));
    }
    for field in problem.pacing() {
        builder.insert_header(field);
    }
    if let Some(cookie) = visitor.and_then(Visitor::new_cookie) {
        builder.cookie(cookie);
    }
    // A page that can't be rendered is a template of ours that is wrong: then the status says it alone.
    let mut response = html(builder, &page).unwrap_or_else(|_| HttpResponse::new(problem.status_code()));
    if let Some(failure) = problem.failure() {
        response.extensions_mut().insert(failure);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn nobody_is_told_to_come_back_too_early() {
        for (seconds, words) in
            [(1, "1 second"), (90, "90 seconds"), (91, "2 minutes"), (180, "3 minutes"), (5401, "2 hours")]
        {
            assert_eq!(in_words(seconds), words);
        }
    }
}
