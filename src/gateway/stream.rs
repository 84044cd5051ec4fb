//! Steps of a call as server-sent events, passed on as they come.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName};
use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt as _, unfold};
use tokio::time::timeout;

use super::render::{Rendering, Shown};
use crate::forward::Step;
use crate::mcp::sse;

/// How long a stream is silent before a comment is sent, so that nobody in between takes it for idle.
const SILENCE: Duration = Duration::from_secs(15);

/// A call that is being answered. Dropping it cancels the call.
pub(super) struct Answering {
    pub(super) steps: BoxStream<'static, Step>,
    pub(super) rendering: Rendering,
}

impl Answering {
    /// The next step that the agent may see; nothing after the last one.
    pub(super) async fn next(&mut self) -> Option<Shown> {
        loop {
            let step = self.steps.next().await?;
            if let Some(shown) = self.rendering.shown(step) {
                return Some(shown);
            }
        }
    }

    /// The rest as a stream, `first` before it.
    pub(super) fn into_response(self, first: Option<Shown>) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "text/event-stream"))
            .insert_header((header::CACHE_CONTROL, "no-cache, no-transform"))
            .insert_header((HeaderName::from_static("x-accel-buffering"), "no"))
            .streaming(events(self, first))
    }
}

fn events(
    answering: Answering,
    first: Option<Shown>,
) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
    unfold(Some((answering, first)), |state| async move {
        let (mut answering, first) = state?;
        let shown = match first {
            Some(shown) => Some(shown),
            None => match timeout(SILENCE, answering.next()).await {
                Ok(shown) => shown,
                Err(_) => return Some((Ok(sse::keep_alive()), Some((answering, None)))),
            },
        };
        match shown? {
            Shown::Notification(message) => Some((Ok(sse::event(&message)), Some((answering, None)))),
            Shown::Ended(ended) => Some((Ok(sse::event(&answering.rendering.message(&ended))), None)),
        }
    })
}
