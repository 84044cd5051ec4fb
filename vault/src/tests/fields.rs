//! Sealed fields of events, and vectors that fix the format for good.

use std::sync::{Arc, Mutex};

use uuid::Uuid;

use super::support::{House, MemoryStore, refusal, workspace};
use crate::{Class, HeldKey, NoRandomness, Randomness, SealedBody, Vault, VaultError, commitment};

const EVENT: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);

async fn sealed() -> (House, SealedBody) {
    let house = House::new();
    let body = house.vault.seal_field(workspace(1), EVENT, "device_label", b"Ada's laptop").await.unwrap();
    (house, body)
}

#[tokio::test]
async fn a_sealed_field_opens_to_its_value_alone() {
    let (house, body) = sealed().await;
    let opened = house.vault.open_field(workspace(1), EVENT, "device_label", &body).await.unwrap();
    assert_eq!(opened.expose_str(), Some("Ada's laptop"));
    let quick = house.vault.try_open_field(workspace(1), EVENT, "device_label", &body).unwrap().unwrap();
    assert_eq!(quick.expose(), opened.expose());
    let again =
        house.vault.try_seal_field(workspace(1), EVENT, "device_label", b"Ada's laptop").unwrap().unwrap();
    assert_ne!(again.commitment, body.commitment, "equal values can't be told by their commitments");
}

#[tokio::test]
async fn bodies_swapped_between_events_fields_and_workspaces_are_refused() {
    let (house, body) = sealed().await;
    let other_event = Uuid::from_u128(2);
    for (space, event, field) in [
        (workspace(2), EVENT, "device_label"),
        (workspace(1), other_event, "device_label"),
        (workspace(1), EVENT, "reason"),
    ] {
        let refused = refusal(house.vault.open_field(space, event, field, &body).await);
        assert!(matches!(refused, VaultError::NotForThis));
        let refused = refusal(house.vault.try_open_field(space, event, field, &body));
        assert!(matches!(refused, VaultError::NotForThis));
    }
}

#[tokio::test]
async fn what_is_about_a_person_is_erased_with_them_and_nothing_else_is() {
    let (house, of_workspace) = sealed().await;
    let (ada, bob) = (Uuid::from_u128(7), Uuid::from_u128(8));
    let about = |person| house.vault.seal_field_about(person, workspace(1), EVENT, "name", b"Ada");
    let (of_ada, of_bob) = (about(ada).await.unwrap(), about(bob).await.unwrap());
    let open = |body: SealedBody| {
        let vault = &house.vault;
        async move { vault.open_field(workspace(1), EVENT, "name", &body).await }
    };
    assert_eq!(open(of_ada.clone()).await.unwrap().expose_str(), Some("Ada"));
    let elsewhere = house.vault.open_field(workspace(2), EVENT, "name", &of_ada).await;
    assert!(matches!(refusal(elsewhere), VaultError::NotForThis), "it stays in its workspace and event");
    let key = house.vault.live_key(ada, Class::People).await.unwrap().unwrap();
    assert_eq!(key, of_ada.key_id);
    assert!(house.vault.destroy(key).await.unwrap());
    assert!(matches!(refusal(open(of_ada).await), VaultError::Destroyed(_)));
    let again = house.vault.seal_field_about(ada, workspace(1), EVENT, "name", b"Ada").await;
    assert!(again.is_err(), "nothing about them is sealed any more");
    assert_eq!(house.vault.live_key(ada, Class::People).await.unwrap(), None);
    assert_eq!(open(of_bob).await.unwrap().expose_str(), Some("Ada"));
    assert!(house.vault.open_field(workspace(1), EVENT, "device_label", &of_workspace).await.is_ok());
}

#[tokio::test]
async fn a_value_that_was_not_committed_to_is_refused() {
    let (house, body) = sealed().await;
    let other = house.vault.seal_field(workspace(1), EVENT, "device_label", b"Eve's laptop").await.unwrap();
    let swapped = SealedBody { commitment: body.commitment, ..other };
    let refused = refusal(house.vault.open_field(workspace(1), EVENT, "device_label", &swapped).await);
    assert!(matches!(refused, VaultError::NotAsCommitted));
    let relabelled = SealedBody { key_id: Uuid::nil().into(), ..body };
    let refused = refusal(house.vault.open_field(workspace(1), EVENT, "device_label", &relabelled).await);
    assert!(matches!(refused, VaultError::NotForThis));
}

#[tokio::test]
async fn truncated_bodies_are_errors_at_every_length() {
    let (house, body) = sealed().await;
    for length in 0..body.ciphertext.len() {
        let cut = SealedBody { ciphertext: body.ciphertext[..length].to_vec(), ..body.clone() };
        assert!(house.vault.open_field(workspace(1), EVENT, "device_label", &cut).await.is_err(), "{length}");
    }
}

/// Gives out the bytes that a vector fixes, in order.
struct Script(Mutex<Vec<u8>>);

impl Randomness for Script {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        let mut left = self.0.lock().unwrap();
        if left.len() < bytes.len() {
            return Err(NoRandomness);
        }
        bytes.copy_from_slice(&left[..bytes.len()]);
        left.drain(..bytes.len());
        Ok(())
    }
}

/// Key id, data key, wrapping nonce, salt, nonce: in the order in which the vault asks.
fn script() -> Vec<u8> {
    [[0x11; 16].as_slice(), &[0x22; 32], &[0x33; 12], &[0x44; 32], &[0x55; 12]].concat()
}

fn scripted() -> (Vault, Arc<MemoryStore>) {
    let random = Arc::new(Script(Mutex::new(script())));
    let store = Arc::new(MemoryStore::default());
    let kek = Arc::new(HeldKey::from_value(&"66".repeat(32), random.clone()).unwrap());
    (Vault::new(kek, store.clone(), random, 8), store)
}

#[tokio::test]
async fn the_format_is_the_one_that_was_written_before() {
    let (vault, store) = scripted();
    let body = vault.seal_field(workspace(1), EVENT, "device_label", b"Ada's laptop").await.unwrap();
    assert_eq!(body.key_id.to_string(), "11111111-1111-4111-9111-111111111111");
    let row = store.live(body.key_id);
    assert_eq!(row.kek_id, KEK_ID);
    assert_eq!(hex::encode(row.wrapped), WRAPPED);
    assert_eq!(hex::encode(body.commitment), COMMITMENT);
    assert_eq!(hex::encode(&body.ciphertext), CIPHERTEXT);
}

#[tokio::test]
async fn a_digest_tells_equal_values_within_a_workspace_and_nothing_after_it_is_gone() {
    let house = House::new();
    let digest = house.vault.digest(workspace(1), b"{\"q\":1}").await.unwrap();
    assert_eq!(house.restarted().vault.digest(workspace(1), b"{\"q\":1}").await.unwrap(), digest);
    assert_ne!(house.vault.digest(workspace(1), b"{\"q\":2}").await.unwrap(), digest);
    assert_ne!(house.vault.digest(workspace(2), b"{\"q\":1}").await.unwrap(), digest);

    let key = house.vault.seal_field(workspace(1), EVENT, "x", b"").await.unwrap().key_id;
    house.vault.destroy(key).await.unwrap();
    let refused = refusal(house.vault.digest(workspace(1), b"{\"q\":1}").await);
    assert!(matches!(refused, VaultError::Destroyed(_)));
}

#[tokio::test]
async fn the_digest_is_the_one_that_was_written_before() {
    let (vault, _) = scripted();
    let digest = vault.digest(workspace(1), b"Ada's laptop").await.unwrap();
    assert_eq!(hex::encode(digest), DIGEST);
}

#[test]
fn the_commitment_is_sha_256_of_salt_field_and_value() {
    assert_eq!(hex::encode(commitment(&[0x44; 32], "device_label", b"Ada's laptop")), COMMITMENT);
    // SHA-256 of 32 zero bytes.
    let nothing = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
    assert_eq!(hex::encode(commitment(&[0; 32], "", b"")), nothing);
}

#[tokio::test]
async fn without_randomness_nothing_is_sealed() {
    let (vault, _) = scripted();
    vault.seal_field(workspace(1), EVENT, "device_label", b"x").await.unwrap();
    let refused = refusal(vault.try_seal_field(workspace(1), EVENT, "device_label", b"x"));
    assert!(matches!(refused, VaultError::NoRandomness(_)));
}

// Computed by a second implementation: vault/vectors/envelope.py.
const KEK_ID: &str = "held:f7377b688410cfa1";
const WRAPPED: &str = "0133333333333333333333333350ed1853fca2ba2d6e59455da91392371f6a15cf8d0b188ce5dcddcae04b695ad8df1befe8d47b40c29543be494760f8";
const COMMITMENT: &str = "fb300a52a28e9c23ddbb4e605dcbe1d3a7d8c3030bf1d3fb804ab6570e753eec";
const CIPHERTEXT: &str = "01011111111111114111911111111111111155555555555555555555555507477fa19db6db5a93011461428344ac6c9f02d27d91f00b45febf8bd90e3fd7a14c9661d0707a16a25e12cd4e225b28c33a3e5451fb4798818a7813";
const DIGEST: &str = "46e23859aab9ccd601429cdc2ebcbe5b13036a9ff815deb24587c9811aba5564";
