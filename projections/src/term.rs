//! Terms: what rows and events are found by.

use std::fmt;

use serde::Serialize;

/// `kind:value`, such as `session:019a…`. Compared as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
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

    /// As it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
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
        assert_eq!(Term::new("tool", "search").as_str(), "tool:search");
    }

    #[test]
    fn long_value_is_cut_between_characters() {
        let term = Term::new("tool", "ä".repeat(500));
        assert_eq!(term.as_str().len(), "tool:".len() + Term::VALUE_MAX);
        let term = Term::new("tool", format!("x{}", "ä".repeat(500)));
        assert_eq!(term.as_str().len(), "tool:".len() + Term::VALUE_MAX - 1);
    }
}
