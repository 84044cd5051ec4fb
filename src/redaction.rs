//! The last layer before something is read by others: what looks like a secret is taken out of logs,
//! error output and refusals.
//!
//! It is a net, not a licence: no secret is ever a field of a log line, and types that hold one can't be
//! printed. What falls into the net came from elsewhere: a library's debug output, an upstream's words, a
//! credential that somebody pasted into the wrong place. Standard output is not scrubbed: what a person
//! asked to be shown once is shown there.
//!
//! What is known: our own credentials (their public id stays), one-time links, JSON Web Tokens, tokens of
//! well-known providers by their prefixes, the headers that carry credentials, `Bearer` and `Basic`
//! values, passwords in URLs, the form fields of OAuth that are secret, private keys. Names and other
//! private text can't be known by their looks: they never come into a log line in the first place.

mod rules;
#[cfg(test)]
mod tests;
mod value;
mod writer;

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

pub use writer::{Scrubbed, Stderr};

/// What stands where a secret stood.
pub const MARK: &str = "[redacted]";

/// One pass over a line finds every beginning of something that may be a secret. `None` can't happen for
/// patterns that are fixed, and would mean that nothing is shown at all.
static BEGINNINGS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let patterns = rules::RULES.iter().map(|(beginning, _)| beginning);
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(patterns).ok()
});

/// The line without secrets; the line itself, not copied, when there is none in it.
pub fn scrub(line: &[u8]) -> Cow<'_, [u8]> {
    let Some(beginnings) = BEGINNINGS.as_ref() else { return Cow::Borrowed(MARK.as_bytes()) };
    let mut secrets = Vec::new();
    for found in beginnings.find_overlapping_iter(line) {
        let rule = rules::RULES.get(found.pattern().as_usize()).map(|(_, rule)| rule);
        secrets.extend(rule.and_then(|rule| rule.secret(line, found.start(), found.end())));
    }
    if secrets.is_empty() {
        return Cow::Borrowed(line);
    }
    secrets.sort_unstable_by_key(|secret| secret.start);
    let mut shown = Vec::with_capacity(line.len());
    let mut at = 0;
    for secret in secrets {
        // One that overlaps the one before belongs to it.
        if secret.start > at || at == 0 {
            shown.extend_from_slice(line.get(at..secret.start).unwrap_or_default());
            shown.extend_from_slice(MARK.as_bytes());
        }
        at = at.max(secret.end);
    }
    shown.extend_from_slice(line.get(at..).unwrap_or_default());
    Cow::Owned(shown)
}

/// The text without secrets.
pub fn scrub_text(text: &str) -> Cow<'_, str> {
    match scrub(text.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        // Secrets begin and end between characters: nothing is replaced here.
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}
