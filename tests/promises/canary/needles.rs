//! What is searched for, in which encodings; and that the searcher would find it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use tollbook_testkit::postgres::Postgres;

use super::database;

/// Shorter ones could stand anywhere by chance.
const SHORTEST: usize = 12;

/// Where is searched.
pub(super) struct Place {
    pub(super) name: String,
    bytes: Vec<u8>,
    /// Is it a dump of a database, into which bytes come as the database writes them?
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    SqliteFile,
    SqliteDump,
    PostgresDump,
    /// A file of a cluster, as it lies on the disk.
    PostgresFile,
}

impl Place {
    pub(super) fn new(name: &str, bytes: Vec<u8>) -> Self {
        Self::of(Kind::Text, name, bytes)
    }

    pub(super) fn of(kind: Kind, name: &str, bytes: Vec<u8>) -> Self {
        assert!(!bytes.is_empty(), "there is nothing to search in {name}");
        Self { name: name.to_owned(), bytes, kind }
    }

    /// With more of a name.
    pub(super) fn named(mut self, more: &str) -> Self {
        self.name = format!("{} {more}", self.name);
        self
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Secrets in all their encodings.
pub(super) struct Needles {
    /// Secret and encoding of each pattern.
    names: Vec<(String, String)>,
    patterns: Vec<Vec<u8>>,
    searcher: AhoCorasick,
    secrets: BTreeMap<String, Vec<u8>>,
}

impl Needles {
    pub(super) fn new(secrets: BTreeMap<String, Vec<u8>>) -> Self {
        let (mut names, mut patterns) = (Vec::new(), Vec::new());
        for (name, secret) in &secrets {
            assert!(secret.len() >= SHORTEST, "`{name}` is too short to be told from chance");
            for (encoding, pattern) in encodings(secret) {
                if !patterns.contains(&pattern) {
                    names.push((name.clone(), encoding));
                    patterns.push(pattern);
                }
            }
        }
        let searcher = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&patterns);
        Self { names, searcher: searcher.expect("the patterns fit"), patterns, secrets }
    }

    pub(super) fn secrets(&self) -> usize {
        self.secrets.len()
    }

    pub(super) fn patterns(&self) -> usize {
        self.patterns.len()
    }

    /// Where any of them stands, with what stands around it.
    pub(super) fn search(&self, place: &Place) -> Vec<String> {
        let mut hits = BTreeMap::new();
        for found in self.searcher.find_overlapping_iter(&place.bytes) {
            let (secret, encoding) = &self.names[found.pattern().as_usize()];
            hits.entry((secret, encoding)).or_insert_with(|| {
                let around = found.start().saturating_sub(160)..(found.end() + 80).min(place.bytes.len());
                String::from_utf8_lossy(&place.bytes[around]).into_owned()
            });
        }
        let line =
            |((secret, encoding), around)| format!("{secret} ({encoding}) in {}: …{around}…", place.name);
        hits.into_iter().map(line).collect()
    }

    /// Puts each secret into a copy of the place in each encoding, and demands that it is found.
    /// Answers with how many were.
    pub(super) fn find_planted_in(&self, place: &Place, cluster: Option<&Postgres>) -> usize {
        let mut planted = 0;
        // A database writes a text and a blob each in its own way: it is asked to.
        let grown = match place.kind {
            Kind::Text => {
                let mut grown = place.bytes.clone();
                for pattern in &self.patterns {
                    grown.extend_from_slice(b" planted: ");
                    grown.extend_from_slice(pattern);
                }
                grown
            }
            kind => database::planted(kind, &self.patterns, cluster),
        };
        let mut found = vec![false; self.patterns.len()];
        for hit in self.searcher.find_overlapping_iter(&grown) {
            found[hit.pattern().as_usize()] = true;
        }
        for (found, (secret, encoding)) in found.iter().zip(&self.names) {
            assert!(found, "{secret} ({encoding}) was planted in {} and not found", place.name);
            planted += 1;
        }
        planted
    }
}

/// The secret as it could have come to stand somewhere.
fn encodings(secret: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![
        ("plain".to_owned(), secret.to_vec()),
        ("hex".to_owned(), hex::encode(secret).into_bytes()),
        ("HEX".to_owned(), hex::encode_upper(secret).into_bytes()),
        (
            "url".to_owned(),
            url_encoded(secret, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)).into_bytes(),
        ),
        ("URL of everything".to_owned(), url_encoded(secret, |_| false).into_bytes()),
        ("list of bytes".to_owned(), listed(secret).into_bytes()),
    ];
    for alignment in 0..3 {
        for (name, core) in [
            ("base64", core_of(&STANDARD_NO_PAD.encode(shifted(secret, alignment)), secret.len(), alignment)),
            (
                "base64url",
                core_of(&URL_SAFE_NO_PAD.encode(shifted(secret, alignment)), secret.len(), alignment),
            ),
        ] {
            all.push((format!("{name} + {alignment}"), core));
        }
    }
    if let Ok(text) = std::str::from_utf8(secret) {
        let json = serde_json::to_string(text).expect("a text is JSON");
        all.push(("JSON".to_owned(), json.trim_matches('"').as_bytes().to_vec()));
        let debug = format!("{text:?}");
        all.push(("debug".to_owned(), debug.trim_matches('"').as_bytes().to_vec()));
        all.push((
            "form".to_owned(),
            url::form_urlencoded::byte_serialize(secret).collect::<String>().into_bytes(),
        ));
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        all.push(("UTF-16".to_owned(), utf16));
    }
    all
}

/// What stands before a secret shifts its base64: by nothing, one or two bytes.
fn shifted(secret: &[u8], alignment: usize) -> Vec<u8> {
    [&b"::"[..alignment], secret].concat()
}

/// The characters that depend on the secret alone, and not on its neighbours.
fn core_of(encoded: &str, length: usize, alignment: usize) -> Vec<u8> {
    let first = (alignment * 8).div_ceil(6);
    let last = (alignment + length) * 8 / 6;
    encoded.as_bytes()[first..last].to_vec()
}

fn url_encoded(secret: &[u8], plain: impl Fn(u8) -> bool) -> String {
    let mut text = String::new();
    for byte in secret {
        if plain(*byte) {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// As `{:?}` prints a `Vec<u8>`.
fn listed(secret: &[u8]) -> String {
    secret.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[test]
fn secret_is_found_at_every_alignment_of_base64() {
    let secret = b"a secret of some length";
    let needles = Needles::new([("it".to_owned(), secret.to_vec())].into());
    for before in 0..7 {
        for after in 0..4 {
            let text = [&vec![0xfe; before][..], secret, &vec![0x3f; after]].concat();
            for encoded in [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                assert!(
                    !needles.search(&Place::new("base64", encoded.into_bytes())).is_empty(),
                    "{before} {after}"
                );
            }
        }
    }
    assert!(needles.search(&Place::new("nothing", b"a secret of another length".to_vec())).is_empty());
}
