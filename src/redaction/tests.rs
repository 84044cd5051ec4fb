#![expect(clippy::print_stdout, reason = "figures")]

use std::io::Write as _;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;
use crate::credential::{Credential, Kind};

const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn scrubbed(text: &str) -> String {
    scrub_text(text).into_owned()
}

/// What came out of a writer that the text was given to in pieces that end at these places.
fn in_pieces(text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Scrubbed::new(&mut out);
    let mut from = 0;
    for cut in cuts.iter().copied().chain([text.len()]) {
        writer.write_all(&text[from..cut]).unwrap();
        writer.flush().unwrap();
        from = cut;
    }
    drop(writer);
    out
}

fn letters(random: &mut StdRng, count: usize) -> String {
    (0..count).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

/// A text with a secret in it, and the secret.
fn secrets(random: &mut StdRng) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let credential = Credential::from_parts(kind, &letters(random, 12), &random.random()).unwrap();
        all.push((credential.expose().to_owned(), credential.expose()[20..].to_owned()));
    }
    let (id, secret) = (letters(random, 12), letters(random, 49));
    all.push((format!("http://127.0.0.1:7070/otl/{id}#{secret}"), secret));
    let part = |random: &mut StdRng| URL_SAFE_NO_PAD.encode(letters(random, 30));
    let jwt = format!("eyJ{}.{}.{}", part(random), part(random), part(random));
    all.push((jwt.clone(), jwt));
    for prefix in [
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxp-",
        "xapp-",
        "sk-",
        "sk-ant-",
        "sk-proj-",
        "sk_live_",
        "AIza",
        "ya29.",
        "GOCSPX-",
        "1//0",
        "npm_",
        "pypi-",
        "hf_",
        "lin_api_",
        "shpat_",
        "SG.",
        "dckr_pat_",
    ] {
        let secret = letters(random, 44);
        all.push((format!("{prefix}{secret}"), secret));
    }
    let any = |random: &mut StdRng| letters(random, 24);
    for name in ["Authorization", "proxy-authorization", "Cookie", "set-cookie", "X-Api-Key"] {
        let (a, b) = (any(random), any(random));
        let value = format!("{a}={b}; {b}");
        all.push((format!("{name}: {value}"), value.clone()));
        all.push((format!("{{\"{name}\": \"{value}\", \"host\": \"x\"}}"), value.clone()));
        all.push((format!(r#"{{\"{name}\": \"{value}\", \"host\": \"x\"}}"#), value.clone()));
        all.push((format!("(\"{name}\", \"{value}\")"), value.clone()));
        all.push((format!("{name}=\"{value}\""), value));
    }
    let (secret, name) = (any(random), letters(random, 6));
    all.push((format!("Bearer {secret}"), secret.clone()));
    let encoded = STANDARD.encode(format!("{name}:{secret}"));
    all.push((format!("Basic {encoded}"), encoded));
    for scheme in ["postgres", "https", "redis"] {
        all.push((format!("{scheme}://{name}:{secret}@127.0.0.1:5432/db"), secret.clone()));
        all.push((format!("{scheme}://{name}:{secret}/?#@[::1]/db"), format!("{secret}/?#")));
    }
    all.push((format!("https://{secret}@github.com/x/y"), secret));
    for field in ["access_token", "refresh_token", "client_secret", "code_verifier", "password"] {
        let secret = any(random);
        all.push((format!("https://h/cb?a=1&{field}={secret}&b=2"), secret.clone()));
        all.push((format!("{{\"{field}\":\"{secret}\"}}"), secret.clone()));
        all.push((format!("{field}: Some(\"{secret}\")"), secret));
    }
    let secret = any(random);
    all.push((format!("-----BEGIN PRIVATE KEY-----\\n{secret}"), secret));
    all
}

/// Around every secret, whatever stands there, and however the text comes in.
#[test]
fn no_secret_gets_through_in_any_surroundings_and_any_pieces() {
    let mut random = StdRng::seed_from_u64(41);
    let (mut lines, mut pieces) = (0, 0);
    for round in 0..40 {
        for (text, secret) in secrets(&mut random) {
            let before = ["", " ", "\"", "=", ": ", "(", "[", "{", "\\n", "%3D", "é ", "error: "];
            let behind = ["", " ", "\"", "\n", ", then", ")", "]", "}", "\\n", "é", "&x=y"];
            let before = before[random.random_range(0..before.len())];
            let behind = behind[random.random_range(0..behind.len())];
            let line = format!("first line\n2026 INFO a b={before}{text}{behind}\nlast line\n");
            let whole = String::from_utf8(in_pieces(line.as_bytes(), &[])).unwrap();
            assert!(!whole.contains(&secret), "{line}\n{whole}");
            assert!(whole.starts_with("first line\n") && whole.ends_with("last line\n"), "{whole}");
            assert!(whole.contains(MARK), "{whole}");
            lines += 1;
            // Cut once at every place, and at many places at once.
            if round == 0 {
                for cut in 0..line.len() {
                    assert_eq!(in_pieces(line.as_bytes(), &[cut]), whole.as_bytes(), "{cut}");
                    pieces += 1;
                }
            }
            let mut cuts: Vec<usize> = (0..9).map(|_| random.random_range(0..line.len())).collect();
            cuts.sort_unstable();
            assert_eq!(in_pieces(line.as_bytes(), &cuts), whole.as_bytes());
            // What is left has nothing in it that would be taken out the next time.
            assert!(!scrubbed(&whole).contains(&secret));
        }
    }
    println!("redaction: {lines} lines, {pieces} splits, 0 secrets");
}

#[test]
fn what_is_public_stays() {
    for text in [
        "Send `Authorization: Bearer` with an API key that is in force",
        "The `Authorization` header must be `Bearer` and a credential.",
        "export TOLLBOOK_API_KEY=tbk_key_…",
        "the setting `database_url` must be postgres://user:password@host:port/database",
        r#"Bearer realm="tollbook", error="invalid_token", scope="tools:call""#,
        "tbk_key_0123456789AB is revoked",
        "risk-assessments-are-made-by-people-who-know",
        "http://127.0.0.1:7070/docs/@scope/package",
        "--header is HEADER=VARIABLE, such as authorization=MY_TOKEN",
        "the eyJ of a token",
        "a bearer token, a bearer credential. Bearer authentication",
        "git@github.com:x/y, ssh://git@github.com/x/y",
        "password: must have a digit",
        "npm_config_registry=https://registry.npmjs.org/",
        "0199f0c8-7d2e-7000-8000-000000000001 position=4711",
    ] {
        assert!(matches!(scrub_text(text), Cow::Borrowed(_)), "{text}: {}", scrubbed(text));
    }
}

#[test]
fn the_public_part_of_a_credential_says_which_it_was() {
    let credential = Credential::from_parts(Kind::ApiKey, "0123456789AB", &[7; 32]).unwrap();
    let text = format!("key={} used", credential.expose());
    assert_eq!(scrubbed(&text), "key=tbk_key_0123456789AB[redacted] used");
    // Cut off, mistyped, in capitals: still one.
    let text = credential.expose();
    for broken in [&text[..40], &text.to_uppercase(), &text.replacen("_key_", "_keyx", 1)] {
        assert!(!scrubbed(broken).contains(&broken[24..40]), "{broken}");
    }
}

#[test]
fn a_member_of_a_json_line_is_still_one() {
    let line = r#"{"message":"got authorization: Bearer abcdefgh12345678","target":"x"}"#;
    let value: serde_json::Value = serde_json::from_str(&scrubbed(line)).unwrap();
    assert_eq!(value["message"], "got authorization: [redacted]");
    assert_eq!(value["target"], "x");
}

#[test]
fn a_line_without_end_is_cut_before_a_word_and_holds_no_memory() {
    let secret = "c".repeat(60);
    let mut text = "x ".repeat(32 * 1024 - 20).into_bytes();
    text.extend_from_slice(format!("tbk_key_0123456789AB{secret}").as_bytes());
    text.extend_from_slice(&b"more ".repeat(1 << 20));
    text.extend_from_slice(b"\nnext\n");
    let out = String::from_utf8(in_pieces(&text, &[10, 40_000, 70_000, 1 << 20])).unwrap();
    assert!(!out.contains("cccc"), "{}", &out[out.len() - 200..]);
    assert!(out.len() < 66 * 1024 && out.ends_with("too long\nnext\n"));
}

/// What a line costs that has nothing in it: a pass, and no copy.
#[test]
fn a_clean_line_is_not_copied() {
    let line = "2026-11-22T14:00:00Z  INFO tollbook::server: listening address=127.0.0.1:7070 workers=2 \
        position=4711 request=0199f0c8-7d2e-7000-8000-000000000001 elapsed=12.5ms outcome=\"permitted\"\n";
    assert!(matches!(scrub(line.as_bytes()), Cow::Borrowed(_)));
    let rounds = 20_000;
    let mut sink = std::io::sink();
    let begun = Instant::now();
    for _ in 0..rounds {
        Scrubbed::new(&mut sink).write_all(line.as_bytes()).unwrap();
    }
    println!("redaction: {} ns for a line of {} bytes", begun.elapsed().as_nanos() / rounds, line.len());
}
