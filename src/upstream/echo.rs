//! A tool server that repeats what it was sent: its answer would show the agent a credential that the
//! agent must never see, so the answer isn't used at all.
//!
//! Found is what an honest server repeats, as itself or as JSON writes it. One that encodes it in a way
//! of its own to hand it over can't be found out: it has the credential already.

use reqwest::header::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

/// What is shorter stands in many answers by chance, and is no secret.
const SHORTEST: usize = 8;

/// What was sent to a tool server and must not come back.
#[derive(Default)]
pub(super) struct Sent(Option<Zeroizing<String>>);

impl Sent {
    pub(super) fn of(header: Option<&(HeaderName, HeaderValue)>) -> Self {
        let value = header.and_then(|(_, value)| str::from_utf8(value.as_bytes()).ok()).unwrap_or_default();
        // `Bearer …`, `Basic …`: without the scheme it is the credential still.
        let credential = value.split_once(' ').map_or(value, |(_, credential)| credential.trim());
        let long_enough = |text: &&str| text.len() >= SHORTEST;
        let shown = Some(credential).filter(long_enough).or_else(|| Some(value).filter(long_enough));
        Self(shown.map(|text| unescaped(text).into()))
    }

    /// Does it stand in `text`?
    pub(super) fn is_in(&self, text: &str) -> bool {
        let Some(sent) = &self.0 else { return false };
        text.contains(sent.as_str()) || (text.contains('\\') && unescaped(text).contains(sent.as_str()))
    }
}

/// As good as it gets without reading the JSON, which may be JSON within JSON.
fn unescaped(text: &str) -> String {
    text.replace('\\', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(value: &str) -> Sent {
        Sent::of(Some(&(HeaderName::from_static("authorization"), HeaderValue::from_str(value).unwrap())))
    }

    #[test]
    fn credential_is_found_as_itself_and_as_json_writes_it() {
        let sent = sent(r#"Bearer aa/bb"cc+dd"#);
        for text in [
            r#"aa/bb"cc+dd"#,
            r#"{"x":"aa/bb\"cc+dd"}"#,
            r#"{"x":"aa\/bb\"cc+dd"}"#,
            r#"{"x":"{\"y\":\"aa/bb\\\"cc+dd\"}"}"#,
        ] {
            assert!(sent.is_in(text), "{text}");
        }
        assert!(!sent.is_in("Bearer"));
    }

    #[test]
    fn what_could_stand_there_by_chance_is_not_looked_for() {
        assert!(!sent("yes").is_in("yes"));
        assert!(!Sent::of(None).is_in(""));
    }
}
