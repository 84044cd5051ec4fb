//! The body of an answer, bounded in time, and in size where it is collected.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream::BoxStream};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::{Limits, OutboundError};

/// A body that is on its way. As a stream it ends with an error when the server pauses for longer
/// than [`Limits::idle`], or the connection breaks: an end without an error is the whole body.
pub struct Body {
    chunks: BoxStream<'static, reqwest::Result<Bytes>>,
    limits: Limits,
    length: Option<u64>,
    /// Made when first needed: an answer that is there at once needs no timer.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    ended: bool,
}

impl Body {
    pub(super) fn new(answer: reqwest::Response, limits: Limits) -> Self {
        let length = answer.content_length();
        Self {
            chunks: answer.bytes_stream().boxed(),
            limits,
            length,
            timer: None,
            waiting: false,
            ended: false,
        }
    }

    /// The whole body, if it has at most `max` bytes and comes within [`Limits::collect`].
    pub async fn collect(self, max: usize) -> Result<Bytes, OutboundError> {
        // Longer than a usize is longer than any limit.
        let announced = self.length.map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
        if announced > max {
            return Err(OutboundError::TooLarge);
        }
        let limit = self.limits.collect;
        timeout(limit, self.gather(max)).await.map_err(|_| OutboundError::CollectTimeout)?
    }

    async fn gather(mut self, max: usize) -> Result<Bytes, OutboundError> {
        let Some(first) = self.next().await.transpose()? else { return Ok(Bytes::new()) };
        if first.len() > max {
            return Err(OutboundError::TooLarge);
        }
        // Most answers are one chunk, and need no copy.
        let Some(mut chunk) = self.next().await.transpose()? else { return Ok(first) };
        let mut whole = BytesMut::from(first);
        loop {
            if chunk.len() > max - whole.len() {
                return Err(OutboundError::TooLarge);
            }
            whole.extend_from_slice(&chunk);
            match self.next().await.transpose()? {
                Some(next) => chunk = next,
                None => return Ok(whole.freeze()),
            }
        }
    }

    /// Is the pause too long? Counted from when the reader began to wait, so a reader that was busy
    /// elsewhere isn't taken for a server that stopped.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let idle = self.limits.idle;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(idle)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(Instant::now() + idle);
        }
        timer.as_mut().poll(cx)
    }
}

impl Stream for Body {
    type Item = Result<Bytes, OutboundError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let item = match self.chunks.poll_next_unpin(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                self.waiting = false;
                return Poll::Ready(Some(Ok(chunk)));
            }
            Poll::Ready(Some(Err(error))) => Some(Err(OutboundError::Broken(error.without_url()))),
            Poll::Ready(None) => None,
            Poll::Pending => match self.poll_patience(cx) {
                Poll::Ready(()) => Some(Err(OutboundError::IdleTimeout)),
                Poll::Pending => return Poll::Pending,
            },
        };
        self.ended = true;
        Poll::Ready(item)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("length", &self.length)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
