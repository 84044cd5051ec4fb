//! How a command ends when it doesn't succeed: one line on standard error, and an exit code.

use std::process::ExitCode;

use crate::app::StartError;
use crate::config::ConfigError;
use crate::problem::Problem;

use super::output::printable;

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NotSignedIn = 3,
    NotAllowed = 4,
}

/// Why a command didn't succeed.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    message: String,
    /// The problem's code, when the service answered with one.
    code: Option<String>,
    /// Where the refusal stands in the book, when it was recorded.
    position: Option<u64>,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), code: None, position: None }
    }

    /// It was tried and didn't work.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// What was asked for can't be meant.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// There is no credential, or none that is in force.
    pub(super) fn not_signed_in(message: impl Into<String>) -> Self {
        Self::new(Exit::NotSignedIn, message)
    }

    /// The credential that there is isn't good for this.
    pub(super) fn not_allowed(message: impl Into<String>) -> Self {
        Self::new(Exit::NotAllowed, message)
    }

    /// Whoever read our output has gone away (`| head`): nothing to tell, and nobody to tell it to.
    pub(super) fn reader_gone() -> Self {
        Self::new(Exit::Done, "")
    }

    /// Is this the service's problem of that code?
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Where the refusal stands in the book, when it was recorded.
    pub(super) fn position(&self) -> Option<u64> {
        self.position
    }

    /// What the line on standard error says.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The same as a sentence, for a line that says more.
    pub(super) fn sentence(&self) -> String {
        let end = if self.message.ends_with(['.', ']', ')']) { "" } else { "." };
        format!("{}{end}", self.message)
    }

    /// One line on standard error.
    pub(super) fn report(&self) {
        if !self.message.is_empty() {
            super::output::note(&format!("error: {}", printable(&self.message)));
        }
    }

    /// For the shell.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let exit = match problem.status {
            401 => Exit::NotSignedIn,
            403 => Exit::NotAllowed,
            _ => Exit::Failed,
        };
        let wait = problem.wait();
        let mut message = problem.detail;
        let mut page = None;
        if let Some(remediation) = problem.remediation {
            page = remediation.url;
            message = format!("{message} {}", remediation.action);
            if let Some(command) = remediation.command {
                message = format!("{} `{command}`", message.trim_end_matches('.').to_owned() + ":");
            }
        }
        if let Some(url) = page {
            message = format!("{message} ({url})");
        }
        // Too many at once, or something that is missing for now.
        if let Some(wait) = wait {
            message = format!("{message} Try again in {} s.", wait.max(1));
        }
        // What an operator needs to find the cause in the log, where there was a request.
        if problem.status >= 500 && !problem.request_id.is_empty() {
            message = format!("{message} (request {})", problem.request_id);
        }
        let message = format!("{message} [{}]", problem.code);
        Self { exit, message, code: Some(problem.code), position: problem.position }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;

    use super::*;

    fn exit_of(status: StatusCode) -> Exit {
        Failure::from(Problem::new(status, "some.code", "Title", "Detail.")).exit
    }

    #[test]
    fn not_signed_in_and_not_allowed_have_exit_codes_of_their_own() {
        assert_eq!(exit_of(StatusCode::UNAUTHORIZED), Exit::NotSignedIn);
        assert_eq!(exit_of(StatusCode::FORBIDDEN), Exit::NotAllowed);
        assert_eq!(exit_of(StatusCode::NOT_FOUND), Exit::Failed);
        assert_eq!(exit_of(StatusCode::SERVICE_UNAVAILABLE), Exit::Failed);
    }

    #[test]
    fn a_problem_says_what_to_do() {
        let problem =
            Problem::new(StatusCode::FORBIDDEN, "session.ended", "Not allowed", "The session was revoked.")
                .remedy("Make a new session.", Some("tollbook session create --loadout L"));
        assert_eq!(
            Failure::from(problem).message,
            "The session was revoked. Make a new session: `tollbook session create --loadout L` [session.ended]"
        );
    }
}
