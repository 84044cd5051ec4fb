//! What is kept of a credential.
//!
//! Live state holds one of these for every session, so it is kept inline and in bytes; in events it
//! is text.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The HMAC-SHA-256 of a credential under a pepper that lies outside the database. It may stand in
/// events: without the pepper it checks nothing and tells nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// The credential's public 12-character id.
    pub credential_id: Inline<12>,
    /// Which pepper.
    pub pepper_id: Inline<16>,
    /// In events: 64 hexadecimal digits.
    #[serde(with = "hexadecimal")]
    pub hmac: [u8; 32],
}

/// A text of at most `N` bytes (255 at most), without a place of its own in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Inline<const N: usize> {
    length: u8,
    bytes: [u8; N],
}

impl<const N: usize> Inline<N> {
    /// Nothing, if it is too long.
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { length: u8::try_from(text.len()).ok()?, bytes })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // It was made from text.
        self.bytes.get(..self.length.into()).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl<const N: usize> Default for Inline<N> {
    fn default() -> Self {
        Self { length: 0, bytes: [0; N] }
    }
}

impl<const N: usize> fmt::Debug for Inline<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(formatter)
    }
}

impl<const N: usize> Serialize for Inline<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, const N: usize> Deserialize<'de> for Inline<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(InlineText)
    }
}

struct InlineText<const N: usize>;

impl<const N: usize> de::Visitor<'_> for InlineText<N> {
    type Value = Inline<N>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a text of at most {N} bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Inline<N>, E> {
        Inline::new(text).ok_or_else(|| E::invalid_length(text.len(), &self))
    }
}

mod hexadecimal {
    use super::{Deserializer, Serializer, de, fmt};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        deserializer.deserialize_str(Digits)
    }

    struct Digits;

    impl de::Visitor<'_> for Digits {
        type Value = [u8; 32];

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("64 hexadecimal digits")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<[u8; 32], E> {
            let mut bytes = [0; 32];
            hex::decode_to_slice(text, &mut bytes).map_err(E::custom)?;
            Ok(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifier_is_text_in_events_and_bytes_in_memory() {
        let hmac = "5c".repeat(32);
        let text = format!(r#"{{"credential_id":"0DPiKuNIrrVm","pepper_id":"1","hmac":"{hmac}"}}"#);
        let verifier: Verifier = serde_json::from_str(&text).unwrap();
        assert_eq!((verifier.credential_id.as_str(), verifier.pepper_id.as_str()), ("0DPiKuNIrrVm", "1"));
        assert_eq!(verifier.hmac, [0x5c; 32]);
        assert_eq!(serde_json::to_string(&verifier).unwrap(), text);
        assert!(size_of::<Verifier>() <= 62);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let long = "0".repeat(13);
        assert!(serde_json::from_str::<Inline<12>>(&format!("\"{long}\"")).is_err());
        assert!(Inline::<12>::new(&long).is_none());
        let short = format!(r#"{{"credential_id":"","pepper_id":"","hmac":"{long}"}}"#);
        assert!(serde_json::from_str::<Verifier>(&short).is_err());
    }
}
