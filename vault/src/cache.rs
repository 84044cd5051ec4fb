//! Unwrapped data keys in memory: bounded, the least recently used goes first.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use uuid::Uuid;

use crate::{Class, KeyId, key::DataKey};

/// Taken before a key is read from the store, and shown when it is put here: a key that was
/// forgotten in between isn't remembered again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

pub(crate) struct KeyCache {
    capacity: usize,
    uses: AtomicU64,
    keys: RwLock<Keys>,
}

#[derive(Default)]
struct Keys {
    epoch: u64,
    by_id: HashMap<KeyId, Entry>,
    current: HashMap<(Uuid, Class), KeyId>,
}

struct Entry {
    key: Arc<DataKey>,
    last_use: AtomicU64,
}

impl KeyCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), uses: AtomicU64::new(0), keys: RwLock::default() }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.read().epoch)
    }

    /// The key that new values of a workspace and class are sealed with.
    pub(crate) fn current(&self, workspace: Uuid, class: Class) -> Option<Arc<DataKey>> {
        let keys = self.read();
        let id = keys.current.get(&(workspace, class))?;
        keys.by_id.get(id).map(|entry| self.touch(entry))
    }

    pub(crate) fn get(&self, id: KeyId) -> Option<Arc<DataKey>> {
        self.read().by_id.get(&id).map(|entry| self.touch(entry))
    }

    fn touch(&self, entry: &Entry) -> Arc<DataKey> {
        entry.last_use.store(self.tick(), Ordering::Relaxed);
        Arc::clone(&entry.key)
    }

    fn tick(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// Remembers a key that was read from the store at `epoch`; `current`, if new values are sealed with it.
    pub(crate) fn put(&self, epoch: Epoch, key: &Arc<DataKey>, current: bool) {
        let mut keys = self.write();
        if Epoch(keys.epoch) != epoch {
            return;
        }
        if !keys.by_id.contains_key(&key.id) && keys.by_id.len() >= self.capacity {
            keys.drop_least_recently_used();
        }
        if current {
            keys.current.insert((key.workspace, key.class), key.id);
        }
        keys.by_id.insert(key.id, Entry { key: Arc::clone(key), last_use: AtomicU64::new(self.tick()) });
    }

    /// Forgets every key for which `which` holds.
    pub(crate) fn forget(&self, which: impl Fn(&DataKey) -> bool) {
        let mut keys = self.write();
        keys.epoch += 1;
        keys.by_id.retain(|_, entry| !which(&entry.key));
        keys.drop_dangling();
    }

    /// A panic elsewhere can't leave the maps half changed in a way that matters: what is missing is
    /// read from the store again.
    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Keys> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    /// Looks at every entry: it happens only on a miss with a full cache, which reads the store anyway.
    fn drop_least_recently_used(&mut self) {
        let oldest = self.by_id.iter().min_by_key(|(_, entry)| entry.last_use.load(Ordering::Relaxed));
        if let Some(id) = oldest.map(|(id, _)| *id) {
            self.by_id.remove(&id);
            self.drop_dangling();
        }
    }

    fn drop_dangling(&mut self) {
        let Self { by_id, current, .. } = self;
        current.retain(|_, id| by_id.contains_key(id));
    }
}
