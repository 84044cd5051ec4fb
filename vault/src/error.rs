//! What can go wrong in the vault. No message carries a value, a key or a ciphertext.

use crate::{KekError, KeyId, NoRandomness, StoreError};

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key-encryption key can't be used now, so nothing that isn't in memory opens. For an
    /// operator: bring back the key named here.
    #[error("the key-encryption key `{wanted}` is unavailable")]
    KekUnavailable {
        /// The id of the key-encryption key that is needed.
        wanted: String,
        /// Why it can't be used.
        #[source]
        reason: KekError,
    },
    /// The store has never heard of the data key.
    #[error("the data key `{0}` is unknown")]
    UnknownKey(KeyId),
    /// The data key was destroyed: what it sealed is erased, and nothing new is sealed in its place.
    #[error("the data key `{0}` was destroyed")]
    Destroyed(KeyId),
    /// It was sealed for something else, or was changed. The two can't be told apart.
    #[error("the sealed value does not belong here")]
    NotForThis,
    /// The value opened, but isn't the one that the event committed to.
    #[error("the sealed value is not the one that was committed to")]
    NotAsCommitted,
    /// The bytes don't have the shape of a sealed value, or are of a later version.
    #[error("not a sealed value")]
    Malformed,
    /// More than the cipher takes (64 GiB).
    #[error("the value is too large to seal")]
    TooLarge,
    /// Data keys can't be read or written now.
    #[error("the store of data keys is unavailable")]
    StoreUnavailable(#[from] StoreError),
    /// The operating system gave no randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}
