//! What a client is told when something is refused (RFC 9457), and the one place where refusals are
//! mapped to it.
//!
//! Two audiences: a problem is for the client and never holds a secret, an upstream's words or the
//! database's; what an operator needs to know is logged where it is handled.

mod guidance;

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::{Deserialize, Serialize};
use tollbook_aggregates::AuthenticationFailure;
use tollbook_aggregates::access::{Denial, LinkRefused};
use tollbook_journal::{Position, ReadError};
use utoipa::ToSchema;

use crate::authority::NotCaughtUp;
use crate::book::ComposeError;
use crate::erasure::Undestroyed;
use crate::last_used;
use crate::limits::TooMany;
use crate::redaction::scrub_text;
use crate::reveal::RevealError;

tokio::task_local! {
    /// The id of the request that the current task answers.
    pub static REQUEST_ID: String;
}

/// The current request's id, or nothing outside of one.
pub fn request_id() -> String {
    REQUEST_ID.try_with(Clone::clone).unwrap_or_default()
}

/// A problem, as `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URN that names the kind of problem: `urn:tollbook:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every problem of this kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time.
    pub detail: String,
    /// Stable and for programs.
    pub code: String,
    /// Which request; name it when you report the problem.
    pub request_id: String,
    /// Where the refusal stands in the book, if it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// What a person can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<Remediation>,
    #[serde(skip)]
    #[schema(ignore)]
    headers: Box<Headers>,
}

/// What a person can do about a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Remediation {
    /// In words.
    pub action: String,
    /// A command to paste.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// A page to open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Remediation {
    /// In words alone.
    pub fn in_words(action: &str) -> Self {
        guidance::in_words(action)
    }
}

#[derive(Debug, Clone, Default)]
struct Headers {
    retry_after: Option<Duration>,
    challenge: Option<String>,
    limit: Option<TooMany>,
    /// How a credential failed; for whoever counts that, not for the client.
    failure: Option<AuthenticationFailure>,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(status: StatusCode, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:tollbook:problem:{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            // Some repeat what was asked for, and somebody may have asked with a secret in the wrong place.
            detail: scrub_text(&detail.into()).into_owned(),
            code: code.to_owned(),
            request_id: request_id(),
            position: None,
            remediation: None,
            headers: Box::default(),
        }
    }

    /// With what a person can do.
    #[must_use]
    pub fn remedy(mut self, action: &str, command: Option<&str>) -> Self {
        let command = command.map(ToOwned::to_owned);
        self.remediation = Some(Remediation { action: action.to_owned(), command, url: None });
        self
    }

    fn guided(mut self, remediation: Remediation) -> Self {
        self.remediation = Some(remediation);
        self
    }

    /// The caller may not, whoever they are; never without what a person can do about it.
    pub fn forbidden(code: &str, detail: impl Into<String>, remediation: Remediation) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, "Not allowed", detail).guided(remediation)
    }

    /// With its place in the book. What stands there isn't counted a second time.
    #[must_use]
    pub fn recorded_at(mut self, position: Position) -> Self {
        self.position = Some(position.0);
        self.headers.failure = None;
        self
    }

    /// Because a credential wouldn't do, in this way: [`crate::authn`] counts it.
    #[must_use]
    pub fn failing(mut self, failure: AuthenticationFailure) -> Self {
        self.headers.failure = Some(failure);
        self
    }

    /// With the time after which another try may be worth it (RFC 9110, section 10.2.3).
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.headers.retry_after = Some(after);
        self
    }

    /// The whole seconds after which another try may be worth it.
    pub fn wait(&self) -> Option<u64> {
        self.headers.retry_after.map(whole_seconds)
    }

    /// How a credential failed, if that is why.
    pub fn failure(&self) -> Option<AuthenticationFailure> {
        self.headers.failure
    }

    /// When another try may be worth it, and what the limit is, as header fields; whoever answers with this
    /// problem in another form sends them, too.
    pub fn pacing(&self) -> Vec<(HeaderName, String)> {
        let mut fields = Vec::new();
        if let Some(seconds) = self.wait() {
            fields.push((header::RETRY_AFTER, seconds.to_string()));
        }
        if let Some(TooMany { limit, rate, retry_after }) = self.headers.limit {
            let (quota, window) = (rate.count, rate.window.as_secs());
            let policy = format!("\"{limit}\";q={quota};w={window}");
            let left = format!("\"{limit}\";r=0;t={}", whole_seconds(retry_after));
            fields.push((HeaderName::from_static("ratelimit-policy"), policy));
            fields.push((HeaderName::from_static("ratelimit"), left));
        }
        fields
    }

    /// With a challenge (RFC 9110, section 11.6.1; RFC 6750, section 3; RFC 9728, section 5.1).
    #[must_use]
    pub fn challenge(mut self, challenge: String) -> Self {
        self.headers.challenge = Some(challenge);
        self
    }

    /// The status as actix knows it.
    pub fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What was sent can't be understood or isn't allowed; `code` such as `body.malformed`.
    pub fn bad_request(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, "The request is not valid", detail)
    }

    /// It isn't there, or it is somebody else's.
    pub fn not_found(what: &str) -> Self {
        let detail = format!("There is no such {what}, or it is not yours.");
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", detail)
    }

    fn absent(what: &str, _: String) -> Self {
        Self::not_found(what)
    }

    /// A one-time link that isn't redeemed; who can make another, whoever knows what it was for says better.
    fn no_good_link(status: StatusCode, code: &str, detail: &str) -> Self {
        let action = "Ask for another one: whoever sent you this link.";
        Self::new(status, code, "This link is not good", detail).remedy(action, None)
    }

    /// There is no such one-time link, or the secret is wrong: the two look the same.
    pub fn unknown_link() -> Self {
        let detail = "There is no such link: it was mistyped or cut, or is not one of ours.";
        Self::no_good_link(StatusCode::NOT_FOUND, "link.unknown", detail).failing(AuthenticationFailure::Link)
    }

    /// It doesn't fit what is there; `code` names the conflict.
    pub fn conflict(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, "The request conflicts with what is there", detail)
    }

    /// Something within can't be reached for now.
    pub fn unavailable(code: &str, detail: impl Into<String>, retry_after: Duration) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, "Not available for now", detail);
        problem.retry_after(retry_after)
    }

    /// More was asked than is allowed (RFC 6585, section 4; draft-ietf-httpapi-ratelimit-headers-10).
    pub fn too_many(limit: TooMany) -> Self {
        let detail = match limit.limit {
            "failures" => "Too many credentials from this address were refused.".to_owned(),
            "links" => "Too many of the one-time links that you tried are none.".to_owned(),
            whose => format!("Too many requests of this {whose}."),
        };
        let mut problem =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "limit.exceeded", "Too many requests", detail)
                .retry_after(limit.retry_after);
        problem.headers.limit = Some(limit);
        problem
    }

    /// Something that must not happen did; the cause has been logged.
    pub fn internal() -> Self {
        let detail = "Something went wrong on our side. The log has the cause under this request id.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }

    /// The credential is missing, unknown or no longer in force (RFC 6750, section 3).
    pub fn unauthorized(code: &str, detail: &str, presented: bool) -> Self {
        let challenge = if presented {
            r#"Bearer realm="tollbook", error="invalid_token""#
        } else {
            r#"Bearer realm="tollbook""#
        };
        Self::new(StatusCode::UNAUTHORIZED, code, "A valid credential is needed", detail)
            .challenge(challenge.to_owned())
            .guided(guidance::credential(code))
    }

    /// The caller may not (RFC 6750, section 3.1).
    pub fn insufficient_scope(scope: &str) -> Self {
        let detail = format!("This credential does not carry `{scope}`.");
        Self::forbidden("insufficient_scope", detail, guidance::scope(scope))
            .challenge(format!(r#"Bearer realm="tollbook", error="insufficient_scope", scope="{scope}""#))
    }

    /// Why something was refused; `scope` is what the caller would have needed.
    pub fn denied(denial: Denial, scope: &str) -> Self {
        use AuthenticationFailure::{Expired, Revoked};
        let forbidden = |code: &str, detail: &str| Self::forbidden(code, detail, guidance::denied(denial));
        let ended = |detail: &str| forbidden("session.ended", detail);
        let credential = |failure: AuthenticationFailure, detail: &str| {
            let code = format!("credential.{}", failure.as_str());
            Self::unauthorized(&code, detail, true).guided(guidance::denied(denial)).failing(failure)
        };
        match denial {
            Denial::NotFound => Self::not_found("resource"),
            Denial::CredentialRevoked => credential(Revoked, "This credential has been revoked."),
            Denial::CredentialExpired => credential(Expired, "This credential has expired."),
            Denial::SecretReplaced => {
                credential(Revoked, "This secret was ended: its credential has a newer one.")
            }
            Denial::SecretExpired => credential(
                Expired,
                "This secret has expired: its credential has a newer one, and the time for which both worked is over.",
            ),
            Denial::KeyReset => credential(
                Revoked,
                "This API key was reset: this secret was ended, and its next one comes by a one-time link.",
            ),
            Denial::FormerSecret => forbidden(
                "credential.former_secret",
                "This secret was replaced by a newer one of its credential. It is good for a while yet, but not for what would outlast it.",
            ),
            Denial::NotCovered => forbidden(
                "credential.narrowed",
                "No credential makes, rotates or resets one that carries more than itself, is wider, or lasts longer.",
            ),
            Denial::OwnKey => Self::conflict(
                "api_key.asks_itself",
                "This is the API key that asks: it would end at once, and with it the way to its next secret.",
            )
            .guided(guidance::denied(denial)),
            Denial::AnotherOperators => forbidden(
                "operator.anothers",
                "This is another operator's credential: its next secret is shown to nobody else.",
            ),
            Denial::AddressRefused => forbidden(
                "credential.address",
                "This credential, or the one that the session was made with, is not for this address.",
            )
            .failing(AuthenticationFailure::Address),
            Denial::RoleTooLow => Self::insufficient_scope(scope),
            Denial::OutsideNarrowing => forbidden(
                "credential.narrowed",
                "This credential, or the one that the session was made with, is narrowed to other tool servers or loadouts.",
            ),
            Denial::SessionRevoked => ended("The session was revoked."),
            Denial::SessionExpired => ended("The session has expired."),
            Denial::MakerCredentialRevoked => {
                ended("The credential that the session was made with is revoked.")
            }
            Denial::MakerCredentialExpired => {
                ended("The credential that the session was made with has expired.")
            }
            Denial::MakerLostRight => ended("The session's maker may no longer call tools here."),
            Denial::WorkspaceEnded => ended("The workspace has ended."),
            Denial::LoadoutRemoved => ended("The session's loadout was removed."),
            Denial::CallsUsedUp => ended("The session's calls are used up."),
            Denial::NotInLoadout => {
                forbidden("tool.not_in_loadout", "The tool is not in the session's loadout.")
            }
            Denial::ToolServerRemoved => forbidden("tool_server.removed", "The tool's server was removed."),
            Denial::ToolChanged => forbidden(
                "tool.changed",
                "The tool's definition is no longer the one that the loadout pinned.",
            ),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        for field in self.pacing() {
            response.insert_header(field);
        }
        if let Some(challenge) = &self.headers.challenge
            && let Ok(value) = HeaderValue::from_str(challenge)
        {
            response.insert_header((header::WWW_AUTHENTICATE, value));
        }
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        let mut response = response.body(serde_json::to_string(self).unwrap_or_default());
        if let Some(failure) = self.failure() {
            response.extensions_mut().insert(failure);
        }
        response
    }
}

/// Never too few: who comes back then is let in.
fn whole_seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        tracing::error!(%error, "the book cannot be read");
        match error {
            ReadError::Unavailable(_) => Self::unavailable(
                "book.unavailable",
                "The book cannot be read for now.",
                Duration::from_secs(1),
            ),
            ReadError::Hole(_) | ReadError::Undecodable { .. } => Self::internal(),
        }
    }
}

impl From<NotCaughtUp> for Problem {
    fn from(_: NotCaughtUp) -> Self {
        let detail = "This replica has not caught up with the book.";
        Self::unavailable("book.not_caught_up", detail, Duration::from_secs(1))
    }
}

impl From<last_used::Unavailable> for Problem {
    fn from(error: last_used::Unavailable) -> Self {
        tracing::error!(%error, "what lies beside the book cannot be reached");
        let detail = "The book's database cannot be reached for now.";
        Self::unavailable("book.unavailable", detail, Duration::from_secs(1))
    }
}

impl From<Undestroyed> for Problem {
    fn from(error: Undestroyed) -> Self {
        match error {
            Undestroyed::Keys(error) => error.into(),
            Undestroyed::LastUsed(error) => error.into(),
        }
    }
}

impl From<ComposeError> for Problem {
    fn from(error: ComposeError) -> Self {
        tracing::error!(%error, "an event could not be made ready for the book");
        match error {
            ComposeError::Serialize(_) => Self::internal(),
            ComposeError::Vault(_) => vault_unavailable(),
        }
    }
}

impl From<tollbook_vault::VaultError> for Problem {
    fn from(error: tollbook_vault::VaultError) -> Self {
        tracing::error!(%error, "the vault refused");
        vault_unavailable()
    }
}

impl From<RevealError> for Problem {
    fn from(error: RevealError) -> Self {
        match error {
            RevealError::Read(error) => error.into(),
            RevealError::Vault(error) => error.into(),
            RevealError::NotText => {
                tracing::error!(%error, "a sealed text cannot be shown");
                Self::internal()
            }
        }
    }
}

impl From<tollbook_vault::StoreError> for Problem {
    fn from(error: tollbook_vault::StoreError) -> Self {
        tracing::error!(%error, "the vault's store cannot be reached");
        vault_unavailable()
    }
}

/// What was asked can't be done as things are, or doesn't fit.
macro_rules! domain_errors {
    ($($error:ident { $($variant:ident => $kind:ident $code:literal),* $(,)? })*) => {$(
        impl From<tollbook_aggregates::$error> for Problem {
            fn from(error: tollbook_aggregates::$error) -> Self {
                use tollbook_aggregates::$error as Error;
                match error {
                    $(Error::$variant => Self::$kind($code, sentence(&error)),)*
                }
            }
        }
    )*};
}

domain_errors! {
    InstanceError { AlreadyBootstrapped => conflict "instance.already_bootstrapped" }
    OperatorError {
        Absent => absent "operator credential",
        Exists => conflict "operator.exists",
        Label => bad_request "operator.label",
        ExpiresInThePast => bad_request "operator.expires_in_the_past",
        Ended => conflict "operator.ended",
        GraceTooLong => bad_request "operator.grace_too_long",
        LastOne => conflict "operator.last_one",
    }
    UserError { Absent => absent "person", Exists => conflict "user.exists", Name => bad_request "user.name" }
    SignInError {
        Absent => absent "sign-in",
        Exists => conflict "sign_in.exists",
        ExpiresInThePast => bad_request "sign_in.expires_in_the_past",
    }
    LinkError {
        Absent => absent "link",
        Exists => conflict "link.exists",
        Label => bad_request "link.label",
        Lasting => bad_request "link.lasting",
        Redeemed => conflict "link.redeemed",
        Revoked => conflict "link.revoked",
    }
    WorkspaceError {
        Absent => absent "workspace",
        Exists => conflict "workspace.exists",
        Name => bad_request "workspace.name",
        AlreadyMember => conflict "member.exists",
        Full => conflict "member.limit_reached",
        NotMember => absent "member",
        LastOwner => conflict "member.last_owner",
    }
    ToolServerError {
        Absent => absent "tool server",
        Exists => conflict "tool_server.exists",
        Removed => conflict "tool_server.removed",
        Name => bad_request "tool_server.name",
        TwiceTheSameTool => conflict "tool_server.same_tool_twice",
    }
    LoadoutError {
        Absent => absent "loadout",
        Exists => conflict "loadout.exists",
        Removed => conflict "loadout.removed",
        Name => bad_request "loadout.name",
        HowMany => bad_request "loadout.how_many",
        SameName => conflict "loadout.same_name",
    }
    SessionError {
        Absent => absent "session",
        Exists => conflict "session.exists",
        Label => bad_request "session.label",
        ExpiresInThePast => bad_request "session.expires_in_the_past",
        NoCalls => bad_request "session.no_calls",
    }
    ApiKeyError {
        Absent => absent "API key",
        Exists => conflict "api_key.exists",
        ExpiresInThePast => bad_request "api_key.expires_in_the_past",
        DeviceLabel => bad_request "api_key.device_label",
        NarrowingTooLong => bad_request "api_key.narrowing_too_long",
        Revoked => conflict "api_key.revoked",
        Expired => conflict "api_key.expired",
        BeingReset => conflict "api_key.being_reset",
        NotByThisLink => conflict "link.revoked",
        GraceTooLong => bad_request "api_key.grace_too_long",
    }
}

impl From<LinkRefused> for Problem {
    fn from(refused: LinkRefused) -> Self {
        let gone = |code| Self::no_good_link(StatusCode::GONE, code, &sentence(&refused));
        match refused {
            LinkRefused::NotFound => Self::unknown_link(),
            LinkRefused::Redeemed => gone("link.redeemed"),
            LinkRefused::Revoked => gone("link.revoked"),
            LinkRefused::Expired => gone("link.expired"),
            LinkRefused::MakerLostRight => gone("link.maker_lost_right"),
            LinkRefused::Pointless => gone("link.pointless"),
            LinkRefused::AnotherPerson => {
                let detail = "You are signed in as somebody else than this link is for. It was not used up.";
                Self::new(StatusCode::FORBIDDEN, "link.another_person", "For another person", detail)
                    .remedy("Sign out first, if it is for you; else leave it to whom it is for.", None)
            }
            LinkRefused::SignInFirst => {
                let detail = "This link is for somebody who is known here, and has to be signed in to use it. It was not used up.";
                Self::new(StatusCode::FORBIDDEN, "link.sign_in_first", "Sign in first", detail)
                    .guided(guidance::sign_in_first())
            }
        }
    }
}

/// An error of the law as a sentence.
fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

fn vault_unavailable() -> Problem {
    let detail = "What is sealed cannot be opened or sealed for now.";
    Problem::unavailable("vault.unavailable", detail, Duration::from_secs(5))
}
