//! The vault itself: which data key, from where, and what to do when it isn't there.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    BelongsTo, Class, KekError, KeyEncryption, KeyId, KeyMaterial, KeyStore, Plaintext, Randomness, Sealed,
    StoredKey, VaultError, WrappedKey,
    cache::KeyCache,
    envelope::{self, Parts},
    key::DataKey,
    randomness,
};

/// Seals and opens. One for the whole service; shared by reference.
pub struct Vault {
    kek: Arc<dyn KeyEncryption>,
    store: Arc<dyn KeyStore>,
    pub(crate) random: Arc<dyn Randomness>,
    pub(crate) cache: KeyCache,
}

impl Vault {
    /// A vault that keeps at most `cached_keys` unwrapped data keys in memory (some 0.5 KB each).
    pub fn new(
        kek: Arc<dyn KeyEncryption>,
        store: Arc<dyn KeyStore>,
        random: Arc<dyn Randomness>,
        cached_keys: usize,
    ) -> Self {
        Self { kek, store, random, cache: KeyCache::new(cached_keys) }
    }

    /// Seals `value` for the place that it `belongs` to. Makes the workspace's data key on first use.
    pub async fn seal(&self, belongs: &BelongsTo<'_>, value: &[u8]) -> Result<Sealed, VaultError> {
        let key = self.current_key(belongs.workspace, belongs.purpose.class()).await?;
        self.seal_with(&key, belongs, value)
    }

    /// [`Vault::seal`] without waiting: `None` when the data key isn't in memory.
    pub fn try_seal(&self, belongs: &BelongsTo<'_>, value: &[u8]) -> Result<Option<Sealed>, VaultError> {
        let key = self.cache.current(belongs.workspace, belongs.purpose.class());
        key.map(|key| self.seal_with(&key, belongs, value)).transpose()
    }

    /// HMAC-SHA-256 of `value` under a key of the workspace: tells whether two values are the same,
    /// and after the workspace's keys are destroyed nobody can tell by it what a value was.
    pub async fn digest(&self, workspace: Uuid, value: &[u8]) -> Result<[u8; 32], VaultError> {
        Ok(self.current_key(workspace, Class::Bodies).await?.digest(value))
    }

    fn seal_with(&self, key: &DataKey, belongs: &BelongsTo<'_>, value: &[u8]) -> Result<Sealed, VaultError> {
        let nonce = randomness::bytes(self.random.as_ref())?;
        envelope::seal(&key.cipher, key.id, nonce, belongs, &[value])
    }

    /// Opens what was sealed for exactly this place.
    pub async fn open(&self, belongs: &BelongsTo<'_>, sealed: &[u8]) -> Result<Plaintext, VaultError> {
        let parts = Parts::of(sealed)?;
        let key = self.key(parts.key).await?;
        open_with(&key, belongs, &parts)
    }

    /// [`Vault::open`] without waiting: `None` when the data key isn't in memory.
    pub fn try_open(&self, belongs: &BelongsTo<'_>, sealed: &[u8]) -> Result<Option<Plaintext>, VaultError> {
        let parts = Parts::of(sealed)?;
        let key = self.cache.get(parts.key);
        key.map(|key| open_with(&key, belongs, &parts)).transpose()
    }

    /// Brings a workspace's data key into memory, making it if need be, so that the `try_` ways
    /// work from here on.
    pub async fn prepare(&self, workspace: Uuid, class: Class) -> Result<(), VaultError> {
        self.current_key(workspace, class).await.map(drop)
    }

    /// The name of the key of a workspace (or a person) and class, if there is one that lives.
    pub async fn live_key(&self, workspace: Uuid, class: Class) -> Result<Option<KeyId>, VaultError> {
        Ok(match self.store.find(workspace, class).await? {
            Some(StoredKey::Live(key)) => Some(key.id),
            Some(StoredKey::Destroyed(_)) | None => None,
        })
    }

    /// Destroys a data key and forgets it here. Other replicas forget when they read of it
    /// ([`Vault::forget_workspace`]). Says whether the key was live.
    pub async fn destroy(&self, key: KeyId) -> Result<bool, VaultError> {
        let destroyed = self.store.destroy(key).await;
        self.cache.forget(|held| held.id == key);
        Ok(destroyed?)
    }

    /// Forgets a workspace's data keys: after this, the store is asked again whether they live.
    pub fn forget_workspace(&self, workspace: Uuid) {
        self.cache.forget(|held| held.workspace == workspace);
    }

    pub(crate) async fn current_key(
        &self,
        workspace: Uuid,
        class: Class,
    ) -> Result<Arc<DataKey>, VaultError> {
        if let Some(key) = self.cache.current(workspace, class) {
            return Ok(key);
        }
        let epoch = self.cache.epoch();
        let stored = match self.store.find(workspace, class).await? {
            Some(stored) => stored,
            None => self.store.insert_if_absent(self.new_key(workspace, class).await?).await?,
        };
        let key = self.unwrap(stored).await?;
        if (key.workspace, key.class) != (workspace, class) {
            return Err(VaultError::NotForThis);
        }
        self.cache.put(epoch, &key, true);
        Ok(key)
    }

    pub(crate) async fn key(&self, id: KeyId) -> Result<Arc<DataKey>, VaultError> {
        if let Some(key) = self.cache.get(id) {
            return Ok(key);
        }
        let epoch = self.cache.epoch();
        let stored = self.store.get(id).await?.ok_or(VaultError::UnknownKey(id))?;
        // A row in another's place is found out when its key opens nothing: the id is authenticated.
        let key = self.unwrap(stored).await?;
        // Whether it is the current one is known only to `find`.
        self.cache.put(epoch, &key, false);
        Ok(key)
    }

    async fn new_key(&self, workspace: Uuid, class: Class) -> Result<WrappedKey, VaultError> {
        let id = KeyId::random(self.random.as_ref())?;
        let material = KeyMaterial::generate(self.random.as_ref())?;
        let kek_id = self.kek.id().to_owned();
        let context = WrappedKey::context(id, workspace, class, &kek_id);
        let wrapped =
            self.kek.wrap(&material, &context).await.map_err(|reason| kek_error(&kek_id, reason))?;
        Ok(WrappedKey { id, workspace, class, kek_id, wrapped })
    }

    async fn unwrap(&self, stored: StoredKey) -> Result<Arc<DataKey>, VaultError> {
        let key = match stored {
            StoredKey::Live(key) => key,
            StoredKey::Destroyed(id) => return Err(VaultError::Destroyed(id)),
        };
        if key.kek_id != self.kek.id() {
            let reason = KekError::Other { configured: self.kek.id().to_owned() };
            return Err(kek_error(&key.kek_id, reason));
        }
        let context = WrappedKey::context(key.id, key.workspace, key.class, &key.kek_id);
        let material = self.kek.unwrap(&key.wrapped, &context).await;
        let material = material.map_err(|reason| kek_error(&key.kek_id, reason))?;
        Ok(Arc::new(DataKey::new(key.id, key.workspace, key.class, &material)))
    }
}

fn open_with(key: &DataKey, belongs: &BelongsTo<'_>, parts: &Parts<'_>) -> Result<Plaintext, VaultError> {
    key.serves(belongs)?;
    envelope::open(&key.cipher, belongs, parts).map(Plaintext::new)
}

fn kek_error(wanted: &str, reason: KekError) -> VaultError {
    match reason {
        KekError::Refused => VaultError::NotForThis,
        KekError::NoRandomness(reason) => reason.into(),
        KekError::Other { .. } | KekError::Unreachable(_) => {
            VaultError::KekUnavailable { wanted: wanted.to_owned(), reason }
        }
    }
}
