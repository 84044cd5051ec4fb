//! The vault: what is sealed here can be opened only in the place that it was sealed for, and only
//! while its data key lives.
//!
//! A key-encryption key ([`KeyEncryption`]: environment, file, later a KMS) wraps data keys; a data
//! key per workspace and [`Class`] seals the values. What a value belongs to ([`BelongsTo`]) is
//! authenticated with it, so that a ciphertext moved to another row, workspace, field, version or
//! origin doesn't open. Destroying a data key erases all that it sealed, wherever copies lie.
//!
//! Two ways in:
//! - [`Vault::seal`] and [`Vault::open`] for secrets: headers, tokens, stored answers.
//! - [`Vault::seal_field`] and [`Vault::open_field`] for what an event says about people. They make
//!   and check the commitment that stands for the value in the event's entry.
//!
//! Each has a `try_` twin that never waits: it works when the data key is in memory, which on a hot
//! path it is.
//!
//! Deliberately absent: a database (the service implements [`KeyStore`] on the journal's), a clock,
//! and any way to print, compare or serialize what was opened.
//!
//! To add a key-encryption key provider: implement [`KeyEncryption`] in a file of its own under
//! `kek/`, and pick it in the service's configuration. No caller of [`Vault`] changes.

mod belongs_to;
mod cache;
mod envelope;
mod error;
mod field;
mod kek;
mod key;
mod key_material;
mod plaintext;
mod randomness;
mod store;
#[cfg(test)]
mod tests;
mod vault;

pub use belongs_to::{BelongsTo, INSTANCE, Purpose};
pub use envelope::Sealed;
pub use error::VaultError;
pub use field::{SealedBody, commitment};
pub use kek::{HeldKey, KekError, KeyEncryption};
pub use key::{Class, KeyId, ParseClassError, StoredKey, WrappedKey};
pub use key_material::{KeyFileError, KeyMaterial, MalformedKey};
pub use plaintext::Plaintext;
pub use randomness::{NoRandomness, OsRandomness, Randomness};
pub use store::{KeyStore, StoreError};
pub use vault::Vault;
