//! Noticing that the book grew: notifications, and a poll as the net under them.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use tokio::time::sleep;

use crate::batcher::Shared;
use crate::event::Position;
use crate::reading::Reads;

/// The channel that `append_batch` notifies, with the head as the payload.
const CHANNEL: &str = "tollbook";

/// Follows notifications until the journal closes.
pub(crate) async fn listen(pool: PgPool, shared: Shared) {
    let closing = shared.closing.clone();
    closing.run_until_cancelled(listen_forever(pool, shared)).await;
}

async fn listen_forever(pool: PgPool, shared: Shared) {
    loop {
        if let Err(error) = follow(&pool, &shared).await {
            tracing::warn!(%error, "the book's notifications cannot be heard; polling goes on");
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn follow(pool: &PgPool, shared: &Shared) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // `None` is a connection that was lost and made again: the poll catches up.
        if let Some(notification) = listener.try_recv().await?
            && let Ok(head) = notification.payload().parse()
        {
            shared.grew_to(Position(head));
        }
    }
}

/// Reads the head every so often until the journal closes.
pub(crate) async fn poll(reads: Reads, shared: Shared, every: Duration) {
    let closing = shared.closing.clone();
    let forever = async {
        loop {
            sleep(every).await;
            match reads.head().await {
                Ok(head) => shared.grew_to(head.next),
                Err(error) => tracing::debug!(%error, "the head cannot be read"),
            }
        }
    };
    closing.run_until_cancelled(forever).await;
}
