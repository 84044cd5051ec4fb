//! What others wrote, made harmless for a terminal, and how wide it stands there.

use std::fmt::Write as _;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Would a terminal obey it, or let it change how its neighbours look? Control characters (C0, DEL, C1), format
/// characters (such as those that turn the direction of writing, or have no width), and Unicode's own ends of lines and
/// paragraphs. But for the joiners, which some scripts and pictures are written with, and names may have.
fn steers(letter: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    let joins = matches!(letter, '\u{200c}' | '\u{200d}');
    !joins && matches!(letter.general_category(), Control | Format | LineSeparator | ParagraphSeparator)
}

/// On one line, without what steers a terminal. Something invisible is shown to have been there.
pub(in crate::cli) fn printable(text: &str) -> String {
    let shown = |letter: char| match letter {
        letter if letter.is_control() => ' ',
        letter if steers(letter) => char::REPLACEMENT_CHARACTER,
        letter => letter,
    };
    text.chars().map(shown).collect()
}

/// The same JSON, with everything escaped that steers a terminal.
pub(super) fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter == '\n' || !steers(letter) {
            text.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing to a text doesn't fail.
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    text
}

/// How many columns of a terminal it takes.
pub(in crate::cli) fn width(text: &str) -> usize {
    text.width()
}

/// With spaces behind it, `most` columns wide at least.
pub(in crate::cli) fn padded(text: &str, most: usize) -> String {
    let missing = most.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// Printable, and at most `most` columns wide.
pub(in crate::cli) fn short(text: &str, most: usize) -> String {
    let text = printable(text);
    if width(&text) <= most {
        return text;
    }
    let mut room = most.saturating_sub(1);
    let fits = |letter: &char| {
        let left = room.checked_sub(letter.width().unwrap_or(0));
        room = left.unwrap_or(0);
        left.is_some()
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_taken_out() {
        assert_eq!(printable("red \u{1b}[31m\u{7}\nalert\u{9b}2J"), "red  [31m  alert 2J");
        for hidden in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{ad}', '\u{e0041}', '\u{2028}'] {
            assert_eq!(printable(&format!("a{hidden}b")), "a\u{fffd}b", "{:x}", u32::from(hidden));
        }
        for name in ["Größe 工具 🛠", "👩\u{200d}💻", "نام\u{200c}ها"] {
            assert_eq!(printable(name), name);
        }
    }

    #[test]
    fn json_stays_the_same_json_and_has_nothing_raw_in_it() {
        let value = serde_json::json!({ "a\u{9b}": "\u{202e}\u{7f}\u{200b}\u{e0041}\u{1b}工\n" });
        let text = escaped(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|letter| letter != '\n' && steers(letter)), "{text:?}");
        assert!(text.contains('工'));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn texts_are_as_wide_as_a_terminal_shows_them() {
        assert_eq!((width("工具"), width("äö")), (4, 2));
        assert_eq!(padded("工具", 6), "工具  ");
        assert_eq!((short("äöüß", 3), short("äöü", 3)), ("äö…".to_owned(), "äöü".to_owned()));
        assert_eq!(short("工具箱", 4), "工…");
        assert_eq!(short("工具箱", 6), "工具箱");
    }
}
