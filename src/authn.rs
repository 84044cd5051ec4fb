//! From a credential to its caller.
//!
//! Here is decided only whose credential it is: that the secret is right. Whether it is still in
//! force, and what it may do, is [`crate::authority`]'s and `access`' to say, at every decision.
//!
//! Junk never reaches a look-up (the CRC). A well-formed credential that isn't known, and one whose
//! secret is wrong, are treated the same: one coalesced read of the head, because it may be younger
//! than our state, and then one and the same 401.

use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::Uri;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::http::uri::PathAndQuery;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures::future::LocalBoxFuture;
use tollbook_aggregates::access::{self, Asker, Caller, World as _};
use tollbook_aggregates::{AuthenticationFailure, SignInId, UserId};
use url::form_urlencoded;

use crate::app::App;
use crate::authority::{Authority, Live};
use crate::credential::{Credential, Digest, Kind, Pepper};
use crate::limits::Subject;
use crate::problem::Problem;

/// How long an unknown credential may wait for the head.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whose credential a request came with; an extractor for handlers.
#[derive(Debug, Clone, Copy)]
pub struct Authenticated(pub Asker);

impl FromRequest for Authenticated {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let app = request.app_data::<Data<App>>().cloned();
        let presented = bearer(request.headers());
        let peer = request.peer_addr();
        let address = app.as_ref().map(|app| app.allowances.client(peer, request.headers()));
        Box::pin(async move {
            let (Some(app), Some(address)) = (app, address) else { return Err(Problem::internal()) };
            let turned_away = || app.allowances.may_authenticate(address).map_err(Problem::too_many);
            let asker = match presented {
                Ok(credential) => authenticate(&app.authority, &app.pepper, &credential, turned_away).await?,
                Err(problem) => return Err(turned_away().err().unwrap_or(problem)),
            };
            app.allowances.admit(subject(&app, asker.caller)).map_err(Problem::too_many)?;
            let asker = Asker { address: Some(address), ..asker };
            app.last_used.note(asker, app.clock.now());
            Ok(Self(asker))
        })
    }
}

/// Counts a request that was answered with a refusal of its credential, for the book; once each, around all
/// routes, wherever it was refused. A cookie of the console isn't one: that it ends is the ordinary course, and
/// leads to the page that says how to sign in.
///
/// What can be a guess counts against its address, too, which is turned away if it goes on. Not so that nothing
/// was sent: clients ask so to learn what they need. Nor the right secret of a credential that has ended: nobody
/// guesses that, the load that it makes is bounded by the credential's own limit, and one forgotten script must
/// not lock its whole office out.
pub fn count(app: &App, address: IpAddr, failure: AuthenticationFailure) {
    use AuthenticationFailure as Failure;
    match failure {
        Failure::Malformed | Failure::InQuery | Failure::Twice | Failure::Unknown | Failure::Link => {
            app.allowances.refused(address);
        }
        Failure::Missing | Failure::Revoked | Failure::Expired | Failure::Address => {}
    }
    app.strangers.refused(address, failure);
}

/// Whose allowances a caller takes from.
fn subject(app: &App, caller: Caller) -> Subject {
    match caller {
        Caller::ApiKey(id) => {
            let holder = |live: &Live| live.api_key(id).grant().map(|grant| grant.user_id.0);
            let user = if app.allowances.knows_users() { app.authority.look(holder) } else { None };
            Subject { key: Some(id.0), user, session: None }
        }
        Caller::Operator(id) => Subject { key: Some(id.0), ..Subject::default() },
        Caller::Session(id) => Subject { session: Some(id.0), ..Subject::default() },
        Caller::SignIn(id) => {
            let person = |live: &Live| live.sign_in(id).grant().map(|grant| grant.user_id.0);
            Subject { user: app.authority.look(person), ..Subject::default() }
        }
    }
}

/// Whose credential it is. The address is not known here. `may_look_further` is asked once it isn't one that this
/// replica knows already: whoever holds the right secret of one is never refused for what others at their address
/// do, and strangers cost no more than an HMAC.
///
/// # Errors
/// 401, the same for an unknown and for a wrong one.
pub async fn authenticate(
    authority: &Authority,
    pepper: &Pepper,
    credential: &Credential,
    may_look_further: impl FnOnce() -> Result<(), Problem>,
) -> Result<Asker, Problem> {
    let digest = credential.hmac(pepper);
    if let Some(asker) = authority.look(|live| verify(live, pepper, credential, &digest)) {
        return Ok(asker);
    }
    may_look_further()?;
    match credential.kind() {
        // It may have ended long ago, which whoever holds its token is told.
        Kind::Session => authority.acquaint_with_token(credential.id(), PATIENCE).await?,
        _ => authority.catch_up_with_head(PATIENCE).await?,
    }
    authority.look(|live| verify(live, pepper, credential, &digest)).ok_or_else(|| {
        Problem::unauthorized("credential.unknown", "This credential is not known here.", true)
            .failing(AuthenticationFailure::Unknown)
    })
}

/// Whose sign-in this cookie is, if it is in force: for the console alone, `/v1` never takes one. By a state that is
/// as new as the book: what was ended a moment ago on another replica is over here.
///
/// # Errors
/// When the book can't be reached.
pub async fn signed_in(app: &App, cookie: &Credential) -> Result<Option<(SignInId, UserId)>, Problem> {
    app.authority.catch_up_with_head(PATIENCE).await?;
    let (digest, at) = (cookie.hmac(&app.pepper), app.clock.now());
    let signed_in = app.authority.look(|live| match live.credential(cookie.id())? {
        (Caller::SignIn(id), _, verifier) if cookie.kind() == Kind::Web => {
            let right = Digest::from_bytes(verifier.hmac).matches(&digest);
            let right = right && verifier.pepper_id.as_str() == app.pepper.id();
            let grant = access::signed_in(live, id, at).ok().filter(|_| right)?;
            Some((id, grant.user_id))
        }
        _ => None,
    });
    if let Some((id, _)) = signed_in {
        app.last_used.note(Caller::SignIn(id).into(), at);
    }
    Ok(signed_in)
}

fn verify(live: &Live, pepper: &Pepper, credential: &Credential, digest: &Digest) -> Option<Asker> {
    let (caller, secret, verifier) = live.credential(credential.id())?;
    let kept = Digest::from_bytes(verifier.hmac);
    let right_kind = match caller {
        Caller::ApiKey(_) => credential.kind() == Kind::ApiKey,
        Caller::Session(_) => credential.kind() == Kind::Session,
        Caller::Operator(_) => credential.kind() == Kind::Operator,
        // A cookie is no bearer credential: only the console takes it.
        Caller::SignIn(_) => false,
    };
    (right_kind && verifier.pepper_id.as_str() == pepper.id() && kept.matches(digest)).then_some(Asker {
        caller,
        secret,
        address: None,
    })
}

/// The credential of `Authorization: Bearer` (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Result<Credential, Problem> {
    let mut values = headers.get_all(AUTHORIZATION);
    let value = values.next().ok_or_else(|| {
        Problem::unauthorized(
            "credential.missing",
            "This needs `Authorization: Bearer` and a credential.",
            false,
        )
        .failing(AuthenticationFailure::Missing)
    })?;
    if values.next().is_some() {
        let problem = Problem::bad_request("credential.twice", "There are two `Authorization` headers.");
        return Err(problem.failing(AuthenticationFailure::Twice));
    }
    let text = value.to_str().ok().and_then(|text| {
        let (scheme, rest) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim())
    });
    let text = text.ok_or_else(|| {
        Problem::unauthorized(
            "credential.scheme",
            "The `Authorization` header must be `Bearer` and a credential.",
            true,
        )
        .failing(AuthenticationFailure::Malformed)
    })?;
    Credential::parse(text).map_err(|_| {
        let detail = "The credential is malformed: it was mistyped, cut short, or is not one of ours.";
        Problem::unauthorized("credential.malformed", detail, true).failing(AuthenticationFailure::Malformed)
    })
}

/// Refuses a request with a credential in its URL, whatever is asked for there: it ends up in logs and histories, and
/// is refused even where it would be right.
///
/// # Errors
/// 400 when there is one; 429 for an address that does nothing but fail.
pub fn not_in_url(app: &App, address: IpAddr, url: &Uri) -> Result<(), Problem> {
    if !has_credential(url.path_and_query().map_or("", PathAndQuery::as_str)) {
        return Ok(());
    }
    app.allowances.may_authenticate(address).map_err(Problem::too_many)?;
    let detail =
        "A credential must not stand in a URL: it is compromised now; revoke it and send it as a header.";
    Err(Problem::bad_request("credential.in_query", detail).failing(AuthenticationFailure::InQuery))
}

/// Does one of ours stand in it, also in percent-encoding; or what OAuth calls one (RFC 6750, section 2.3)?
fn has_credential(url: &str) -> bool {
    const OURS: &str = "tbk_";
    let named = |(at, _): (usize, &str)| at == 0 || matches!(url.as_bytes().get(at - 1), Some(b'?' | b'&'));
    let encoded =
        || form_urlencoded::parse(url.as_bytes()).any(|(a, b)| a.contains(OURS) || b.contains(OURS));
    url.contains(OURS) || url.match_indices("access_token=").any(named) || (url.contains('%') && encoded())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credential_is_found_wherever_it_stands_in_a_url() {
        for url in [
            "/v1/workspaces?access_token=x",
            "/v1/workspaces?limit=2&access_token=x",
            "/v1/workspaces?tbk_key_0123456789AB",
            "/v1/workspaces?limit=2;key=tbk_key_0123456789AB",
            "/v1/workspaces?key=%74bk_key_0123456789AB",
            "/v1/workspaces?key=%74%62%6B%5Fkey_0123456789AB",
            "/v1/tbk%5fkey_0123456789AB",
            "/s/tbk_ses_0123456789AB/mcp",
        ] {
            assert!(has_credential(url), "{url}");
        }
        for url in
            ["/", "/v1/workspaces?limit=2", "/v1/x?tool=100%25", "/otl/0123456789AB", "/x?no_access_token=1"]
        {
            assert!(!has_credential(url), "{url}");
        }
    }
}
