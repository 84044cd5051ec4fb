//! A sealed value opens in its own place and nowhere else.

use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use uuid::Uuid;

use super::support::{House, header, refusal, workspace};
use crate::{BelongsTo, Purpose, Sealed, VaultError, envelope};

const SECRET: &[u8] = b"Bearer of good news";

async fn sealed_header() -> (House, Vec<u8>) {
    let house = House::new();
    let sealed = house.vault.seal(&header(), SECRET).await.unwrap();
    (house, sealed.into_bytes())
}

async fn refused_for(house: &House, belongs: BelongsTo<'_>, sealed: &[u8]) {
    let refusal = refusal(house.vault.open(&belongs, sealed).await);
    assert!(matches!(refusal, VaultError::NotForThis), "{belongs:?}: {refusal:?}");
}

#[tokio::test]
async fn what_was_sealed_opens_in_its_place() {
    let (house, sealed) = sealed_header().await;
    assert_eq!(house.vault.open(&header(), &sealed).await.unwrap().expose(), SECRET);
    assert_eq!(house.restarted().vault.open(&header(), &sealed).await.unwrap().expose(), SECRET);
    assert!(!sealed.windows(6).any(|window| SECRET.windows(6).any(|secret| secret == window)));
}

#[tokio::test]
async fn ciphertext_swapped_between_rows_workspaces_fields_versions_and_origins_is_refused() {
    let (house, sealed) = sealed_header().await;
    let own = header();
    for elsewhere in [
        BelongsTo { purpose: Purpose::OAuthToken, ..own },
        BelongsTo { purpose: Purpose::EventBody, ..own },
        BelongsTo { workspace: workspace(2), ..own },
        BelongsTo { owner: Uuid::from_u128(8), ..own },
        BelongsTo { field: "x-api-key", ..own },
        BelongsTo { version: 2, ..own },
        BelongsTo { version: 4, ..own },
        BelongsTo { origin: Some("https://evil.example"), ..own },
        BelongsTo { origin: None, ..own },
        BelongsTo { issuer: Some("https://tools.example"), ..own },
        BelongsTo { issuer: None, ..own },
    ] {
        refused_for(&house, elsewhere, &sealed).await;
        refused_for(&house.restarted(), elsewhere, &sealed).await;
    }
}

#[tokio::test]
async fn ciphertext_relabelled_with_another_workspaces_key_is_refused() {
    let (house, sealed) = sealed_header().await;
    let other = BelongsTo { workspace: workspace(2), ..header() };
    let theirs = house.vault.seal(&other, SECRET).await.unwrap().into_bytes();
    let mut relabelled = sealed.clone();
    relabelled[2..18].copy_from_slice(&theirs[2..18]);
    refused_for(&house, header(), &relabelled).await;
    refused_for(&house, other, &relabelled).await;
}

#[tokio::test]
async fn a_key_opens_nothing_for_another_workspace_or_class_even_if_it_sealed_it() {
    let (house, sealed) = sealed_header().await;
    let key = house.vault.key(Sealed::from_bytes(sealed).unwrap().key_id()).await.unwrap();
    for stray in [
        BelongsTo { workspace: workspace(2), ..header() },
        BelongsTo { purpose: Purpose::StoredAnswer, ..header() },
    ] {
        let sealed = envelope::seal(&key.cipher, key.id, [0; 12], &stray, &[SECRET]).unwrap();
        refused_for(&house, stray, sealed.as_bytes()).await;
    }
}

#[tokio::test]
async fn an_older_ciphertext_cannot_be_replayed() {
    let (house, old) = sealed_header().await;
    let newer = BelongsTo { version: 4, ..header() };
    let new = house.vault.seal(&newer, b"rotated").await.unwrap().into_bytes();
    refused_for(&house, newer, &old).await;
    refused_for(&house, header(), &new).await;
}

#[tokio::test]
async fn any_changed_bit_is_refused_and_any_truncation_is_an_error() {
    let (house, sealed) = sealed_header().await;
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(house.vault.open(&header(), &changed).await.is_err(), "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert!(house.vault.open(&header(), &sealed[..length]).await.is_err(), "length {length}");
        assert!(house.vault.try_open(&header(), &sealed[..length]).is_err(), "length {length}");
    }
    let longer = [&sealed[..], &[0]].concat();
    refused_for(&house, header(), &longer).await;
}

#[tokio::test]
async fn bytes_of_another_shape_are_malformed() {
    let (house, sealed) = sealed_header().await;
    let mut later_version = sealed.clone();
    later_version[0] = 2;
    let mut other_algorithm = sealed.clone();
    other_algorithm[1] = 2;
    for bytes in [&[][..], &sealed[..45], &later_version, &other_algorithm] {
        assert!(matches!(refusal(house.vault.open(&header(), bytes).await), VaultError::Malformed));
        assert!(matches!(refusal(Sealed::from_bytes(bytes.to_vec())), VaultError::Malformed));
    }
}

#[tokio::test]
async fn random_values_in_random_places_come_back_and_random_bytes_never_open() {
    let house = House::new();
    let mut rng = StdRng::seed_from_u64(20);
    for round in 0..500 {
        let mut value = vec![0; rng.random_range(0..2000)];
        rng.fill_bytes(&mut value);
        let field: String = (0..rng.random_range(0..20)).map(|_| rng.random::<char>()).collect();
        let place = BelongsTo {
            workspace: workspace(rng.random_range(0..5)),
            owner: Uuid::from_u128(rng.random()),
            field: &field,
            version: rng.random(),
            origin: rng.random::<bool>().then_some(field.as_str()),
            issuer: rng.random::<bool>().then_some("issuer"),
            ..header()
        };
        let sealed = house.vault.seal(&place, &value).await.unwrap();
        let key_id = sealed.key_id();
        let bytes = sealed.into_bytes();
        assert_eq!(bytes.len(), value.len() + 46);
        assert_eq!(Sealed::from_bytes(bytes.clone()).unwrap().key_id(), key_id);
        assert_eq!(house.vault.open(&place, &bytes).await.unwrap().expose(), value, "round {round}");

        rng.fill_bytes(&mut value);
        assert!(house.vault.open(&place, &value).await.is_err());
        let forged = [&bytes[..30], &value].concat();
        assert!(house.vault.open(&place, &forged).await.is_err());
    }
}

#[tokio::test]
async fn the_same_value_never_looks_the_same() {
    let house = House::new();
    let one = house.vault.seal(&header(), SECRET).await.unwrap();
    let two = house.vault.seal(&header(), SECRET).await.unwrap();
    assert_ne!(one.as_bytes()[18..], two.as_bytes()[18..]);
}
