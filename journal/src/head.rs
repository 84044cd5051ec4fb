//! Reading the head, once for all who ask at the same time.

use std::time::Instant;

use tokio::sync::Mutex;

use crate::event::Position;
use crate::read::ReadError;

/// How far the book reached at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The next position that the book will assign.
    pub next: Position,
    /// When the read of it began: all that was acknowledged before then lies before `next`.
    pub read_at: Instant,
}

/// Whoever asks gets a head whose read began after the question. While one read is under way all
/// further questions gather, and the next read answers them together.
#[derive(Default)]
pub(crate) struct Heads {
    last: Mutex<Option<Head>>,
}

impl Heads {
    /// `reading` is only begun if nobody else's will do.
    pub(crate) async fn read(
        &self,
        reading: impl Future<Output = Result<Position, ReadError>>,
    ) -> Result<Head, ReadError> {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        if let Some(head) = last.filter(|head| head.read_at >= asked) {
            return Ok(head);
        }
        let read_at = Instant::now();
        let head = Head { next: reading.await?, read_at };
        *last = Some(head);
        Ok(head)
    }
}
