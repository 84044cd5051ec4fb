//! Where wrapped data keys rest.

use async_trait::async_trait;
use uuid::Uuid;

use crate::{Class, KeyId, StoredKey, WrappedKey};

/// The data keys could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the store of data keys is unavailable")]
pub struct StoreError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The table of wrapped data keys. The service implements it on the journal's database.
///
/// A (workspace, class) has at most one *current* key. A destroyed key keeps its row without the
/// wrapped bytes, and keeps its place: what was erased must not quietly begin again.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// The current key of a workspace and class.
    async fn find(&self, workspace: Uuid, class: Class) -> Result<Option<StoredKey>, StoreError>;

    /// Any key by its name, current or retired.
    async fn get(&self, key: KeyId) -> Result<Option<StoredKey>, StoreError>;

    /// Makes `key` the current one of its workspace and class, unless there is one, live or
    /// destroyed. Answers with the one that is current now: of many callers, all get the same.
    async fn insert_if_absent(&self, key: WrappedKey) -> Result<StoredKey, StoreError>;

    /// Destroys a key: its wrapped bytes are gone when this returns. Says whether it was live.
    async fn destroy(&self, key: KeyId) -> Result<bool, StoreError>;
}
