//! A key-encryption key that is held in memory: given in the environment, or read from a file.

use std::{path::Path, sync::Arc};

use aes_gcm_siv::{
    Aes256GcmSiv, KeyInit, Nonce,
    aead::{Aead, AeadInPlace, Payload},
};
use async_trait::async_trait;
use secrecy::{ExposeSecretMut, SecretBox};

use super::{KekError, KeyEncryption};
use crate::{KeyFileError, KeyMaterial, MalformedKey, Randomness, randomness};

/// The first byte of a wrapped key: `1 | nonce 12 | ciphertext 32 | tag 16`, AES-256-GCM-SIV.
const VERSION: u8 = 1;

/// A key-encryption key in memory. Its id is made from the key, so that it stays the same when an
/// operator moves the key from the file to the environment.
pub struct HeldKey {
    id: String,
    cipher: Aes256GcmSiv,
    random: Arc<dyn Randomness>,
}

impl HeldKey {
    /// Takes a key for key-encryption key.
    pub fn new(key: &KeyMaterial, random: Arc<dyn Randomness>) -> Self {
        let id = format!("held:{}", key.fingerprint("tollbook/kek"));
        Self { id, cipher: Aes256GcmSiv::new(key.expose().into()), random }
    }

    /// From the value of an environment variable (`TOLLBOOK_KEK`): hex or base64.
    pub fn from_value(value: &str, random: Arc<dyn Randomness>) -> Result<Self, MalformedKey> {
        Ok(Self::new(&KeyMaterial::parse(value)?, random))
    }

    /// From a file (`TOLLBOOK_KEK_FILE`); see [`KeyMaterial::load`] for what is refused.
    pub fn from_file(path: &Path, random: Arc<dyn Randomness>) -> Result<Self, KeyFileError> {
        Ok(Self::new(&KeyMaterial::load(path)?, random))
    }

    /// Makes a new key in a new file; see [`KeyMaterial::create`].
    pub fn create_file(path: &Path, random: Arc<dyn Randomness>) -> Result<Self, KeyFileError> {
        Ok(Self::new(&KeyMaterial::create(path, random.as_ref())?, random))
    }
}

#[async_trait]
impl KeyEncryption for HeldKey {
    fn id(&self) -> &str {
        &self.id
    }

    async fn wrap(&self, key: &KeyMaterial, context: &[u8]) -> Result<Vec<u8>, KekError> {
        let nonce: [u8; 12] = randomness::bytes(self.random.as_ref())?;
        let payload = Payload { msg: key.expose(), aad: context };
        let ciphertext = self.cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| KekError::Refused)?;
        Ok([&[VERSION], nonce.as_slice(), &ciphertext].concat())
    }

    async fn unwrap(&self, wrapped: &[u8], context: &[u8]) -> Result<KeyMaterial, KekError> {
        let (&[VERSION], rest) = wrapped.split_first_chunk::<1>().ok_or(KekError::Refused)? else {
            return Err(KekError::Refused);
        };
        let (nonce, rest) = rest.split_first_chunk::<12>().ok_or(KekError::Refused)?;
        let (ciphertext, tag) = rest.split_last_chunk::<16>().ok_or(KekError::Refused)?;
        let ciphertext: &[u8; 32] = ciphertext.try_into().map_err(|_| KekError::Refused)?;

        // Decrypted where it stays: no copy of the key is left behind.
        let mut key = SecretBox::new(Box::new(*ciphertext));
        self.cipher
            .decrypt_in_place_detached(&(*nonce).into(), context, key.expose_secret_mut(), &(*tag).into())
            .map_err(|_| KekError::Refused)?;
        Ok(KeyMaterial::from(key))
    }
}
