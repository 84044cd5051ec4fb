//! Who looks at a page: somebody who has signed in, or a browser in which nobody has.
//!
//! A page is never shown on an old state: what was ended a moment ago on another replica is ended here.

use actix_web::cookie::Cookie;
use actix_web::dev::Payload;
use actix_web::http::header::HeaderName;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures::future::LocalBoxFuture;
use tollbook_aggregates::access::Caller;
use tollbook_aggregates::{SignInId, UserId};
use zeroize::Zeroizing;

use super::cookies::Cookies;
use super::names;
use super::refusal::Refusal;
use crate::app::App;
use crate::authn;
use crate::credential::Credential;
use crate::limits::Subject;
use crate::problem::Problem;

/// Of the value in the visit's cookie.
const VISIT_BYTES: usize = 32;
/// What htmx sends when it asks for a part of a page.
const PART: HeaderName = HeaderName::from_static("hx-request");

/// Whoever looks at a page.
#[derive(Clone)]
pub(super) struct Visitor {
    signed_in: Option<SignedIn>,
    csrf_token: String,
    new_cookie: Option<Cookie<'static>>,
    /// Did the browser have the cookie of a sign-in that is over?
    had_signed_in: bool,
    part: bool,
}

/// Somebody who has signed in.
#[derive(Debug, Clone)]
pub(super) struct SignedIn {
    /// By which sign-in.
    pub(super) id: SignInId,
    /// Who.
    pub(super) user_id: UserId,
    /// How they are called.
    pub(super) name: String,
}

impl SignedIn {
    /// As decisions know them.
    pub(super) const fn caller(&self) -> Caller {
        Caller::SignIn(self.id)
    }
}

impl Visitor {
    /// Who sent this request; found out once.
    ///
    /// # Errors
    /// When that can't be found out for now, or they ask too much.
    pub(super) async fn of(request: &HttpRequest, app: &App) -> Result<Self, Problem> {
        if let Some(known) = Self::known(request) {
            return Ok(known);
        }
        let visitor = Self::find(request, app).await?;
        if let Some(SignedIn { user_id, .. }) = visitor.signed_in {
            let subject = Subject { user: Some(user_id.0), ..Subject::default() };
            app.allowances.admit(subject).map_err(Problem::too_many)?;
        }
        request.extensions_mut().insert(visitor.clone());
        Ok(visitor)
    }

    /// Who sent this request, if that was found out already.
    pub(super) fn known(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    async fn find(request: &HttpRequest, app: &App) -> Result<Self, Problem> {
        let cookies = Cookies::of(&app.config.public_url);
        let part = request.headers().contains_key(PART);
        let kept = request.cookie(&cookies.sign_in());
        if let Some(cookie) = &kept
            && let Some((credential, signed_in)) = signed_in(app, cookie.value()).await?
        {
            let csrf_token = token(app, credential.expose());
            let signed_in = Some(signed_in);
            return Ok(Self { signed_in, csrf_token, new_cookie: None, had_signed_in: false, part });
        }
        let (visit, new_cookie) = visit(request, app, &cookies)?;
        let (csrf_token, had_signed_in) = (token(app, &visit), kept.is_some());
        Ok(Self { signed_in: None, csrf_token, new_cookie, had_signed_in, part })
    }

    /// Who is signed in, if anybody is.
    pub(super) const fn signed_in(&self) -> Option<&SignedIn> {
        self.signed_in.as_ref()
    }

    /// Who is signed in; else the page that says how.
    ///
    /// # Errors
    /// When nobody is.
    pub(super) fn person(&self) -> Result<&SignedIn, Refusal> {
        self.signed_in.as_ref().ok_or_else(|| self.sign_in_first())
    }

    /// The way to the page that says how to sign in.
    pub(super) const fn sign_in_first(&self) -> Refusal {
        Refusal::SignIn { part: self.part }
    }

    /// Is it somebody whose sign-in ended while a page of theirs was open?
    pub(super) const fn had_signed_in(&self) -> bool {
        self.had_signed_in
    }

    /// Is it a part of a page that is asked for?
    pub(super) const fn wants_part(&self) -> bool {
        self.part
    }

    /// What forms shown to this visitor carry: made from their cookie, under a key of ours.
    pub(super) fn csrf_token(&self) -> String {
        self.csrf_token.clone()
    }

    /// What the browser is to keep, if it has nothing of ours yet.
    pub(super) fn new_cookie(&self) -> Option<Cookie<'static>> {
        self.new_cookie.clone()
    }
}

/// Whose cookie it is, if it is in force.
async fn signed_in(app: &App, cookie: &str) -> Result<Option<(Credential, SignedIn)>, Problem> {
    let Ok(credential) = Credential::parse(cookie) else { return Ok(None) };
    let known = authn::signed_in(app, &credential).await?;
    let Some((id, user_id)) = known else { return Ok(None) };
    let name = names::person(app, user_id).await?;
    Ok(Some((credential, SignedIn { id, user_id, name })))
}

/// The value that binds forms to a browser in which nobody has signed in, and its cookie, if it is new.
fn visit(
    request: &HttpRequest,
    app: &App,
    cookies: &Cookies,
) -> Result<(Zeroizing<String>, Option<Cookie<'static>>), Problem> {
    let kept = request.cookie(&cookies.visit()).map(|cookie| Zeroizing::new(cookie.value().to_owned()));
    if let Some(value) = kept.filter(|value| value.len() == 2 * VISIT_BYTES) {
        return Ok((value, None));
    }
    let mut bytes = Zeroizing::new([0; VISIT_BYTES]);
    app.random.fill(bytes.as_mut_slice()).map_err(|_| Problem::internal())?;
    let value = Zeroizing::new(hex::encode(bytes.as_slice()));
    let cookie = cookies.keep_visit(&value);
    Ok((value, Some(cookie)))
}

fn token(app: &App, cookie: &str) -> String {
    app.pepper.tag("console form", cookie.as_bytes()).to_hex()
}

impl FromRequest for Visitor {
    type Error = Refusal;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let app = request.app_data::<Data<App>>().cloned().ok_or_else(Problem::internal)?;
            Ok(Self::of(&request, &app).await?)
        })
    }
}
