//! What is kept of a credential, and the secret that makes it worthless without us.

use std::{fmt, path::Path};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tollbook_aggregates::{Inline, Verifier};
use tollbook_vault::{KeyFileError, KeyMaterial, MalformedKey, Randomness};

use super::Credential;

/// The key of the HMACs. Whoever has only the database can't test a guess against them.
pub struct Pepper {
    id: String,
    /// The HMAC with its key taken in, so that a request costs two blocks less. Not wiped: it is needed as long as the
    /// process lives.
    keyed: Hmac<Sha256>,
}

impl Pepper {
    /// A pepper; its id is made from it, 16 hex digits.
    pub fn new(secret: &KeyMaterial) -> Self {
        let id = secret.fingerprint("tollbook/pepper");
        Self { id, keyed: <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block(secret.expose()).into()) }
    }

    /// From the value of an environment variable (`TOLLBOOK_PEPPER`): 32 bytes in hex or base64.
    pub fn from_value(value: &str) -> Result<Self, MalformedKey> {
        Ok(Self::new(&KeyMaterial::parse(value)?))
    }

    /// From a file (`TOLLBOOK_PEPPER_FILE`) that only its owner can read.
    pub fn from_file(path: &Path) -> Result<Self, KeyFileError> {
        Ok(Self::new(&KeyMaterial::load(path)?))
    }

    /// Makes a new pepper in a new file of mode 0600.
    pub fn create_file(path: &Path, random: &dyn Randomness) -> Result<Self, KeyFileError> {
        Ok(Self::new(&KeyMaterial::create(path, random)?))
    }

    /// Its public name, kept beside every HMAC that was made with it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A mark of ours on something that isn't a credential, such as the token of a form; `purpose` keeps one kind of
    /// mark from being taken for another, and all of them from what is kept of credentials, which begin with `tbk_`.
    pub fn tag(&self, purpose: &str, bytes: &[u8]) -> Digest {
        self.hmac(&[b"tollbook/", purpose.as_bytes(), b"\0", bytes].concat())
    }

    pub(super) fn hmac(&self, bytes: &[u8]) -> Digest {
        let mut mac = self.keyed.clone();
        mac.update(bytes);
        Digest(mac.finalize().into_bytes().into())
    }
}

/// HMAC takes keys of one SHA-256 block; shorter ones are padded with zeros (RFC 2104).
fn block(secret: &[u8; 32]) -> [u8; 64] {
    let mut block = [0; 64];
    for (padded, byte) in block.iter_mut().zip(secret) {
        *padded = *byte;
    }
    block
}

/// What is kept of a credential. Not a secret, and of no use without the pepper; compared in
/// constant time all the same, so it has no `==`.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// As a [`Verifier`] has it.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes themselves.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As events have it: 64 hex digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Are the two the same? In constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.to_hex())
    }
}

impl Credential {
    /// What an event keeps of it.
    pub fn verifier(&self, pepper: &Pepper) -> Verifier {
        // Both ids have fixed widths, and these are they.
        Verifier {
            credential_id: Inline::new(self.id()).unwrap_or_default(),
            pepper_id: Inline::new(pepper.id()).unwrap_or_default(),
            hmac: self.hmac(pepper).0,
        }
    }
}
