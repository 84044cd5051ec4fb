//! Asking a server for all of its tools.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::era::Era;
use super::exchange::{Messages, Reply};
use super::{Inner, Lane, Target, ToolDefinition, UpstreamError, Upstreams, modern};
use crate::mcp::{Id, Message, Mirrored, RpcError, message};

/// How many pages a list may have.
const PAGES_MAX: usize = 100;

impl Upstreams {
    /// The tools that a server defines, every page, in its own order. A definition that no client
    /// could use is left out with a warning, so that it doesn't take the others with it.
    pub async fn list_tools(&self, target: &Target) -> Result<Vec<ToolDefinition>, UpstreamError> {
        let listed = timeout(self.inner.limits.list, self.inner.list_in_either_era(target)).await;
        listed.map_err(|_| UpstreamError::Timeout)?
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    tools: Vec<Box<RawValue>>,
    #[serde(default)]
    next_cursor: Option<String>,
}

impl Inner {
    /// A list is free of side effects: whatever refuses it, the era is found out again, once.
    async fn list_in_either_era(&self, target: &Target) -> Result<Vec<ToolDefinition>, UpstreamError> {
        match self.list(target).await {
            Err(
                UpstreamError::Protocol { .. }
                | UpstreamError::Http(400..=499)
                | UpstreamError::NoCommonRevision,
            ) => {
                self.eras.invalidate(&target.tool_server_id).await;
                if let Some(session) = self.sessions.get(&(target.tool_server_id, Lane::Own)).await {
                    self.drop_session(target, Lane::Own, &session).await;
                }
                self.list(target).await
            }
            listed => listed,
        }
    }

    /// Lists, and remembers which parameters are wanted in headers.
    pub(super) async fn list(&self, target: &Target) -> Result<Vec<ToolDefinition>, UpstreamError> {
        let era = self.era(target).await?;
        let (mut tools, mut seen, mut mirrored) = (Vec::new(), BTreeSet::new(), HashMap::new());
        let (mut cursor, mut bytes) = (None, 0);
        for _ in 0..PAGES_MAX {
            let page = self.page(target, era, cursor.as_deref()).await?;
            bytes += page.tools.iter().map(|raw| raw.get().len()).sum::<usize>();
            if bytes > self.limits.definitions {
                return Err(UpstreamError::TooLarge);
            }
            for raw in page.tools {
                let Some((tool, wanted)) = usable(target, era, &raw) else { continue };
                if !seen.insert(tool.name.clone()) {
                    return Err(UpstreamError::malformed(format!(
                        "the tool `{}` is listed twice",
                        tool.name
                    )));
                }
                if seen.len() > self.limits.tools {
                    return Err(UpstreamError::TooLarge);
                }
                mirrored.insert(tool.name.clone(), wanted);
                tools.push(tool);
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                mirrored.retain(|_, wanted| !wanted.is_empty());
                self.mirrored.insert(target.tool_server_id, Arc::new(mirrored)).await;
                return Ok(tools);
            }
        }
        Err(UpstreamError::TooLarge)
    }

    async fn page(&self, target: &Target, era: Era, cursor: Option<&str>) -> Result<Page, UpstreamError> {
        let id = self.fresh_id();
        let mut params: Vec<String> = Vec::new();
        params.extend(cursor.map(|cursor| format!(r#""cursor":{}"#, serde_json::Value::from(cursor))));
        let headers = match era {
            Era::Modern => {
                params.push(format!(r#""_meta":{}"#, modern::meta(None, None)));
                modern::headers("tools/list", None)
            }
            Era::Legacy => self.session(target, Lane::Own).await?.headers(),
        };
        let body = message::request(&id, "tools/list", &format!("{{{}}}", params.join(",")));
        match self.post(target, headers, body).await?.reply {
            Reply::Messages(messages) => listed(*messages, &id).await,
            Reply::Accepted => Err(UpstreamError::malformed("it has no answer to `tools/list`")),
            Reply::Refused(refused) => Err(refused.into_error()),
        }
    }
}

async fn listed(mut messages: Messages, id: &Id) -> Result<Page, UpstreamError> {
    while let Some(text) = messages.next().await? {
        match Message::read(&text).map_err(UpstreamError::malformed)? {
            Message::Result { id: of, result } if of == *id => {
                return serde_json::from_str(result.get()).map_err(UpstreamError::malformed);
            }
            Message::Error { error: RpcError { code, message, .. }, .. } => {
                return Err(UpstreamError::Protocol { code, message });
            }
            _ => {}
        }
    }
    Err(UpstreamError::malformed("the stream ended before the answer"))
}

/// The definition and its mirrored parameters, unless it must be left out.
fn usable(target: &Target, era: Era, raw: &RawValue) -> Option<(ToolDefinition, Mirrored)> {
    let read = ToolDefinition::read(raw).and_then(|tool| {
        let mirrored = match (Mirrored::of(tool.raw.get()), era) {
            (Ok(mirrored), _) => mirrored,
            // The older era knows no such annotation.
            (Err(_), Era::Legacy) => Mirrored::default(),
            (Err(reason), Era::Modern) => return Err(format!("`{}`: {reason}", tool.name)),
        };
        Ok((tool, mirrored))
    });
    read.inspect_err(|reason| {
        tracing::warn!(tool_server = %target.tool_server_id, %reason, "a tool definition is left out");
    })
    .ok()
}
