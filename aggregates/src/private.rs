//! Text that must be erasable: names, labels, URLs, error texts, definitions.

use std::fmt;

/// Stands sealed beside its event and never in the payload: it is skipped by serde, and an event
/// that is read back holds an empty one. Who needs the text opens the event's body with the vault.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Private(String);

impl Private {
    /// The text itself, for whoever seals it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The longest name of a thing, in characters.
    pub const NAME_MAX: usize = 100;

    /// Itself, if it can name a thing: 1 to [`Self::NAME_MAX`] characters, not only spaces, none of
    /// them a control character.
    pub(crate) fn into_name(self) -> Option<Self> {
        self.within(Self::NAME_MAX)
    }

    /// Itself, if it has 1 to `max` characters, not only spaces, none of them a control character.
    pub(crate) fn within(self, max: usize) -> Option<Self> {
        let fits = !self.0.trim().is_empty()
            && self.0.chars().count() <= max
            && !self.0.chars().any(char::is_control);
        fits.then_some(self)
    }
}

impl From<String> for Private {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Private {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[private]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_printed() {
        assert_eq!(format!("{:?}", Private::from("Ada")), "[private]");
    }

    #[test]
    fn length_counts_characters_and_not_bytes() {
        assert!(Private::from("ä".repeat(100)).into_name().is_some());
        assert!(Private::from("ä".repeat(101)).into_name().is_none());
    }
}
