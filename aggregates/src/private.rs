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

    /// Itself, if it can name a thing: 1 to [`Self::NAME_MAX`] characters, as in [`Self::within`].
    pub(crate) fn into_name(self) -> Option<Self> {
        self.within(Self::NAME_MAX)
    }

    /// Itself, if it has 1 to `max` characters, one of them visible, none of them a control character or one
    /// that makes text look like another.
    pub(crate) fn within(self, max: usize) -> Option<Self> {
        let visible = |character: char| !character.is_whitespace() && !is_joiner(character);
        let fits = self.0.chars().any(visible)
            && self.0.chars().count() <= max
            && !self.0.chars().any(|character| character.is_control() || misleads(character));
        fits.then_some(self)
    }
}

/// What some scripts and pictures are written with, between visible characters.
const fn is_joiner(character: char) -> bool {
    matches!(character, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}')
}

/// Characters that turn the direction of what stands beside them, break a line, or can't be seen (general categories
/// Cf, Zl and Zp, but for the joiners): in lists and at terminals they make one name look like another.
const fn misleads(character: char) -> bool {
    matches!(
        character,
        '\u{00AD}'
            | '\u{0600}'..='\u{0605}'
            | '\u{061C}'
            | '\u{06DD}'
            | '\u{070F}'
            | '\u{180E}'
            | '\u{200B}'
            | '\u{200E}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}'
    )
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
    fn name_looks_like_itself_alone() {
        for name in ["Ada", "Zoë Ångström", "李小龍", "👩\u{200D}💻 laptop", "نام\u{200C}ها", "a b"]
        {
            assert!(Private::from(name).into_name().is_some(), "{name}");
        }
        for name in [
            "",
            "  ",
            "\u{200D}",
            "\u{200B}",
            "a\nb",
            "a\u{9b}b",
            "Ada\u{202E}nimda",
            "a\u{2066}b",
            "a\u{2028}b",
            "a\u{200B}b",
            "\u{FEFF}a",
            "a\u{E0041}",
        ] {
            assert!(Private::from(name).into_name().is_none(), "{name:?}");
        }
    }

    #[test]
    fn length_counts_characters_and_not_bytes() {
        assert!(Private::from("ä".repeat(100)).into_name().is_some());
        assert!(Private::from("ä".repeat(101)).into_name().is_none());
    }
}
