//! What a sealed value belongs to: the associated data of its ciphertext.

use uuid::Uuid;

use crate::{Class, KeyId};

/// Stands in the workspace's place for what belongs to the instance itself.
pub const INSTANCE: Uuid = Uuid::nil();

/// Why a value is kept. A ciphertext of one purpose doesn't open for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The header that authorizes calls to one tool server; owner: the tool server or the secret.
    StaticHeader,
    /// An OAuth access or refresh token; owner: the token.
    OAuthToken,
    /// A client secret held for an authorization server; owner: the registration.
    ClientSecret,
    /// A sealed field of an event; owner: the event.
    EventBody,
    /// A sealed field of an event that is about a person; owner: the event. Its data key is that person's.
    PersonalBody,
    /// The answer kept for an idempotency key; owner: the caller; field: route and key.
    StoredAnswer,
}

impl Purpose {
    /// Its name in the associated data. Part of the format: never change one.
    fn name(self) -> &'static str {
        match self {
            Self::StaticHeader => "static_header",
            Self::OAuthToken => "oauth_token",
            Self::ClientSecret => "client_secret",
            Self::EventBody => "event_body",
            Self::PersonalBody => "personal_body",
            Self::StoredAnswer => "stored_answer",
        }
    }

    /// Which of a workspace's data keys seals it.
    pub fn class(self) -> Class {
        match self {
            Self::StaticHeader | Self::OAuthToken | Self::ClientSecret => Class::Secrets,
            Self::EventBody => Class::Bodies,
            Self::PersonalBody => Class::People,
            Self::StoredAnswer => Class::Answers,
        }
    }
}

/// What a value belongs to. Whoever opens it says this again, from what *they* know of the row; any
/// difference, and the value stays shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BelongsTo<'a> {
    /// Why it is kept.
    pub purpose: Purpose,
    /// The workspace, or [`INSTANCE`].
    pub workspace: Uuid,
    /// The id of the thing that has the value: an event, a token, a secret.
    pub owner: Uuid,
    /// Which of the owner's values it is.
    pub field: &'a str,
    /// The value's version, so that an older ciphertext can't be replayed. 0 where values never change.
    pub version: u64,
    /// The only origin that the value may be sent to.
    pub origin: Option<&'a str>,
    /// The authorization server that issued it.
    pub issuer: Option<&'a str>,
}

impl BelongsTo<'_> {
    /// The associated data of a ciphertext made under `key` with the envelope's `header` bytes.
    ///
    /// Every part carries its length, so no two values of this type have the same encoding.
    pub(crate) fn associated_data(&self, header: [u8; 2], key: KeyId) -> Vec<u8> {
        let mut encoding = Encoding::new(b"tollbook/belongs-to/1");
        encoding
            .part(&header)
            .part(key.as_bytes())
            .part(self.purpose.name().as_bytes())
            .part(self.workspace.as_bytes())
            .part(self.owner.as_bytes())
            .part(self.field.as_bytes())
            .part(&self.version.to_be_bytes())
            .optional(self.origin)
            .optional(self.issuer);
        encoding.0
    }
}

/// Length-prefixed concatenation: each part is its length in 8 bytes, big-endian, then its bytes.
pub(crate) struct Encoding(pub(crate) Vec<u8>);

impl Encoding {
    /// Begins with the name of what is encoded, so that two kinds of encoding never meet.
    pub(crate) fn new(domain: &[u8]) -> Self {
        let mut encoding = Self(Vec::with_capacity(256));
        encoding.part(domain);
        encoding
    }

    pub(crate) fn part(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Nothing and the empty text differ: one byte says which.
    fn optional(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            None => {
                self.0.push(0);
                self
            }
            Some(text) => {
                self.0.push(1);
                self.part(text.as_bytes())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(field: &'static str, origin: Option<&'static str>, issuer: Option<&'static str>) -> Vec<u8> {
        let belongs = BelongsTo {
            purpose: Purpose::StaticHeader,
            workspace: INSTANCE,
            owner: Uuid::nil(),
            field,
            version: 1,
            origin,
            issuer,
        };
        belongs.associated_data([1, 1], KeyId::from(Uuid::nil()))
    }

    #[test]
    fn parts_that_only_concatenate_alike_encode_differently() {
        assert_ne!(of("a", Some("b"), None), of("a", None, Some("b")));
        assert_ne!(of("ab", Some("c"), None), of("a", Some("bc"), None));
        assert_ne!(of("a", Some(""), None), of("a", None, None));
        assert_ne!(of("a", Some("b"), Some("")), of("a", Some("b"), None));
    }
}
