//! Which header may authorize calls to a tool server.

use reqwest::header::{HeaderName, HeaderValue};

use crate::problem::Problem;

/// The longest value, in bytes.
const VALUE_MAX: usize = 8_192;

/// Headers that say where a message goes, how it is framed or what it is: they are ours to write.
/// Hop-by-hop ones stand in RFC 9110, section 7.6.1.
const OURS: [&str; 27] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "last-event-id",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// The header's name in lower case.
///
/// # Errors
/// 400 for what is no header's name, or one of a header that is ours to write.
pub(super) fn name(text: &str) -> Result<String, Problem> {
    let refused = |detail: String| Problem::bad_request("tool_server.header_name", detail);
    let name = HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| refused("`auth.name` must be the name of a header.".to_owned()))?;
    let name = name.as_str();
    let ours =
        OURS.contains(&name) || ["mcp-", "x-forwarded-", "sec-"].iter().any(|head| name.starts_with(head));
    if ours {
        return Err(refused(format!("`auth.name`: the header `{name}` is Tollbook's own to write.")));
    }
    Ok(name.to_owned())
}

/// The header's value, if it can be sent as it is.
///
/// # Errors
/// 400 for one that can't. The value is never repeated.
pub(super) fn value(text: &str) -> Result<&str, Problem> {
    let fits = (1..=VALUE_MAX).contains(&text.len())
        && text.trim() == text
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && HeaderValue::from_str(text).is_ok();
    if fits {
        return Ok(text);
    }
    let detail = format!(
        "`auth.value` must have 1 to {VALUE_MAX} visible ASCII characters or spaces, none of these at either end."
    );
    Err(Problem::bad_request("tool_server.header_value", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_our_own_are_refused() {
        for bad in [
            "Host",
            "content-length",
            "Transfer-Encoding",
            "Mcp-Session-Id",
            "mcp-param-x",
            "Cookie",
            "Sec-Fetch-Mode",
        ] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_kept_in_lower_case() {
        assert_eq!(name("Authorization").unwrap(), "authorization");
        assert_eq!(name("X-Api-Key").unwrap(), "x-api-key");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in ["", "with space", "ä", "a:b", "a\r\nb", "a\0"] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn values_that_would_not_arrive_as_they_are_are_refused_and_not_repeated() {
        for bad in ["", " a", "a ", "a\r\nx: y", "a\0", "schlüssel", &"x".repeat(VALUE_MAX + 1)] {
            let problem = value(bad).unwrap_err();
            assert!(bad.len() < 8 || !problem.detail.contains(bad), "{bad:?}");
        }
        assert_eq!(value("Bearer abc").unwrap(), "Bearer abc");
    }
}
