//! Data keys: what they are called, what they are for, and how they rest in the store.

use std::{fmt, str::FromStr};

use aes_gcm_siv::{Aes256GcmSiv, KeyInit};
use hmac::{Hmac, Mac};
use secrecy::zeroize::Zeroizing;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::{BelongsTo, KeyMaterial, NoRandomness, Randomness, VaultError, belongs_to::Encoding, randomness};

/// The name of a data key: random, public, and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(Uuid);

impl KeyId {
    pub(crate) fn random(random: &dyn Randomness) -> Result<Self, NoRandomness> {
        Ok(Self(Builder::from_random_bytes(randomness::bytes(random)?).into_uuid()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// As it is stored.
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for KeyId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a data key seals. Each is destroyed on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Headers, tokens, client secrets: what is sent to others.
    Secrets,
    /// What events say about people, and captured arguments and results.
    Bodies,
    /// What events say about one person, in whichever workspace: the key belongs to the person, whose id
    /// stands in the workspace's place.
    People,
    /// Answers kept for idempotency keys, for a day.
    Answers,
}

impl Class {
    /// Its name in the store and in the context that a data key is wrapped with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::Bodies => "bodies",
            Self::People => "people",
            Self::Answers => "answers",
        }
    }
}

/// The store named a class that this version doesn't know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a class of data keys")]
pub struct ParseClassError(String);

impl FromStr for Class {
    type Err = ParseClassError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Secrets, Self::Bodies, Self::People, Self::Answers]
            .into_iter()
            .find(|class| class.name() == name)
            .ok_or_else(|| ParseClassError(name.to_owned()))
    }
}

/// A data key as it rests in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Its name.
    pub id: KeyId,
    /// The workspace that it belongs to, or [`INSTANCE`](crate::INSTANCE); the person, for [`Class::People`].
    pub workspace: Uuid,
    /// What it seals.
    pub class: Class,
    /// The key-encryption key that wrapped it.
    pub kek_id: String,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
}

impl WrappedKey {
    /// What the wrapping is bound to: a wrapped key moved to another row doesn't unwrap.
    pub(crate) fn context(id: KeyId, workspace: Uuid, class: Class, kek_id: &str) -> Vec<u8> {
        let mut encoding = Encoding::new(b"tollbook/wrapped-key/1");
        encoding
            .part(id.as_bytes())
            .part(workspace.as_bytes())
            .part(class.name().as_bytes())
            .part(kek_id.as_bytes());
        encoding.0
    }
}

/// What the store knows of a data key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredKey {
    /// It can be unwrapped.
    Live(WrappedKey),
    /// It is gone for good; only its name is left, so that its ciphertexts can be told from foreign ones.
    Destroyed(KeyId),
}

/// An unwrapped data key, wiped when the last holder drops it.
pub(crate) struct DataKey {
    pub(crate) id: KeyId,
    pub(crate) workspace: Uuid,
    pub(crate) class: Class,
    pub(crate) cipher: Aes256GcmSiv,
    digest: Zeroizing<[u8; 32]>,
}

impl DataKey {
    pub(crate) fn new(id: KeyId, workspace: Uuid, class: Class, material: &KeyMaterial) -> Self {
        let digest =
            Sha256::new().chain_update(b"tollbook/digest/1").chain_update(material.expose()).finalize();
        let digest = Zeroizing::new(digest.into());
        Self { id, workspace, class, cipher: Aes256GcmSiv::new(material.expose().into()), digest }
    }

    /// HMAC-SHA-256 of `value` under a key of its own, derived from this one and gone with it.
    pub(crate) fn digest(&self, value: &[u8]) -> [u8; 32] {
        let mut block = Zeroizing::new([0; 64]);
        for (padded, byte) in block.iter_mut().zip(self.digest.iter()) {
            *padded = *byte;
        }
        let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new((&*block).into());
        mac.update(value);
        mac.finalize().into_bytes().into()
    }

    /// Refuses places of another workspace or class. The associated data would refuse them too;
    /// this doesn't depend on who could write to the store.
    pub(crate) fn serves(&self, belongs: &BelongsTo<'_>) -> Result<(), VaultError> {
        // What is about a person lies in many workspaces.
        let place = self.class == Class::People || self.workspace == belongs.workspace;
        let served = place && self.class == belongs.purpose.class();
        served.then_some(()).ok_or(VaultError::NotForThis)
    }
}
