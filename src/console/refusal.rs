//! What a person is shown when something is refused: the same problem that a program is told, as a page.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
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
    /// How long to wait.
    again: Option<String>,
    way_on: &'static str,
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
        let again = problem.wait().map(in_words);
        let page = ProblemPage { frame: Frame::bare("Refused"), problem, again, way_on: "Open" };
        let mut builder = answer(problem.status_code());
        for (name, value) in INSTEAD_OF_A_PART {
            builder.insert_header((HeaderName::from_static(name), HeaderValue::from_static(value)));
        }
        if let Some(seconds) = problem.wait() {
            builder.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        // A page that can't be rendered is a template of ours that is wrong: then the status says it alone.
        let mut response = html(builder, &page).unwrap_or_else(|_| HttpResponse::new(problem.status_code()));
        if let Some(failure) = problem.failure() {
            response.extensions_mut().insert(failure);
        }
        response
    }
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
