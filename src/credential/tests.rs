#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::HashSet;

use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use tollbook_vault::{NoRandomness, OsRandomness, Randomness};

use super::{Credential, Digest, Kind, Malformed, Pepper, check};

const DOCUMENT: &str = include_str!("../../docs/credentials.md");

fn pepper() -> Pepper {
    Pepper::from_value("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").unwrap()
}

/// The rows of the document's table: kind, id, secret, credential, HMAC.
fn vectors() -> Vec<[String; 5]> {
    let rows = DOCUMENT.lines().filter(|line| line.contains("`tbk_"));
    let cells =
        |line: &str| line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
    rows.map(cells)
        .filter(|cells| cells.len() == 7)
        .map(|cells| cells[1..6].to_vec().try_into().unwrap())
        .collect()
}

fn any() -> Credential {
    Credential::mint(Kind::ApiKey, &OsRandomness).unwrap()
}

/// The same text with a checksum that fits.
fn rechecked(body: &str) -> String {
    let mut text = body.to_owned();
    super::base62::push_checksum(&mut text, crc32fast::hash(body.as_bytes()));
    text
}

fn malformed(text: &str) -> Malformed {
    Credential::parse(text).err().unwrap_or_else(|| panic!("`{text}` was taken"))
}

#[test]
fn the_vectors_in_the_documentation_hold() {
    let vectors = vectors();
    let kinds: HashSet<_> = vectors.iter().map(|[kind, ..]| kind.as_str()).collect();
    assert_eq!(kinds.len(), Kind::ALL.len());
    for [kind, id, secret, text, hmac] in &vectors {
        let kind = Kind::of(kind).unwrap();
        let secret: [u8; 32] = hex::decode(secret).unwrap().try_into().unwrap();
        let made = Credential::from_parts(kind, id, &secret).unwrap();
        assert_eq!(made.expose(), text);
        let read = Credential::parse(text).unwrap();
        assert_eq!((read.kind(), read.id()), (kind, id.as_str()));
        assert_eq!(read.hmac(&pepper()).to_hex(), *hmac);
        assert!(read.verify(&pepper(), &Digest::from_bytes(hex::decode(hmac).unwrap().try_into().unwrap())));
    }
    assert!(DOCUMENT.contains(pepper().id()));
}

#[test]
fn a_minted_credential_is_read_back_and_no_two_are_alike() {
    let mut seen = HashSet::new();
    for kind in Kind::ALL.into_iter().cycle().take(2_000) {
        let minted = Credential::mint(kind, &OsRandomness).unwrap();
        let read = Credential::parse(minted.expose()).unwrap();
        assert_eq!((read.kind(), read.id(), read.expose()), (kind, minted.id(), minted.expose()));
        assert_eq!(read.display_prefix(), format!("tbk_{}_{}", kind.letters(), minted.id()));
        assert_eq!(minted.expose().len(), 69);
        assert!(seen.insert(minted.id().to_owned()));
    }
}

#[test]
fn every_single_mistyped_character_is_noticed() {
    let credential = any();
    let text = credential.expose();
    for at in 0..text.len() {
        for replacement in ['0', 'z', 'Q', '_', 'é', '\0', ' '] {
            let typo: String = text
                .chars()
                .enumerate()
                .map(|(n, letter)| if n == at { replacement } else { letter })
                .collect();
            if typo != text {
                malformed(&typo);
            }
        }
    }
}

#[test]
fn neighbours_swapped_are_noticed() {
    let credential = any();
    for at in 8..68 {
        let mut bytes = credential.expose().as_bytes().to_vec();
        bytes.swap(at, at + 1);
        let swapped = String::from_utf8(bytes).unwrap();
        if swapped != credential.expose() {
            malformed(&swapped);
        }
    }
}

#[test]
fn each_kind_of_junk_is_told_what_it_is() {
    let credential = any();
    let text = credential.expose();
    let body = &text[..63];
    assert_eq!(malformed(""), Malformed::Prefix);
    assert_eq!(malformed("ghp_0123456789"), Malformed::Prefix);
    assert_eq!(malformed(&text.to_uppercase()), Malformed::Prefix);
    assert_eq!(malformed("tbk_"), Malformed::Kind);
    assert_eq!(malformed(&text.replace("_key_", "_kex_")), Malformed::Kind);
    assert_eq!(malformed(&text[..68]), Malformed::Length);
    assert_eq!(malformed(&format!("{text}\n")), Malformed::Length);
    assert_eq!(malformed(&format!(" {text}")), Malformed::Prefix);
    assert_eq!(malformed(&text.replace(credential.id(), "0123456789-x")), Malformed::Alphabet);
    let other_kind = text.replace("_key_", "_ses_");
    assert_eq!(malformed(&other_kind), Malformed::Checksum);
    assert_eq!(Credential::parse(&rechecked(body)).unwrap().expose(), text);
}

#[test]
fn a_secret_of_more_than_256_bits_is_refused() {
    let head = "tbk_key_0123456789AB";
    let largest = "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1";
    let one_more = "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp2";
    let made = Credential::from_parts(Kind::ApiKey, "0123456789AB", &[0xff; 32]).unwrap();
    assert_eq!(made.expose(), rechecked(&format!("{head}{largest}")));
    assert_eq!(malformed(&rechecked(&format!("{head}{one_more}"))), Malformed::Range);
    assert_eq!(malformed(&rechecked(&format!("{head}{}", "z".repeat(43)))), Malformed::Range);
}

#[test]
fn any_text_at_all_is_answered_without_a_panic() {
    let mut rng = StdRng::seed_from_u64(28);
    let valid = any();
    for _ in 0..20_000 {
        let mut bytes = valid.expose().as_bytes().to_vec();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..3) {
                0 => bytes[at] = rng.random(),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, rng.random()),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        assert!(text == valid.expose() || Credential::parse(&text).is_err());
    }
    let mut junk = [0; 69];
    for _ in 0..2_000 {
        rng.fill_bytes(&mut junk);
        assert!(Credential::parse(&format!("tbk_key_{}", String::from_utf8_lossy(&junk))).is_err());
    }
}

#[test]
fn another_secret_another_kind_and_another_pepper_do_not_verify() {
    let credential = Credential::from_parts(Kind::Refresh, "0123456789AB", &[7; 32]).unwrap();
    let kept = credential.hmac(&pepper());
    assert!(credential.verify(&pepper(), &kept));
    let other_secret = Credential::from_parts(Kind::Refresh, "0123456789AB", &[8; 32]).unwrap();
    let other_kind = Credential::from_parts(Kind::Access, "0123456789AB", &[7; 32]).unwrap();
    let other_pepper = Pepper::from_value(&"77".repeat(32)).unwrap();
    assert!(!other_secret.verify(&pepper(), &kept));
    assert!(!other_kind.verify(&pepper(), &kept));
    assert!(!credential.verify(&other_pepper, &kept));
    assert_ne!(other_pepper.id(), pepper().id());
}

#[test]
fn what_is_kept_names_the_credential_and_the_pepper_and_nothing_secret() {
    let credential = any();
    let verifier = credential.verifier(&pepper());
    assert_eq!(verifier.credential_id.as_str(), credential.id());
    assert_eq!(verifier.pepper_id.as_str(), pepper().id());
    assert!(credential.verify(&pepper(), &Digest::from_bytes(verifier.hmac)));
}

#[test]
fn printing_a_credential_shows_its_public_part_only() {
    let credential = any();
    let printed = format!("{credential:?}");
    assert!(printed.contains(credential.display_prefix()));
    assert!(!printed.contains(&credential.expose()[20..24]));
}

#[test]
fn a_pepper_file_is_made_once_and_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pepper");
    let made = Pepper::create_file(&path, &OsRandomness).unwrap();
    assert_eq!(Pepper::from_file(&path).unwrap().id(), made.id());
    assert!(Pepper::create_file(&path, &OsRandomness).is_err());
}

#[test]
fn the_offline_check_tells_kind_and_id() {
    let credential = any();
    let description = check(credential.expose()).unwrap();
    assert_eq!(description.kind, Kind::ApiKey);
    assert_eq!(description.id, credential.id());
    assert_eq!(description.display_prefix, credential.display_prefix());
    assert_eq!(check("tbk_key_typo"), Err(Malformed::Length));
}

struct Dry;

impl Randomness for Dry {
    fn fill(&self, _: &mut [u8]) -> Result<(), NoRandomness> {
        Err(NoRandomness)
    }
}

#[test]
fn without_randomness_nothing_is_minted() {
    assert!(Credential::mint(Kind::Session, &Dry).is_err());
}

/// Randomness that is the same in every run.
struct Seeded(std::sync::Mutex<StdRng>);

impl Randomness for Seeded {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        self.0.lock().unwrap().fill_bytes(bytes);
        Ok(())
    }
}

#[test]
fn every_digit_of_an_id_is_equally_likely() {
    let random = Seeded(StdRng::seed_from_u64(62).into());
    let mut counts = std::collections::HashMap::new();
    for _ in 0..20_000 {
        for digit in super::base62::random_digits::<12>(&random).unwrap().chars() {
            *counts.entry(digit).or_insert(0_i32) += 1;
        }
    }
    // 3,871 of each are expected, with a deviation of 62; a careless `byte % 62` gives some digits 4,688.
    assert_eq!(counts.len(), 62);
    assert!(counts.values().all(|count| (count - 3_871).abs() < 300), "{counts:?}");
}
