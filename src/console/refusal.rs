//! What a person is shown when something is refused: the same problem that a program is told, as a page.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use askama::Template;

use super::page::{Frame, answer, html, see_other};
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
    way_on: &'static str,
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
        let problem = match self {
            Self::Problem(problem) => problem,
            Self::SignIn { part: false } => return see_other("/sign-in").finish(),
            // A redirect would be followed for the part: htmx's header leads the whole page there.
            Self::SignIn { part: true } => {
                return answer(StatusCode::UNAUTHORIZED)
                    .insert_header(("hx-redirect", "/sign-in"))
                    .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
                    .finish();
            }
        };
        let page = ProblemPage { frame: Frame::bare("Refused"), problem, way_on: "Open" };
        let mut builder = answer(problem.status_code());
        for (name, value) in INSTEAD_OF_A_PART {
            builder.insert_header((HeaderName::from_static(name), HeaderValue::from_static(value)));
        }
        if let Some(after) = problem.wait() {
            builder.insert_header(("retry-after", after.as_secs().max(1).to_string()));
        }
        // A page that can't be rendered is a template of ours that is wrong: then the status says it alone.
        html(builder, &page).unwrap_or_else(|_| HttpResponse::new(problem.status_code()))
    }
}
