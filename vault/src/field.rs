//! Sealed fields of events: the value lies sealed beside the event, a commitment to it stands in the
//! event's entry.
//!
//! ```text
//! commitment = SHA-256(salt 32 ‖ field ‖ value)        sealed = salt ‖ value
//! ```
//!
//! The salt is sealed together with the value, so re-sealing changes no proof, and destroying the
//! data key leaves a commitment that nobody can test guesses against. Field and value are told apart
//! by the entry, which names the field.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    BelongsTo, Class, KeyId, Plaintext, Purpose, Sealed, Vault, VaultError,
    envelope::{self, Parts},
    key::DataKey,
    randomness,
};

const SALT: usize = 32;

/// A field of an event, sealed: the commitment goes into the event, the rest beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedBody {
    /// What stands for the value in the event's entry.
    pub commitment: [u8; 32],
    /// The data key that sealed it.
    pub key_id: KeyId,
    /// The whole envelope, [`Sealed::as_bytes`].
    pub ciphertext: Vec<u8>,
}

/// What stands for a value in an event's entry.
pub fn commitment(salt: &[u8; SALT], field: &str, value: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(field).chain_update(value).finalize().into()
}

/// Why the fields that a key seals are kept: who opens one needn't know whether it is about a person.
fn purpose_of(key: &DataKey) -> Purpose {
    if key.class == Class::People { Purpose::PersonalBody } else { Purpose::EventBody }
}

/// Where a field of an event belongs. An event never changes, so its fields have no versions.
fn place(purpose: Purpose, workspace: Uuid, event_id: Uuid, field: &str) -> BelongsTo<'_> {
    BelongsTo { purpose, workspace, owner: event_id, field, version: 0, origin: None, issuer: None }
}

impl Vault {
    /// Seals the value of an event's field.
    pub async fn seal_field(
        &self,
        workspace: Uuid,
        event_id: Uuid,
        field: &str,
        value: &[u8],
    ) -> Result<SealedBody, VaultError> {
        let key = self.current_key(workspace, Class::Bodies).await?;
        self.seal_field_with(&key, &place(Purpose::EventBody, workspace, event_id, field), value)
    }

    /// [`Vault::seal_field`], for what is about a person: under that person's own key.
    pub async fn seal_field_about(
        &self,
        person: Uuid,
        workspace: Uuid,
        event_id: Uuid,
        field: &str,
        value: &[u8],
    ) -> Result<SealedBody, VaultError> {
        let key = self.current_key(person, Class::People).await?;
        self.seal_field_with(&key, &place(Purpose::PersonalBody, workspace, event_id, field), value)
    }

    /// [`Vault::seal_field`] without waiting: `None` when the data key isn't in memory.
    pub fn try_seal_field(
        &self,
        workspace: Uuid,
        event_id: Uuid,
        field: &str,
        value: &[u8],
    ) -> Result<Option<SealedBody>, VaultError> {
        let key = self.cache.current(workspace, Class::Bodies);
        key.map(|key| {
            self.seal_field_with(&key, &place(Purpose::EventBody, workspace, event_id, field), value)
        })
        .transpose()
    }

    fn seal_field_with(
        &self,
        key: &DataKey,
        place: &BelongsTo<'_>,
        value: &[u8],
    ) -> Result<SealedBody, VaultError> {
        let salt: [u8; SALT] = randomness::bytes(self.random.as_ref())?;
        let nonce = randomness::bytes(self.random.as_ref())?;
        let sealed: Sealed = envelope::seal(&key.cipher, key.id, nonce, place, &[&salt, value])?;
        let commitment = commitment(&salt, place.field, value);
        Ok(SealedBody { commitment, key_id: key.id, ciphertext: sealed.into_bytes() })
    }

    /// Opens the value of an event's field, and makes sure that it is the one that was committed to.
    pub async fn open_field(
        &self,
        workspace: Uuid,
        event_id: Uuid,
        field: &str,
        body: &SealedBody,
    ) -> Result<Plaintext, VaultError> {
        let parts = Parts::of(&body.ciphertext)?;
        let key = self.key(parts.key).await?;
        open_field_with(&key, &place(purpose_of(&key), workspace, event_id, field), body, &parts)
    }

    /// [`Vault::open_field`] without waiting: `None` when the data key isn't in memory.
    pub fn try_open_field(
        &self,
        workspace: Uuid,
        event_id: Uuid,
        field: &str,
        body: &SealedBody,
    ) -> Result<Option<Plaintext>, VaultError> {
        let parts = Parts::of(&body.ciphertext)?;
        let key = self.cache.get(parts.key);
        key.map(|key| {
            open_field_with(&key, &place(purpose_of(&key), workspace, event_id, field), body, &parts)
        })
        .transpose()
    }
}

fn open_field_with(
    key: &DataKey,
    place: &BelongsTo<'_>,
    body: &SealedBody,
    parts: &Parts<'_>,
) -> Result<Plaintext, VaultError> {
    key.serves(place)?;
    if body.key_id != parts.key {
        return Err(VaultError::NotForThis);
    }
    let salted = envelope::open(&key.cipher, place, parts)?;
    let (salt, value) = salted.split_first_chunk::<SALT>().ok_or(VaultError::Malformed)?;
    if commitment(salt, place.field, value) != body.commitment {
        return Err(VaultError::NotAsCommitted);
    }
    Ok(Plaintext::after(salted, SALT))
}
