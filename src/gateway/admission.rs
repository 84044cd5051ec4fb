//! Who may speak on a session at all. Whether a tool may be called is decided in [`crate::calls`].

use actix_web::dev::Payload;
use actix_web::{FromRequest as _, HttpRequest};
use tollbook_aggregates::access::{self, Asker, Caller, Denial};
use tollbook_aggregates::{AuthenticationFailure, SessionId};

use crate::app::App;
use crate::authn::Authenticated;
use crate::problem::Problem;

/// What a caller needs here (RFC 6750, section 3.1).
pub(super) const SCOPE: &str = "tools:call";

/// Whose credential the request came with.
pub(super) async fn caller(request: &HttpRequest) -> Result<Asker, Problem> {
    Authenticated::from_request(request, &mut Payload::None).await.map(|Authenticated(caller)| caller)
}

/// Refuses whoever may not use the session now: 404 to strangers, 403 when it has ended. An ended
/// session is told from a call only there, where the refusal is recorded.
pub(super) async fn admit(app: &App, caller: Asker, session: SessionId) -> Result<(), Problem> {
    match standing(app, caller, session).await? {
        Err(Denial::NotFound) => Err(Problem::not_found("session")),
        Err(denial) if denial.ends_credential() || denial == Denial::AddressRefused => {
            Err(refused(caller, denial))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Refuses also when the session has ended.
pub(super) async fn admit_to_live(app: &App, caller: Asker, session: SessionId) -> Result<(), Problem> {
    match standing(app, caller, session).await? {
        Ok(()) => Ok(()),
        Err(Denial::NotFound) => Err(Problem::not_found("session")),
        Err(denial) => Err(refused(caller, denial)),
    }
}

/// What isn't recorded. A session's own token that is tried after its session has ended is a credential that has
/// ended, and is counted as one.
pub(super) fn refused(caller: Asker, denial: Denial) -> Problem {
    let problem = Problem::denied(denial, SCOPE);
    match (caller.caller, denial) {
        (Caller::Session(_), Denial::SessionRevoked) => problem.failing(AuthenticationFailure::Revoked),
        (Caller::Session(_), Denial::SessionExpired) => problem.failing(AuthenticationFailure::Expired),
        _ => problem,
    }
}

async fn standing(app: &App, caller: Asker, session: SessionId) -> Result<Result<(), Denial>, Problem> {
    app.authority.fresh().await?;
    let at = app.clock.now();
    let look = || app.authority.look(|live| access::use_session(live, caller, session, at).map(drop));
    match look() {
        // Our state may be older than the session, or the session have ended long ago.
        Err(Denial::NotFound) => {
            app.authority.acquaint(session, CATCH_UP).await?;
            Ok(look())
        }
        standing => Ok(standing),
    }
}

/// How long a session that isn't known may wait for the head.
const CATCH_UP: std::time::Duration = std::time::Duration::from_secs(2);
