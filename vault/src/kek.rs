//! Key-encryption keys: they wrap data keys, and never see a value.

mod held;

use async_trait::async_trait;

pub use held::HeldKey;

use crate::{KeyMaterial, NoRandomness};

/// A key-encryption key, wherever it lives. May wait for a network.
#[async_trait]
pub trait KeyEncryption: Send + Sync {
    /// The key's public name: stored with every key that it wrapped.
    fn id(&self) -> &str;

    /// Wraps `key`, bound to `context`.
    async fn wrap(&self, key: &KeyMaterial, context: &[u8]) -> Result<Vec<u8>, KekError>;

    /// Unwraps what [`wrap`](Self::wrap) made for the same `context`.
    async fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<KeyMaterial, KekError>;
}

/// Why a data key could not be wrapped or unwrapped.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    /// Another key-encryption key is configured than the one that wrapped the data key.
    #[error("the configured key-encryption key is `{configured}`")]
    Other {
        /// The id of the key that is configured.
        configured: String,
    },
    /// It can't be reached, or it refuses to serve.
    #[error("the key-encryption key can't be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was to be unwrapped was changed, or belongs elsewhere.
    #[error("the wrapped key does not belong here")]
    Refused,
    /// No nonce could be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}
