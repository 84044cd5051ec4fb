//! A form that one of our pages sent, from the browser that the page was shown in.
//!
//! Three things keep others from sending it (cross-site request forgery): the browser says where it came from, the
//! cookie is `SameSite=Lax`, and the form has a token that only pages shown in this very browser and sign-in have.

use std::collections::BTreeMap;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, ORIGIN};
use actix_web::web::{BytesMut, Data};
use actix_web::{FromRequest, HttpRequest};
use futures::StreamExt as _;
use futures::future::LocalBoxFuture;
use subtle::ConstantTimeEq as _;
use url::Url;
use zeroize::Zeroizing;

use super::refusal::Refusal;
use super::visitor::Visitor;
use crate::app::App;
use crate::problem::{Problem, Remediation};

/// Far more than a form of ours has.
const LARGEST: usize = 16 * 1024;
/// Where a request comes from, by the browser's own word (Fetch Metadata).
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Every handler that changes something takes this: there is no other way to a form's fields.
pub(super) struct Posted {
    /// Who sent it.
    pub(super) visitor: Visitor,
    fields: BTreeMap<String, Zeroizing<String>>,
}

impl Posted {
    /// What stands in a field, without the blanks around it; nothing when the form has no such field.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value.trim())
    }
}

impl FromRequest for Posted {
    type Error = Refusal;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let app = request.app_data::<Data<App>>().cloned().ok_or_else(Problem::internal)?;
            if !is_from_us(request.headers(), &app.config.public_url) {
                return Err(forged(request.headers().contains_key(SITE)).into());
            }
            if !is_form(request.headers()) {
                return Err(malformed().into());
            }
            let visitor = Visitor::of(&request, &app).await?;
            let fields = fields(&read(&mut payload).await?)?;
            let sent = fields.get("csrf").map_or(&[][..], |token| token.as_bytes());
            if bool::from(visitor.csrf_token().as_bytes().ct_eq(sent)) {
                return Ok(Self { visitor, fields });
            }
            // The page was shown to somebody whose sign-in has ended since.
            Err(if visitor.had_signed_in() {
                visitor.sign_in_first()
            } else {
                forged(request.headers().contains_key(SITE)).into()
            })
        })
    }
}

/// By what the browser says. `Origin` is asked only where it says nothing better: under `no-referrer` it is `null`
/// even from our own pages (Fetch, section 3.2).
fn is_from_us(headers: &HeaderMap, public_url: &Url) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text(&SITE), text(&ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => origin == public_url.origin().ascii_serialization(),
        (None, None) => false,
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

async fn read(payload: &mut Payload) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| malformed())?;
        if body.len() + chunk.len() > LARGEST {
            let detail = "The form is larger than any of ours.";
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body.too_large", "Too large", detail));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Zeroizing::new(body.to_vec()))
}

/// The fields of a form; one that stands there twice means that somebody else has written it.
fn fields(body: &[u8]) -> Result<BTreeMap<String, Zeroizing<String>>, Problem> {
    let mut fields = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        if fields.insert(name.into_owned(), Zeroizing::new(value.into_owned())).is_some() {
            return Err(malformed());
        }
    }
    Ok(fields)
}

fn malformed() -> Problem {
    Problem::bad_request("form.malformed", "This is not a form of one of our pages.")
}

/// Browsers say where a form comes from, but not over a connection that anybody can read along: where ours isn't on
/// this very machine, they don't send its cookies there either.
fn forged(says_from_where: bool) -> Problem {
    let detail = "The form was not sent from a page that this browser was shown, or that page is out of date. Nothing was done.";
    let remediation = Remediation::in_words(if says_from_where {
        "Open the page anew, and send the form once more. Cookies must be allowed."
    } else {
        "Open the page anew, with https:// if its address begins with http://, and send the form once more. Cookies must be allowed."
    });
    Problem::forbidden("form.not_from_here", detail, remediation)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn from(site: Option<&'static str>, origin: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in [(SITE, site), (ORIGIN, origin)] {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        is_from_us(&headers, &Url::parse("https://tollbook.example/").unwrap())
    }

    #[test]
    fn only_our_own_pages_may_send_forms() {
        assert!(from(Some("same-origin"), Some("null")));
        assert!(from(None, Some("https://tollbook.example")));
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!from(Some(site), Some("https://tollbook.example")), "{site}");
        }
        for origin in
            ["null", "http://tollbook.example", "https://tollbook.example:8443", "https://evil.example"]
        {
            assert!(!from(None, Some(origin)), "{origin}");
        }
        assert!(!from(None, None), "a program says neither; it has the REST interface");
    }

    #[test]
    fn field_that_stands_there_twice_is_refused() {
        assert!(fields(b"name=Ada&csrf=x").is_ok());
        assert_eq!(fields(b"name=Ada&name=Eve").unwrap_err().code, "form.malformed");
    }
}
