//! How a sealed value looks as bytes, and the one cipher that makes and opens it.
//!
//! ```text
//! version 1 | algorithm 1 | key id 16 | nonce 12 | ciphertext | tag 16
//! ```
//!
//! AES-256-GCM-SIV (RFC 8452): with random nonces a repeated one reveals no more than that two equal
//! values were sealed for the same place.

use std::fmt;

use aes_gcm_siv::{Aes256GcmSiv, Nonce, Tag, aead::AeadInPlace};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{BelongsTo, KeyId, VaultError};

const VERSION: u8 = 1;
const AES_256_GCM_SIV: u8 = 1;
const HEADER: [u8; 2] = [VERSION, AES_256_GCM_SIV];
const KEY_ID: usize = 16;
const NONCE: usize = 12;
const TAG: usize = 16;
const BEFORE_CIPHERTEXT: usize = HEADER.len() + KEY_ID + NONCE;

/// How many bytes longer a sealed value is than the value.
pub(crate) const OVERHEAD: usize = BEFORE_CIPHERTEXT + TAG;

/// A random nonce, made by the caller.
pub(crate) type NonceBytes = [u8; NONCE];

/// A sealed value: safe to store and to print.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    key: KeyId,
    bytes: Vec<u8>,
}

impl Sealed {
    /// Takes stored bytes for a sealed value, if they have the shape of one.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, VaultError> {
        let key = Parts::of(&bytes)?.key;
        Ok(Self { key, bytes })
    }

    /// The data key that it was sealed with.
    pub fn key_id(&self) -> KeyId {
        self.key
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes to store.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes under {})", self.bytes.len(), self.key)
    }
}

/// An envelope, taken apart.
pub(crate) struct Parts<'a> {
    pub(crate) key: KeyId,
    nonce: &'a [u8; NONCE],
    ciphertext: &'a [u8],
    tag: &'a [u8; TAG],
}

impl<'a> Parts<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, VaultError> {
        let shape = || {
            let (header, rest) = bytes.split_first_chunk::<2>()?;
            let (key, rest) = rest.split_first_chunk::<KEY_ID>()?;
            let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
            let (ciphertext, tag) = rest.split_last_chunk::<TAG>()?;
            let key = KeyId::from(Uuid::from_bytes(*key));
            (*header == HEADER).then_some(Self { key, nonce, ciphertext, tag })
        };
        shape().ok_or(VaultError::Malformed)
    }
}

/// Seals the concatenation of `parts`. The plaintext is copied once, into the buffer that it is
/// encrypted in.
pub(crate) fn seal(
    cipher: &Aes256GcmSiv,
    key: KeyId,
    nonce: NonceBytes,
    belongs: &BelongsTo<'_>,
    parts: &[&[u8]],
) -> Result<Sealed, VaultError> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = Vec::with_capacity(OVERHEAD + length);
    bytes.extend_from_slice(&HEADER);
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(&nonce);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    let buffer = bytes.get_mut(BEFORE_CIPHERTEXT..).unwrap_or_default();
    let associated_data = belongs.associated_data(HEADER, key);
    let tag = cipher
        .encrypt_in_place_detached(&Nonce::from(nonce), &associated_data, buffer)
        .map_err(|_| VaultError::TooLarge)?;
    bytes.extend_from_slice(&tag);
    Ok(Sealed { key, bytes })
}

/// Opens what [`seal`] made, if it was made for `belongs` with this key.
pub(crate) fn open(
    cipher: &Aes256GcmSiv,
    belongs: &BelongsTo<'_>,
    parts: &Parts<'_>,
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let mut buffer = Zeroizing::new(parts.ciphertext.to_vec());
    let associated_data = belongs.associated_data(HEADER, parts.key);
    cipher
        .decrypt_in_place_detached(
            &Nonce::from(*parts.nonce),
            &associated_data,
            &mut buffer,
            &Tag::from(*parts.tag),
        )
        .map_err(|_| VaultError::NotForThis)?;
    Ok(buffer)
}
