//! Carrying out a call whose permit is durable.
//!
//! Whatever happens on the way, the call's outcome is recorded, and only once: an answer, a failure,
//! a timeout, or, when nobody waits any more, that it was cancelled. Dropping what [`forward`] gives
//! cancels the call at the tool server too.

use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt as _, unfold};
use tokio::select;
use tokio_util::sync::CancellationToken;

use crate::calls::OpenCall;
use crate::mcp::RpcError;
use crate::upstream::{Answer, Frame, ToolResult, UpstreamAnswer, UpstreamCall, UpstreamError, Upstreams};

/// One step of a call.
#[derive(Debug)]
pub enum Step {
    /// A progress notification, whole, under the agent's own token.
    Progress(String),
    /// A log message.
    Log {
        /// How grave it is, as the server named it.
        level: String,
        /// The whole notification.
        message: String,
    },
    /// The last step.
    Ended(Ended),
}

/// How a call ended.
#[derive(Debug)]
pub enum Ended {
    /// The tool ran.
    Result(ToolResult),
    /// The tool server refused the call: its parameters were wrong, say.
    Refused(RpcError),
    /// The tool server couldn't be asked, or its answer not be used.
    Failed(UpstreamError),
    /// The session ended, the service stops, or the client took it back.
    Interrupted,
}

/// Forwards a call. Nothing happens until the first step is asked for. `taken_back` ends it early.
pub fn forward(
    open: OpenCall,
    upstreams: &Upstreams,
    call: UpstreamCall,
    taken_back: CancellationToken,
) -> BoxStream<'static, Step> {
    let (upstreams, target) = (upstreams.clone(), open.target().clone());
    let start = async move { upstreams.call_tool(&target, &call).await };
    let way =
        Way { session_ended: open.cancelled(), taken_back, phase: Phase::Starting(Box::pin(start)), open };
    unfold(Some(way), |way| async move {
        let mut way = way?;
        match way.step().await {
            Step::Ended(ended) => {
                let bytes = way.received();
                let Way { open, .. } = way;
                record(open, &ended, bytes);
                Some((Step::Ended(ended), None))
            }
            step => Some((step, Some(way))),
        }
    })
    .boxed()
}

/// Forwards a call and waits for its end; what comes before is dropped.
pub async fn collect(open: OpenCall, upstreams: &Upstreams, call: UpstreamCall) -> Ended {
    let mut steps = forward(open, upstreams, call, CancellationToken::new());
    while let Some(step) = steps.next().await {
        if let Step::Ended(ended) = step {
            return ended;
        }
    }
    // A stream of steps always has a last one.
    Ended::Interrupted
}

/// A call on its way. Its fields are dropped in this order: first the request, then the right to it.
struct Way {
    phase: Phase,
    session_ended: CancellationToken,
    taken_back: CancellationToken,
    open: OpenCall,
}

enum Phase {
    Starting(BoxFuture<'static, Result<UpstreamAnswer, UpstreamError>>),
    Answering(Box<UpstreamAnswer>),
}

impl Way {
    async fn step(&mut self) -> Step {
        select! {
            biased;
            () = self.session_ended.cancelled() => Step::Ended(Ended::Interrupted),
            () = self.taken_back.cancelled() => Step::Ended(Ended::Interrupted),
            step = self.phase.advance() => step.unwrap_or_else(|error| Step::Ended(Ended::Failed(error))),
        }
    }

    fn received(&self) -> u64 {
        match &self.phase {
            Phase::Starting(_) => 0,
            Phase::Answering(answer) => answer.received(),
        }
    }
}

impl Phase {
    async fn advance(&mut self) -> Result<Step, UpstreamError> {
        if let Self::Starting(start) = self {
            *self = Self::Answering(Box::new(start.await?));
        }
        let Self::Answering(answer) = self else { return Ok(Step::Ended(Ended::Interrupted)) };
        Ok(match answer.next().await? {
            Frame::Progress(message) => Step::Progress(message),
            Frame::Log { level, message } => Step::Log { level, message },
            Frame::Answer(Answer::Result(result)) => Step::Ended(Ended::Result(result)),
            Frame::Answer(Answer::Error(error)) => Step::Ended(Ended::Refused(error)),
        })
    }
}

fn record(open: OpenCall, ended: &Ended, bytes: u64) {
    match ended {
        Ended::Result(result) => open.completed(bytes, result.is_error),
        Ended::Refused(error) => open.failed("upstream.refused", &error.to_string(), bytes),
        Ended::Failed(UpstreamError::Timeout) => open.timed_out(),
        Ended::Failed(error) => open.failed(error.code(), &error.to_string(), bytes),
        Ended::Interrupted => open.cancel(bytes),
    }
}
