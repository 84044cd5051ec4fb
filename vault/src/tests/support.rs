//! What the tests share: a store in memory, randomness that repeats, a key that can be taken away.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use rand::{RngCore, SeedableRng, rngs::StdRng};
use uuid::Uuid;

use crate::{
    BelongsTo, Class, HeldKey, KekError, KeyEncryption, KeyId, KeyMaterial, KeyStore, NoRandomness, Purpose,
    Randomness, StoreError, StoredKey, Vault, VaultError, WrappedKey,
};

/// A table of data keys with the promises of [`KeyStore`].
#[derive(Default)]
pub(super) struct MemoryStore {
    rows: Mutex<HashMap<KeyId, StoredKey>>,
    current: Mutex<HashMap<(Uuid, Class), KeyId>>,
    pub(super) reads: AtomicUsize,
}

impl MemoryStore {
    /// What somebody with access to the database can do.
    pub(super) fn tamper(&self, change: impl FnOnce(&mut HashMap<KeyId, StoredKey>)) {
        change(&mut self.rows.lock().unwrap());
    }

    pub(super) fn live(&self, id: KeyId) -> WrappedKey {
        match self.rows.lock().unwrap().get(&id) {
            Some(StoredKey::Live(key)) => key.clone(),
            other => panic!("no live key: {other:?}"),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.rows.lock().unwrap().len()
    }
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn find(&self, workspace: Uuid, class: Class) -> Result<Option<StoredKey>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        // Lets every concurrent caller see an empty table, so that they race to insert.
        tokio::task::yield_now().await;
        let id = self.current.lock().unwrap().get(&(workspace, class)).copied();
        Ok(id.and_then(|id| self.rows.lock().unwrap().get(&id).cloned()))
    }

    async fn get(&self, key: KeyId) -> Result<Option<StoredKey>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Ok(self.rows.lock().unwrap().get(&key).cloned())
    }

    async fn insert_if_absent(&self, key: WrappedKey) -> Result<StoredKey, StoreError> {
        let mut rows = self.rows.lock().unwrap();
        let id = *self.current.lock().unwrap().entry((key.workspace, key.class)).or_insert(key.id);
        Ok(rows.entry(id).or_insert(StoredKey::Live(key)).clone())
    }

    async fn destroy(&self, key: KeyId) -> Result<bool, StoreError> {
        let before = self.rows.lock().unwrap().insert(key, StoredKey::Destroyed(key));
        Ok(matches!(before, Some(StoredKey::Live(_))))
    }
}

/// Randomness that is the same in every run.
pub(super) struct Seeded(Mutex<StdRng>);

impl Seeded {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(StdRng::seed_from_u64(seed))))
    }
}

impl Randomness for Seeded {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        self.0.lock().unwrap().fill_bytes(bytes);
        Ok(())
    }
}

/// A key-encryption key that can be taken away, as one behind a network can.
pub(super) struct Removable {
    key: HeldKey,
    pub(super) away: AtomicBool,
}

impl Removable {
    fn reachable(&self) -> Result<(), KekError> {
        if self.away.load(Ordering::Relaxed) { Err(KekError::Unreachable("cut off".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl KeyEncryption for Removable {
    fn id(&self) -> &str {
        self.key.id()
    }

    async fn wrap(&self, key: &KeyMaterial, context: &[u8]) -> Result<Vec<u8>, KekError> {
        self.reachable()?;
        self.key.wrap(key, context).await
    }

    async fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<KeyMaterial, KekError> {
        self.reachable()?;
        self.key.unwrap(wrapped, context).await
    }
}

/// No two houses have the same randomness.
static HOUSES: AtomicU64 = AtomicU64::new(0);

/// A vault, and its parts within reach.
pub(super) struct House {
    pub(super) vault: Vault,
    pub(super) store: Arc<MemoryStore>,
    pub(super) kek: Arc<Removable>,
}

impl House {
    pub(super) fn new() -> Self {
        Self::on(Arc::default(), &"ab".repeat(32), 64)
    }

    /// A vault on `store`, as another replica or a restarted service has it.
    pub(super) fn on(store: Arc<MemoryStore>, kek: &str, cached_keys: usize) -> Self {
        let random = Seeded::new(HOUSES.fetch_add(1, Ordering::Relaxed));
        let key = HeldKey::from_value(kek, random.clone()).unwrap();
        let kek = Arc::new(Removable { key, away: AtomicBool::new(false) });
        let vault = Vault::new(kek.clone(), store.clone(), random, cached_keys);
        Self { vault, store, kek }
    }

    pub(super) fn restarted(&self) -> Self {
        Self::on(self.store.clone(), &"ab".repeat(32), 64)
    }
}

pub(super) fn workspace(n: u128) -> Uuid {
    Uuid::from_u128(0x0057_0000 + n)
}

pub(super) fn header() -> BelongsTo<'static> {
    BelongsTo {
        purpose: Purpose::StaticHeader,
        workspace: workspace(1),
        owner: Uuid::from_u128(7),
        field: "authorization",
        version: 3,
        origin: Some("https://tools.example"),
        issuer: Some("https://issuer.example"),
    }
}

/// The error of a result whose success can't be printed.
pub(super) fn refusal<T>(result: Result<T, VaultError>) -> VaultError {
    result.err().expect("this should have been refused")
}
