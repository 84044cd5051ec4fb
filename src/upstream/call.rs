//! Making a call, in whichever era the server lives.

use std::sync::Arc;

use reqwest::header::HeaderMap;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::answer::{Source, UpstreamAnswer, for_agent};
use super::era::{Era, is_modern};
use super::exchange::{Exchange, Refused, Reply};
use super::legacy::{InFlight, Session};
use super::{Inner, Target, UpstreamCall, UpstreamError, Upstreams, legacy, modern};
use crate::mcp::{Id, Object, code, message, meta};

impl Upstreams {
    /// Calls a tool. The answer is under way when this returns; dropping it, or this, cancels.
    ///
    /// A call is sent again only after a refusal that says that it was not carried out: an unknown
    /// protocol session, a missing header, the wrong era.
    pub async fn call_tool(
        &self,
        target: &Target,
        call: &UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let deadline = Instant::now() + self.inner.limits.call;
        let started = timeout_at(deadline, Inner::start(&self.inner, target, call, deadline)).await;
        started.map_err(|_| UpstreamError::Timeout)?
    }
}

/// Corrections that are made at most once a call.
#[derive(Default)]
struct Corrected {
    era: bool,
    session: bool,
    mirrored: bool,
}

fn once(done: &mut bool) -> bool {
    !std::mem::replace(done, true)
}

/// What a server made of a call that was sent.
enum Started {
    Answer(Box<UpstreamAnswer>),
    Refused(Refused),
    /// The protocol session is unknown to the server.
    SessionGone(Arc<Session>, Refused),
}

impl Inner {
    async fn start(
        this: &Arc<Self>,
        target: &Target,
        call: &UpstreamCall,
        deadline: Instant,
    ) -> Result<UpstreamAnswer, UpstreamError> {
        let mut corrected = Corrected::default();
        loop {
            let era = this.era(target).await?;
            let started = match era {
                Era::Modern => Self::call_modern(this, target, call, deadline).await?,
                Era::Legacy => match Self::call_legacy(this, target, call, deadline).await {
                    // It may have been upgraded since its era was found out.
                    Err(NotSent(UpstreamError::NoCommonRevision | UpstreamError::Protocol { .. }))
                        if once(&mut corrected.era) =>
                    {
                        this.eras.invalidate(&target.tool_server_id).await;
                        continue;
                    }
                    Err(NotSent(error)) => return Err(error),
                    Ok(started) => started?,
                },
            };
            match started {
                Started::Answer(answer) => return Ok(*answer),
                Started::SessionGone(session, _) if once(&mut corrected.session) => {
                    this.drop_session(target, call.lane, &session).await;
                }
                Started::Refused(refused)
                    if refused.code() == Some(code::HEADER_MISMATCH) && once(&mut corrected.mirrored) =>
                {
                    this.list(target).await?;
                }
                Started::Refused(refused) if wrong_era(era, &refused) && once(&mut corrected.era) => {
                    this.eras.invalidate(&target.tool_server_id).await;
                }
                Started::Refused(refused) | Started::SessionGone(_, refused) => {
                    return refusal(refused, this, deadline);
                }
            }
        }
    }

    async fn call_modern(
        this: &Arc<Self>,
        target: &Target,
        call: &UpstreamCall,
        deadline: Instant,
    ) -> Result<Started, UpstreamError> {
        let id = this.fresh_id();
        let progress = progress_token(call);
        let meta = modern::meta(call.meta.as_deref(), progress.as_ref().map(|_| id.json()));
        let body = message::request(&id, "tools/call", &params(call, Some(&meta)));
        let mut headers = modern::headers("tools/call", Some(&call.tool));
        add_parameters(&mut headers, call);
        this.mirror(&mut headers, target, call).await;
        let Exchange { reply, .. } = this.post(target, headers, body).await?;
        Self::started(this, reply, id, progress, deadline, None)
    }

    /// `NotSent` means that the call itself never left.
    async fn call_legacy(
        this: &Arc<Self>,
        target: &Target,
        call: &UpstreamCall,
        deadline: Instant,
    ) -> Result<Result<Started, UpstreamError>, NotSent> {
        let session = this.session(target, call.lane).await.map_err(NotSent)?;
        Ok(Self::call_in_session(this, target, call, deadline, session).await)
    }

    async fn call_in_session(
        this: &Arc<Self>,
        target: &Target,
        call: &UpstreamCall,
        deadline: Instant,
        session: Arc<Session>,
    ) -> Result<Started, UpstreamError> {
        let id = this.fresh_id();
        let progress = progress_token(call);
        let meta = legacy::meta(call.meta.as_deref(), progress.as_ref().map(|_| id.json()));
        let body = message::request(&id, "tools/call", &params(call, meta.as_deref()));
        let mut headers = session.headers();
        add_parameters(&mut headers, call);
        // From here on the server may be at work.
        let mut in_flight = InFlight::new(this, target, &session, &id);
        match this.post(target, headers, body).await?.reply {
            Reply::Refused(refused) => {
                in_flight.answered();
                let gone = session.is_unknown(&refused);
                Ok(if gone { Started::SessionGone(session, refused) } else { Started::Refused(refused) })
            }
            reply => Self::started(this, reply, id, progress, deadline, Some(in_flight)),
        }
    }

    fn started(
        this: &Arc<Self>,
        reply: Reply,
        id: Id,
        progress: Option<Box<RawValue>>,
        deadline: Instant,
        in_flight: Option<InFlight>,
    ) -> Result<Started, UpstreamError> {
        match reply {
            Reply::Messages(messages) => {
                let (source, idle) = (Source::Messages(messages), this.limits.idle);
                let answer = UpstreamAnswer { source, id, deadline, idle, progress, in_flight };
                Ok(Started::Answer(Box::new(answer)))
            }
            Reply::Accepted => Err(UpstreamError::malformed("it has no answer to a tool call")),
            Reply::Refused(refused) => Ok(Started::Refused(refused)),
        }
    }

    /// Adds the headers that the tool wants, as far as they are known. A server that wants others says
    /// so, and they are looked up then.
    async fn mirror(&self, headers: &mut HeaderMap, target: &Target, call: &UpstreamCall) {
        let Some(tools) = self.mirrored.get(&target.tool_server_id).await else { return };
        let Some(mirrored) = tools.get(&call.tool) else { return };
        for (name, value) in mirrored.headers(call.arguments.as_deref().map(RawValue::get)) {
            if let (Ok(name), Ok(value)) = (name.parse::<reqwest::header::HeaderName>(), value.parse()) {
                headers.insert(name, value);
            }
        }
    }
}

/// Why a call never left.
struct NotSent(UpstreamError);

/// A refusal that a server of this era wouldn't give.
fn wrong_era(era: Era, refused: &Refused) -> bool {
    let modern_error = refused.code().is_some_and(is_modern);
    match era {
        Era::Modern => {
            let transport = matches!(refused.status.as_u16(), 400 | 404 | 405 | 406 | 415);
            refused.code() == Some(code::UNSUPPORTED_VERSION)
                || (transport && refused.code().is_none_or(|code| code == -32000))
        }
        Era::Legacy => modern_error,
    }
}

/// A JSON-RPC error about the call is the answer, whatever status it came with.
fn refusal(refused: Refused, inner: &Inner, deadline: Instant) -> Result<UpstreamAnswer, UpstreamError> {
    let Refused { status, error } = refused;
    let error = for_agent(error.ok_or(UpstreamError::Http(status.as_u16()))?)?;
    Ok(UpstreamAnswer {
        source: Source::Refused(error),
        id: inner.fresh_id(),
        deadline,
        idle: inner.limits.idle,
        progress: None,
        in_flight: None,
    })
}

fn progress_token(call: &UpstreamCall) -> Option<Box<RawValue>> {
    let meta = Object::read(call.meta.as_deref()?.get()).ok()?;
    meta.get(meta::PROGRESS_TOKEN).map(ToOwned::to_owned)
}

fn add_parameters(headers: &mut HeaderMap, call: &UpstreamCall) {
    for (name, value) in &call.parameter_headers {
        headers.insert(name.clone(), value.clone());
    }
}

fn params(call: &UpstreamCall, meta: Option<&str>) -> String {
    let mut params = format!(r#"{{"name":{}"#, serde_json::Value::from(call.tool.as_str()));
    for (key, json) in [("arguments", call.arguments.as_deref().map(RawValue::get)), ("_meta", meta)] {
        if let Some(json) = json {
            params.extend([",\"", key, "\":", json]);
        }
    }
    params.push('}');
    params
}
