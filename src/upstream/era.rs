//! Which era a tool server lives in (2026-07-28, “Versioning and Compatibility”).
//!
//! A server is asked `server/discover`, never with a tool call: a server of the older era might
//! carry that out. What answers with a modern result or a modern error is modern; whatever else
//! refuses is of the older era.

use reqwest::StatusCode;
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;

use super::exchange::{Messages, Refused, Reply};
use super::{Inner, Target, UpstreamError, modern};
use crate::mcp::{self, Id, Message, RpcError, code, message};

/// The two ways to talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// 2026-07-28: every request stands for itself.
    Modern,
    /// 2025-11-25 and before: a handshake, and a protocol session.
    Legacy,
}

/// What was found out, and at which address.
#[derive(Debug, Clone)]
pub(super) struct Known {
    url: Url,
    era: Era,
}

impl Inner {
    /// The era of a server, found out if it isn't known. Callers that ask at once share one answer.
    pub(super) async fn era(&self, target: &Target) -> Result<Era, UpstreamError> {
        if let Some(known) = self.eras.get(&target.tool_server_id).await {
            if known.url == target.url {
                return Ok(known.era);
            }
            self.eras.invalidate(&target.tool_server_id).await;
        }
        let known = self.eras.try_get_with(target.tool_server_id, self.discover(target)).await;
        known.map(|known| known.era).map_err(|error| (*error).clone())
    }

    async fn discover(&self, target: &Target) -> Result<Known, UpstreamError> {
        let asked = timeout(self.limits.handshake, self.ask(target)).await;
        let era = asked.map_err(|_| UpstreamError::Timeout)??;
        tracing::debug!(tool_server = %target.tool_server_id, ?era, "found out the era of a tool server");
        Ok(Known { url: target.url.clone(), era })
    }

    async fn ask(&self, target: &Target) -> Result<Era, UpstreamError> {
        let id = self.fresh_id();
        let params = format!(r#"{{"_meta":{}}}"#, modern::meta(None, None));
        let body = message::request(&id, "server/discover", &params);
        let exchange = self.post(target, modern::headers("server/discover", None), body).await?;
        match exchange.reply {
            Reply::Messages(messages) => answered(*messages, &id).await,
            Reply::Accepted => Ok(Era::Legacy),
            Reply::Refused(refused) => refused_with(&refused),
        }
    }
}

async fn answered(mut messages: Messages, id: &Id) -> Result<Era, UpstreamError> {
    while let Some(text) = messages.next().await? {
        match Message::read(&text).map_err(UpstreamError::malformed)? {
            Message::Result { id: of, result } if of == *id => return among(&offered(result.get())),
            Message::Error { error, .. } => return of_error(&error),
            _ => {}
        }
    }
    Err(UpstreamError::malformed("the stream ended before the answer"))
}

/// The revisions of a `DiscoverResult`; a result of any other kind has none.
fn offered(result: &str) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Discovered {
        supported_versions: Vec<String>,
    }
    serde_json::from_str::<Discovered>(result).map(|found| found.supported_versions).unwrap_or_default()
}

/// A server that names revisions is modern, but may not speak ours.
fn among(revisions: &[String]) -> Result<Era, UpstreamError> {
    if revisions.iter().any(|revision| revision == mcp::MODERN) {
        Ok(Era::Modern)
    } else if revisions.iter().any(|revision| mcp::is_legacy(revision)) || revisions.is_empty() {
        Ok(Era::Legacy)
    } else {
        Err(UpstreamError::NoCommonRevision)
    }
}

fn refused_with(refused: &Refused) -> Result<Era, UpstreamError> {
    if let Some(error) = &refused.error
        && is_modern(error.code)
    {
        return of_error(error);
    }
    let status = refused.status;
    // Too busy or broken says nothing about the era.
    if status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
    {
        return Err(UpstreamError::Http(status.as_u16()));
    }
    Ok(Era::Legacy)
}

fn of_error(error: &RpcError) -> Result<Era, UpstreamError> {
    #[derive(Deserialize)]
    struct Unsupported {
        supported: Vec<String>,
    }
    if error.code != code::UNSUPPORTED_VERSION {
        return Ok(if is_modern(error.code) { Era::Modern } else { Era::Legacy });
    }
    let data = error.data.as_deref().and_then(|data| serde_json::from_str::<Unsupported>(data.get()).ok());
    among(&data.map(|data| data.supported).unwrap_or_default())
}

/// Errors that only a modern server gives.
pub(super) const fn is_modern(code: i64) -> bool {
    matches!(code, code::HEADER_MISMATCH | code::MISSING_CAPABILITY | code::UNSUPPORTED_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, error: Option<RpcError>) -> Result<Era, UpstreamError> {
        refused_with(&Refused { status: StatusCode::from_u16(status).unwrap(), error })
    }

    fn unsupported(supported: &[&str]) -> RpcError {
        RpcError::new(code::UNSUPPORTED_VERSION, "no")
            .with_data(&serde_json::json!({ "supported": supported }))
    }

    #[test]
    fn a_refusal_without_a_modern_error_means_the_older_era() {
        for status in [400, 404, 405, 406, 415] {
            assert_eq!(refusal(status, None), Ok(Era::Legacy));
            assert_eq!(refusal(status, Some(RpcError::new(-32000, "no"))), Ok(Era::Legacy));
        }
    }

    #[test]
    fn a_modern_error_means_the_modern_era() {
        assert_eq!(refusal(400, Some(RpcError::new(code::HEADER_MISMATCH, "no"))), Ok(Era::Modern));
        assert_eq!(refusal(400, Some(unsupported(&["2026-07-28"]))), Ok(Era::Modern));
    }

    #[test]
    fn a_server_of_both_eras_that_lacks_our_modern_revision_is_talked_to_in_the_older_one() {
        assert_eq!(refusal(400, Some(unsupported(&["2030-01-01", "2025-11-25"]))), Ok(Era::Legacy));
    }

    #[test]
    fn a_server_of_other_revisions_only_is_named_as_such() {
        let error = refusal(400, Some(unsupported(&["2030-01-01"])));
        assert_eq!(error, Err(UpstreamError::NoCommonRevision));
    }

    #[test]
    fn a_busy_or_broken_server_has_no_era() {
        for status in [408, 429, 500, 502, 503] {
            assert_eq!(refusal(status, None), Err(UpstreamError::Http(status)));
        }
    }
}
