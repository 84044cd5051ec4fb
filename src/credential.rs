//! Credentials as they are shown to people and programs, once:
//!
//! ```text
//! tbk_<kind>_<id 12><secret 43><crc 6>          base62, 69 characters
//! ```
//!
//! The id is public and finds the credential; the secret is 256 random bits; the CRC lets secret
//! scanners match and keeps typos away from every look-up. It is never security. What is kept of a
//! credential is its HMAC under a [`Pepper`] that lies outside the database. `docs/credentials.md`
//! has the format and test vectors.

mod base62;
mod pepper;
#[cfg(test)]
mod tests;

use std::fmt;

use tollbook_vault::{NoRandomness, Randomness};
use zeroize::Zeroizing;

pub use pepper::{Digest, Pepper};

const ID: usize = 12;
const SECRET: usize = 43;
const CRC: usize = 6;
/// `tbk_key_`
const HEAD: usize = 8;
const LENGTH: usize = HEAD + ID + SECRET + CRC;

/// What a credential is for. One kind is never taken for another: the kind is under the HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A user's API key in one workspace.
    ApiKey,
    /// The token of a session.
    Session,
    /// An OAuth access token.
    Access,
    /// An OAuth refresh token.
    Refresh,
    /// A device code (RFC 8628).
    Device,
    /// An authorization code.
    Code,
    /// The secret of a registered client.
    Client,
    /// A one-time link.
    OneTimeLink,
    /// The operator's credential.
    Operator,
    /// The console's cookie.
    Web,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::ApiKey,
        Self::Session,
        Self::Access,
        Self::Refresh,
        Self::Device,
        Self::Code,
        Self::Client,
        Self::OneTimeLink,
        Self::Operator,
        Self::Web,
    ];

    /// The three letters that stand in the credential.
    pub fn letters(self) -> &'static str {
        match self {
            Self::ApiKey => "key",
            Self::Session => "ses",
            Self::Access => "acc",
            Self::Refresh => "ref",
            Self::Device => "dev",
            Self::Code => "cod",
            Self::Client => "cls",
            Self::OneTimeLink => "otl",
            Self::Operator => "opr",
            Self::Web => "web",
        }
    }

    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "API key",
            Self::Session => "session token",
            Self::Access => "access token",
            Self::Refresh => "refresh token",
            Self::Device => "device code",
            Self::Code => "authorization code",
            Self::Client => "client secret",
            Self::OneTimeLink => "one-time link",
            Self::Operator => "operator credential",
            Self::Web => "console cookie",
        }
    }

    fn of(letters: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.letters() == letters)
    }
}

/// Why a text isn't a credential. Says nothing about whether any credential exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It doesn't begin with `tbk_`.
    #[error("not a Tollbook credential: it does not begin with `tbk_`")]
    Prefix,
    /// No such kind.
    #[error("not a kind of credential that this version knows")]
    Kind,
    /// Cut off, or something was pasted along with it.
    #[error("a credential has 69 characters")]
    Length,
    /// A character that can't stand there.
    #[error("a credential has only digits and English letters after its prefix")]
    Alphabet,
    /// The secret is a number that 256 bits can't hold.
    #[error("the credential's secret is out of range")]
    Range,
    /// A typo, most likely.
    #[error("the credential's checksum is wrong: it was mistyped or cut")]
    Checksum,
}

/// A credential of the right shape: minted here, or read from a request. Whether it is anybody's is
/// for `authn` to say.
///
/// The text is wiped when dropped; printing shows the public part only.
pub struct Credential {
    kind: Kind,
    text: Zeroizing<String>,
}

impl Credential {
    /// A new credential.
    pub fn mint(kind: Kind, random: &dyn Randomness) -> Result<Self, NoRandomness> {
        let id = base62::random_digits::<ID>(random)?;
        let mut secret = Zeroizing::new([0; 32]);
        random.fill(secret.as_mut_slice())?;
        Ok(Self::assemble(kind, &id, &secret))
    }

    /// The credential with this id and secret, for secrets that are derived and not drawn.
    pub fn from_parts(kind: Kind, id: &str, secret: &[u8; 32]) -> Result<Self, Malformed> {
        if id.len() != ID {
            return Err(Malformed::Length);
        }
        if !base62::is_base62(id) {
            return Err(Malformed::Alphabet);
        }
        Ok(Self::assemble(kind, id, secret))
    }

    fn assemble(kind: Kind, id: &str, secret: &[u8; 32]) -> Self {
        // Of the right capacity from the start: a string that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        text.push_str("tbk_");
        text.push_str(kind.letters());
        text.push('_');
        text.push_str(id);
        base62::push_secret(&mut text, secret);
        let checksum = crc32fast::hash(text.as_bytes());
        base62::push_checksum(&mut text, checksum);
        Self { kind, text }
    }

    /// Reads a credential. Junk is told from credentials here, without any look-up.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let rest = text.strip_prefix("tbk_").ok_or(Malformed::Prefix)?;
        let (letters, rest) = rest.split_once('_').ok_or(Malformed::Kind)?;
        let kind = Kind::of(letters).ok_or(Malformed::Kind)?;
        if text.len() != LENGTH {
            return Err(Malformed::Length);
        }
        if !base62::is_base62(rest) {
            return Err(Malformed::Alphabet);
        }
        let (checked, crc) = text.split_at_checked(LENGTH - CRC).ok_or(Malformed::Length)?;
        let (_, secret) = checked.split_at_checked(HEAD + ID).ok_or(Malformed::Length)?;
        if !base62::fits_256_bits(secret) {
            return Err(Malformed::Range);
        }
        let mut expected = String::with_capacity(CRC);
        base62::push_checksum(&mut expected, crc32fast::hash(checked.as_bytes()));
        if expected != crc {
            return Err(Malformed::Checksum);
        }
        Ok(Self { kind, text: Zeroizing::new(text.to_owned()) })
    }

    /// What it is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The public id: 12 characters.
    pub fn id(&self) -> &str {
        self.text.get(HEAD..HEAD + ID).unwrap_or_default()
    }

    /// What may be shown and logged: `tbk_key_<id>`.
    pub fn display_prefix(&self) -> &str {
        self.text.get(..HEAD + ID).unwrap_or_default()
    }

    /// The whole credential, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What is kept of it: HMAC-SHA-256 of the whole text.
    pub fn hmac(&self, pepper: &Pepper) -> Digest {
        pepper.hmac(self.text.as_bytes())
    }

    /// Is it the credential that `kept` was made of? In constant time.
    pub fn verify(&self, pepper: &Pepper, kept: &Digest) -> bool {
        self.hmac(pepper).matches(kept)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}…)", self.display_prefix())
    }
}

/// What can be told of a credential without asking anybody: the answer of `tollbook key check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// What it is for.
    pub kind: Kind,
    /// Its public id.
    pub id: String,
    /// As lists show it.
    pub display_prefix: String,
}

/// Checks a credential's shape and checksum offline. That it is well formed doesn't mean that it is
/// valid: only the service knows that.
pub fn check(text: &str) -> Result<Description, Malformed> {
    let credential = Credential::parse(text)?;
    let (id, prefix) = (credential.id().to_owned(), credential.display_prefix().to_owned());
    Ok(Description { kind: credential.kind, id, display_prefix: prefix })
}
