//! Where keys, nonces and salts come from. Passed in, so that test vectors are possible.

use rand::{TryRngCore, rngs::OsRng};

/// A source of unpredictable bytes.
pub trait Randomness: Send + Sync {
    /// Fills all of `bytes`.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness>;
}

/// The operating system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct NoRandomness;

/// The operating system's generator: the only one for use outside tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandomness;

impl Randomness for OsRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        OsRng.try_fill_bytes(bytes).map_err(|_| NoRandomness)
    }
}

/// `N` unpredictable bytes.
pub(crate) fn bytes<const N: usize>(random: &dyn Randomness) -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}
