//! What secrets begin with, and where they end.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::value::{self, Value};

/// Of a credential of ours, this much is public: `tbk_key_` and its id.
const PUBLIC: usize = 20;
/// `tbk_key_`
const HEAD: usize = 8;
/// The shortest of our secrets that is taken for one, cut off as it may be.
const OURS_LEAST: usize = 4;

/// What a beginning is the beginning of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// A credential of ours.
    Ours,
    /// A one-time link: its secret stands behind `#`.
    Link,
    /// A JSON Web Token, signed or encrypted (RFC 7515, 7516, compact form).
    Jwt,
    /// A provider's token: at least this many token characters behind the prefix, which stays.
    Token(usize),
    /// The same, for prefixes that could end a word: nothing of a word may stand before it.
    Word(usize),
    /// A header that carries a credential.
    Header,
    /// The value of `Bearer` (RFC 6750).
    Bearer,
    /// The value of `Basic` (RFC 7617).
    Basic,
    /// User information in a URL (RFC 3986, section 3.2.1).
    UserInfo,
    /// A form field, query parameter or member that is secret.
    Field,
    /// A private key in PEM (RFC 7468) on one line.
    Pem,
}

/// Every beginning, in any case.
pub(super) const RULES: &[(&str, Rule)] = &[
    ("tbk_", Rule::Ours),
    ("/otl/", Rule::Link),
    ("eyJ", Rule::Jwt),
    // GitHub
    ("ghp_", Rule::Token(16)),
    ("gho_", Rule::Token(16)),
    ("ghu_", Rule::Token(16)),
    ("ghs_", Rule::Token(16)),
    ("ghr_", Rule::Token(16)),
    ("github_pat_", Rule::Token(16)),
    // GitLab
    ("glpat-", Rule::Token(16)),
    ("gldt-", Rule::Token(16)),
    ("gloas-", Rule::Token(16)),
    // Slack
    ("xoxa-", Rule::Token(8)),
    ("xoxb-", Rule::Token(8)),
    ("xoxe-", Rule::Token(8)),
    ("xoxe.", Rule::Token(8)),
    ("xoxp-", Rule::Token(8)),
    ("xoxr-", Rule::Token(8)),
    ("xoxs-", Rule::Token(8)),
    ("xapp-", Rule::Token(8)),
    // OpenAI, Anthropic and others that took it up; Stripe
    ("sk-", Rule::Word(20)),
    ("sk_live_", Rule::Token(10)),
    ("sk_test_", Rule::Token(10)),
    ("rk_live_", Rule::Token(10)),
    ("whsec_", Rule::Token(16)),
    // Google
    ("AIza", Rule::Word(30)),
    ("ya29.", Rule::Token(16)),
    ("GOCSPX-", Rule::Token(16)),
    ("1//0", Rule::Word(30)),
    // Package registries and images
    ("npm_", Rule::Word(30)),
    ("pypi-", Rule::Word(30)),
    ("rubygems_", Rule::Word(30)),
    ("dckr_pat_", Rule::Token(16)),
    // Others that tool servers are often connected to
    ("hf_", Rule::Word(30)),
    ("lin_api_", Rule::Token(16)),
    ("lin_oauth_", Rule::Token(16)),
    ("ntn_", Rule::Word(30)),
    ("figd_", Rule::Token(16)),
    ("shpat_", Rule::Token(16)),
    ("shpss_", Rule::Token(16)),
    ("dop_v1_", Rule::Token(16)),
    ("SG.", Rule::Word(40)),
    ("ATATT3", Rule::Token(16)),
    ("pat-na1-", Rule::Token(16)),
    ("pat-eu1-", Rule::Token(16)),
    // Headers
    ("authorization", Rule::Header),
    ("cookie", Rule::Header),
    ("x-api-key", Rule::Header),
    ("x-auth-token", Rule::Header),
    ("x-goog-api-key", Rule::Header),
    ("x-amz-security-token", Rule::Header),
    ("bearer ", Rule::Bearer),
    ("bearer%20", Rule::Bearer),
    ("basic ", Rule::Basic),
    ("://", Rule::UserInfo),
    // OAuth (RFC 6749, 7636, 8628) and what passwords are called
    ("access_token", Rule::Field),
    ("refresh_token", Rule::Field),
    ("id_token", Rule::Field),
    ("client_secret", Rule::Field),
    ("code_verifier", Rule::Field),
    ("device_code", Rule::Field),
    ("password", Rule::Field),
    ("passwd", Rule::Field),
    ("private key-----", Rule::Pem),
];

/// What people write behind the word, and nobody has as a token.
const PROSE: [&str; 12] = [
    "and",
    "auth",
    "authentication",
    "authorization",
    "challenge",
    "credential",
    "credentials",
    "header",
    "headers",
    "scheme",
    "token",
    "tokens",
];

impl Rule {
    /// The secret whose beginning stands at `start..end`, if there is one.
    pub(super) fn secret(self, line: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
        match self {
            Self::Ours => ours(line, start, end),
            Self::Link => link(line, end),
            Self::Jwt => jwt(line, start),
            Self::Token(least) => token(line, end, least),
            Self::Word(least) => if_word_begins(line, start).and_then(|()| token(line, end, least)),
            Self::Header => header(line, end),
            Self::Bearer => bearer(line, end),
            Self::Basic => basic(line, end),
            Self::UserInfo => user_info(line, end),
            Self::Field => field(line, end),
            Self::Pem => pem(line, end),
        }
    }
}

fn ours(line: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let last = run(line, end, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    // A kind and an id are shown; whatever has another shape isn't, but for what says that it was ours.
    let shaped = line.get(start + HEAD - 1) == Some(&b'_');
    let shown = if shaped { start + PUBLIC } else { end };
    let least = if shaped { OURS_LEAST } else { PUBLIC };
    (last >= shown + least).then_some(shown..last)
}

fn link(line: &[u8], end: usize) -> Option<Range<usize>> {
    let id = run(line, end, |byte| byte.is_ascii_alphanumeric());
    let rest = line.get(id..)?;
    let hash = [&b"#"[..], b"%23"].into_iter().find(|hash| rest.starts_with(hash))?;
    let from = id + hash.len();
    let last = run(line, from, is_token);
    (last > from).then_some(from..last)
}

fn jwt(line: &[u8], start: usize) -> Option<Range<usize>> {
    let last = run(line, start, |byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let text = line.get(start..last)?;
    let mut parts = text.split(|byte| *byte == b'.').map(<[u8]>::len);
    // A header and a payload; a signature may be missing, a token may be cut off.
    let header = parts.next().unwrap_or(0);
    let payload = parts.next().unwrap_or(0);
    (header >= 10 && payload >= 4).then_some(start..last)
}

fn token(line: &[u8], end: usize, least: usize) -> Option<Range<usize>> {
    let last = run(line, end, is_token);
    (last >= end + least).then_some(end..last)
}

fn header(line: &[u8], end: usize) -> Option<Range<usize>> {
    let Value { secret, quoted, separator } = value::of_header(line, end)?;
    // A setting or an argument that names a header isn't its value.
    if separator == b'=' && !quoted {
        return None;
    }
    let text = line.get(secret.clone())?.trim_ascii();
    let scheme = [&b"bearer"[..], b"basic", b"digest"].iter().any(|scheme| text.eq_ignore_ascii_case(scheme));
    let there = !text.is_empty() && !scheme;
    there.then_some(secret)
}

fn bearer(line: &[u8], end: usize) -> Option<Range<usize>> {
    let from = run(line, end, |byte| byte == b' ');
    let last = run(line, from, is_token);
    let mut text = line.get(from..last)?;
    // A parameter of a challenge (RFC 9110, section 11.2).
    if text.ends_with(b"=") && line.get(last) == Some(&b'"') {
        return None;
    }
    while let Some(shorter) = text.strip_suffix(b".") {
        text = shorter;
    }
    let prose = PROSE.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    (text.len() >= 4 && !prose).then_some(from..last)
}

fn basic(line: &[u8], end: usize) -> Option<Range<usize>> {
    let from = run(line, end, |byte| byte == b' ');
    let last = run(line, from, |byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    let text = line.get(from..last)?;
    let decoded = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()?;
    decoded.contains(&b':').then_some(from..last)
}

fn user_info(line: &[u8], end: usize) -> Option<Range<usize>> {
    let last =
        run(line, end, |byte| byte.is_ascii_graphic() && !b"\"'`<>\\".contains(&byte) || !byte.is_ascii());
    let text = line.get(end..last)?;
    let at = text.iter().rposition(|byte| *byte == b'@')?;
    let info = text.get(..at)?;
    match info.iter().position(|byte| *byte == b':') {
        // `host:80/…@…` is a port and a path.
        Some(colon) if is_port_and_path(info.get(colon + 1..)?) => None,
        // As documentation writes it.
        Some(colon) if info.get(colon + 1..)? == b"password" => None,
        Some(colon) => Some(end + colon + 1..end + at).filter(|secret| !secret.is_empty()),
        // A token where the user's name stands; a path may have an `@` in it.
        None if info.contains(&b'/') || info.contains(&b'?') => None,
        None => (info.len() >= 16).then_some(end..end + at),
    }
}

fn is_port_and_path(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && matches!(text.get(digits), Some(b'/' | b'?'))
}

fn field(line: &[u8], end: usize) -> Option<Range<usize>> {
    let Value { secret, quoted, separator } = value::of_field(line, end)?;
    // `password: must be …` is prose.
    let there = !secret.is_empty() && (quoted || separator == b'=');
    there.then_some(secret)
}

/// On one line, its own lines are escaped: it goes on behind them.
fn pem(line: &[u8], end: usize) -> Option<Range<usize>> {
    let last = run(line, end, |byte| !b"\"'`\n".contains(&byte));
    (last > end).then_some(end..last)
}

/// Does a word begin here? Behind an escape, too: `\n` and `%3D` end with a letter that is none.
fn if_word_begins(line: &[u8], start: usize) -> Option<()> {
    let before = |back: usize| start.checked_sub(back).and_then(|at| line.get(at)).copied();
    let escaped = before(2) == Some(b'\\') || before(3) == Some(b'%');
    let word = before(1).is_some_and(|byte| byte.is_ascii_alphanumeric());
    (!word || escaped).then_some(())
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b'%')
}

/// The end of the longest run from `from` on of bytes that fit.
pub(super) fn run(line: &[u8], from: usize, fits: impl Fn(u8) -> bool) -> usize {
    from + line.get(from..).unwrap_or_default().iter().take_while(|byte| fits(**byte)).count()
}
