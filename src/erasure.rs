//! What is left to do once the book says that a person was erased: their data keys are destroyed, and
//! forgotten by every replica, as is when their credentials were last used. Done again whenever the book is
//! followed from its beginning, so that a restored database, which has all of it again, loses it again.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tollbook_vault::{KeyId, Vault, VaultError};

use crate::authority::{Authority, Erased, Live};
use crate::last_used::{self, LastUsed};

/// A replica that keeps something of an erased person in memory forgets it within this time.
const EVERY: Duration = Duration::from_millis(500);

/// What is left of an erased person can't be destroyed.
#[derive(Debug, thiserror::Error)]
pub enum Undestroyed {
    /// Their data keys.
    #[error(transparent)]
    Keys(#[from] VaultError),
    /// When their credentials were last used.
    #[error(transparent)]
    LastUsed(#[from] last_used::Unavailable),
}

/// Destroys what is left of one erased person. Twice is harmless.
///
/// # Errors
/// When what it lies in can't be reached.
pub async fn destroy(vault: &Vault, last_used: &LastUsed, erased: &Erased) -> Result<(), Undestroyed> {
    vault.forget_workspace(erased.user_id.0);
    for key in &erased.key_ids {
        vault.destroy(KeyId::from(*key)).await?;
    }
    Ok(last_used.forget(erased.user_id).await?)
}

/// Follows the book's erasures until `stop` fires.
pub async fn follow(
    authority: Authority,
    vault: Arc<Vault>,
    last_used: Arc<LastUsed>,
    stop: CancellationToken,
) {
    let mut done = 0;
    loop {
        // After the book lost its tail, the state begins anew.
        done = authority.look(|live| done.min(live.erased().len()));
        while let Some(erased) = authority.look(|live: &Live| live.erased().get(done).cloned()) {
            if let Err(error) = destroy(&vault, &last_used, &erased).await {
                tracing::error!(%error, user = %erased.user_id, "what is left of an erased person is not destroyed yet");
                break;
            }
            done += 1;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
