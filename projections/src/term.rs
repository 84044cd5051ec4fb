//! Terms: what rows and events are found by.

use std::fmt;

use sha2::{Digest as _, Sha256};
use uuid::{Uuid, Version};

/// `kind:value`, such as `session:019a…`. Compared as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(String);

impl Term {
    /// The longest value, in bytes. What is longer is cut, in rows as in questions: an agent may call a
    /// tool by any name, and the key of an index has an end.
    pub const VALUE_MAX: usize = 128;

    /// A term of a kind.
    pub fn new(kind: &str, value: impl fmt::Display) -> Self {
        let mut term = format!("{kind}:{value}");
        let mut end = term.len().min(kind.len() + 1 + Self::VALUE_MAX);
        while !term.is_char_boundary(end) {
            end -= 1;
        }
        term.truncate(end);
        Self(term)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the value.
    pub fn kind(&self) -> &str {
        self.0.split_once(':').map_or(&self.0, |(kind, _)| kind)
    }

    /// As it is stored: a number that stands for this term in this workspace. The text isn't kept.
    ///
    /// 128 bits of SHA-256. Of a term that ends in an id which begins with its time (UUID version 7), the
    /// first 48 bits are that time instead: what was made at one time lies side by side in the index, so
    /// that adding to it touches few pages however large it has grown. The 80 bits left make it unlikely
    /// (below 10⁻⁹) that any two of 10⁷ terms of one millisecond are ever taken for each other.
    pub fn stored(&self, workspace_id: Uuid) -> Uuid {
        let hash: [u8; 32] = Sha256::new().chain_update(workspace_id).chain_update(&self.0).finalize().into();
        let hash = u128::from_be_bytes(hash.first_chunk().copied().unwrap_or_default());
        Uuid::from_u128(match self.made_at() {
            Some(time) => time << 80 | hash >> 48,
            None => hash,
        })
    }
}

impl Term {
    /// The time of the id that it ends in, in milliseconds: 48 bits.
    fn made_at(&self) -> Option<u128> {
        let text = self.0.len().checked_sub(36).and_then(|start| self.0.get(start..))?;
        let id = Uuid::try_parse(text).ok()?;
        (id.get_version() == Some(Version::SortRand)).then_some(id.as_u128() >> 80)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn term_is_kind_and_value() {
        let term = Term::new("tool", "a:b");
        assert_eq!((term.as_str(), term.kind()), ("tool:a:b", "tool"));
    }

    #[test]
    fn stored_term_is_of_its_workspace() {
        let (term, here, there) = (Term::new("tool", "search"), Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(term.stored(here), Term::new("tool", "search").stored(here));
        assert_ne!(term.stored(here), term.stored(there));
        assert_ne!(term.stored(here), Term::new("tool", "fetch").stored(here));
    }

    #[test]
    fn stored_terms_of_one_time_lie_side_by_side() {
        let (one, other) = (
            Uuid::from_u128(0x0193_0000_0000_7000_8000 << 48 | 1),
            Uuid::from_u128(0x0193_0000_0000_7000_8000 << 48 | 2),
        );
        let stored = |id| Term::new("call", id).stored(Uuid::nil()).as_u128();
        assert_eq!((stored(one) >> 80, stored(other) >> 80), (0x0193_0000_0000, 0x0193_0000_0000));
        assert_ne!(stored(one), stored(other));
        assert_ne!(stored(one), Term::new("request", one).stored(Uuid::nil()).as_u128());
    }

    #[test]
    fn long_value_is_cut_between_characters() {
        let term = Term::new("tool", "ä".repeat(500));
        assert_eq!(term.as_str().len(), "tool:".len() + Term::VALUE_MAX);
        let term = Term::new("tool", format!("x{}", "ä".repeat(500)));
        assert_eq!(term.as_str().len(), "tool:".len() + Term::VALUE_MAX - 1);
    }
}
