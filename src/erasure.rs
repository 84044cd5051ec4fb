//! What is left to do once the book says that a person was erased: their data keys are destroyed, and
//! forgotten by every replica. Done again whenever the book is followed from its beginning, so that a
//! restored database, which has the keys again, loses them again.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tollbook_vault::{KeyId, Vault, VaultError};

use crate::authority::{Authority, Erased, Live};

/// A replica that keeps an erased person's key in memory forgets it within this time.
const EVERY: Duration = Duration::from_millis(500);

/// Destroys the data keys of one erased person. Twice is harmless.
///
/// # Errors
/// When the vault's store can't be reached.
pub async fn destroy(vault: &Vault, erased: &Erased) -> Result<(), VaultError> {
    vault.forget_workspace(erased.user_id.0);
    for key in &erased.key_ids {
        vault.destroy(KeyId::from(*key)).await?;
    }
    Ok(())
}

/// Follows the book's erasures until `stop` fires.
pub async fn follow(authority: Authority, vault: Arc<Vault>, stop: CancellationToken) {
    let mut done = 0;
    loop {
        // After the book lost its tail, the state begins anew.
        done = authority.look(|live| done.min(live.erased().len()));
        while let Some(erased) = authority.look(|live: &Live| live.erased().get(done).cloned()) {
            if let Err(error) = destroy(&vault, &erased).await {
                tracing::error!(%error, user = %erased.user_id, "an erased person's keys are not destroyed yet");
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
