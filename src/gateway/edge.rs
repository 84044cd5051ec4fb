//! What is checked of a request before its message is looked at.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Payload;
use futures::StreamExt as _;
use url::{Host, Url};

use crate::problem::{Problem, Remediation};

/// Refuses what a page of another site made a browser send (DNS rebinding): the specification asks
/// for 403 on a bad `Origin`. A request without `Origin` comes from no page.
pub(super) fn same_site(headers: &HeaderMap, public: &Url) -> Result<(), Problem> {
    let mut hosts = headers.get_all(header::HOST);
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let named = host.and_then(|host| Url::parse(&format!("http://{host}")).ok());
    if hosts.next().is_some() || !named.as_ref().is_some_and(|named| is_ours(named, public)) {
        let remedy = "Use the session's URL as it was given, or the service's address.";
        return Err(foreign("host.refused", "The `Host` header does not name this service.", remedy));
    }
    for origin in headers.get_all(header::ORIGIN) {
        let origin = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
        let ours = origin.is_some_and(|origin| origin.origin() == public.origin() || is_loopback(&origin));
        if !ours {
            let remedy = "Call from a program, which sends no `Origin`, or from a page of this service.";
            return Err(foreign("origin.refused", "The `Origin` header names another site.", remedy));
        }
    }
    Ok(())
}

fn foreign(code: &str, detail: &str, remedy: &str) -> Problem {
    Problem::forbidden(code, detail, Remediation::in_words(remedy))
}

/// The public name, or an address: an attacker's name can be made to lead here, an address can't.
fn is_ours(named: &Url, public: &Url) -> bool {
    is_loopback(named)
        || named.host() == public.host()
        || matches!(named.host(), Some(Host::Ipv4(_) | Host::Ipv6(_)))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What the client can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepts {
    /// One JSON document.
    pub(super) json: bool,
    /// A stream of events.
    pub(super) events: bool,
}

impl Accepts {
    /// Clients must accept both; one that accepts only one of them is still answered.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(header::ACCEPT).peekable();
        if values.peek().is_none() {
            return Ok(Self { json: true, events: false });
        }
        let (mut json, mut events) = (false, false);
        for range in values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
            match range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
                "*/*" | "application/json" | "application/*" => json = true,
                "text/event-stream" | "text/*" => events = true,
                _ => {}
            }
        }
        if json || events {
            return Ok(Self { json, events });
        }
        let detail = "`Accept` must list `application/json` and `text/event-stream`.";
        Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "accept.refused", "Not acceptable", detail))
    }
}

/// Refuses bodies that don't say that they are JSON; a page can't send that without asking first.
pub(super) fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "`Content-Type` must be `application/json`.";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "body.not_json", "Unsupported media type", detail))
}

/// The body as text, read only as far as it is allowed to go.
pub(super) async fn body(mut payload: Payload, limit: usize) -> Result<String, Problem> {
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|_| Problem::bad_request("body.broken", "The body ended before its end."))?;
        if body.len() + chunk.len() > limit {
            let detail = format!("A body may have at most {limit} bytes.");
            let title = "The body is too large";
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body.too_large", title, detail));
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).map_err(|_| Problem::bad_request("body.not_utf8", "The body is not UTF-8."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let request = pairs.iter().fold(TestRequest::default(), |request, pair| request.append_header(*pair));
        request.to_http_request().headers().clone()
    }

    fn refusal(pairs: &[(&'static str, &'static str)]) -> Option<String> {
        let public = Url::parse("https://tollbook.example.com/").unwrap();
        same_site(&headers(pairs), &public).err().map(|problem| problem.code)
    }

    #[test]
    fn our_own_page_loopback_and_no_page_at_all_are_let_in() {
        for host in ["tollbook.example.com", "127.0.0.1:7070", "localhost:1", "[::1]:7070", "10.1.2.3:80"] {
            assert_eq!(refusal(&[("host", host)]), None, "{host}");
        }
        for origin in ["https://tollbook.example.com", "http://localhost:3000", "http://127.0.0.1:6274"] {
            assert_eq!(refusal(&[("host", "tollbook.example.com"), ("origin", origin)]), None, "{origin}");
        }
    }

    #[test]
    fn another_site_s_page_is_refused() {
        let host = ("host", "tollbook.example.com");
        for origin in [
            "https://evil.example",
            "null",
            "http://tollbook.example.com",
            "https://tollbook.example.com:8443",
            "https://localhost.evil.example",
        ] {
            assert_eq!(refusal(&[host, ("origin", origin)]).as_deref(), Some("origin.refused"), "{origin}");
        }
        let both = [host, ("origin", "http://localhost"), ("origin", "https://evil.example")];
        assert_eq!(refusal(&both).as_deref(), Some("origin.refused"));
    }

    #[test]
    fn a_name_that_was_made_to_lead_here_is_refused() {
        for hosts in
            [&[("host", "evil.example:7070")][..], &[], &[("host", "localhost"), ("host", "evil.example")]]
        {
            assert_eq!(refusal(hosts).as_deref(), Some("host.refused"), "{hosts:?}");
        }
    }

    #[test]
    fn a_client_is_answered_in_what_it_accepts() {
        let accepts = |value| Accepts::of(&headers(&[("accept", value)]));
        assert_eq!(
            accepts("application/json, text/event-stream").unwrap(),
            Accepts { json: true, events: true }
        );
        assert_eq!(accepts("text/event-stream;q=0.9").unwrap(), Accepts { json: false, events: true });
        assert_eq!(accepts("*/*").unwrap(), Accepts { json: true, events: false });
        assert!(accepts("text/html").is_err());
        assert_eq!(Accepts::of(&headers(&[])).unwrap(), Accepts { json: true, events: false });
    }
}
