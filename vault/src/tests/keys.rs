//! Data keys: made once, wrapped always, gone when destroyed, out of reach without their wrapper.

use std::{collections::HashSet, sync::atomic::Ordering};

use futures::future::join_all;
use uuid::Uuid;

use super::support::{House, header, refusal, workspace};
use crate::{BelongsTo, Class, KekError, KeyId, Purpose, StoredKey, VaultError, WrappedKey};

#[tokio::test]
async fn callers_who_race_for_the_first_key_all_get_the_same_one() {
    let house = House::new();
    let replicas: Vec<House> = (0..8).map(|_| house.restarted()).collect();
    let place = header();
    let sealed = join_all(replicas.iter().map(|replica| replica.vault.seal(&place, b"x"))).await;
    let keys: HashSet<KeyId> = sealed.into_iter().map(|sealed| sealed.unwrap().key_id()).collect();
    assert_eq!(keys.len(), 1);
    assert_eq!(house.store.count(), 1);
}

#[tokio::test]
async fn every_workspace_and_class_has_its_own_key() {
    let house = House::new();
    let mut keys = HashSet::new();
    for n in 0..3 {
        for purpose in [Purpose::StaticHeader, Purpose::EventBody, Purpose::StoredAnswer] {
            let place = BelongsTo { workspace: workspace(n), purpose, ..header() };
            keys.insert(house.vault.seal(&place, b"x").await.unwrap().key_id());
        }
    }
    assert_eq!(keys.len(), 9);
}

#[tokio::test]
async fn the_quick_way_works_as_soon_as_the_key_is_in_memory() {
    let house = House::new();
    assert!(house.vault.try_seal(&header(), b"x").unwrap().is_none());
    house.vault.prepare(workspace(1), Class::Secrets).await.unwrap();
    let reads = house.store.reads.load(Ordering::Relaxed);
    let sealed = house.vault.try_seal(&header(), b"x").unwrap().unwrap().into_bytes();
    assert_eq!(house.vault.try_open(&header(), &sealed).unwrap().unwrap().expose(), b"x");
    assert_eq!(house.store.reads.load(Ordering::Relaxed), reads);

    let cold = house.restarted();
    assert!(cold.vault.try_open(&header(), &sealed).unwrap().is_none());
}

#[tokio::test]
async fn an_unknown_key_is_named_and_nothing_opens() {
    let house = House::new();
    let sealed = house.vault.seal(&header(), b"x").await.unwrap();
    let elsewhere = House::new();
    let refused = refusal(elsewhere.vault.open(&header(), sealed.as_bytes()).await);
    assert!(matches!(refused, VaultError::UnknownKey(id) if id == sealed.key_id()));
}

#[tokio::test]
async fn what_a_destroyed_key_sealed_is_gone_and_nothing_new_begins_in_its_place() {
    let house = House::new();
    let place = header();
    let sealed = house.vault.seal(&place, b"x").await.unwrap();
    let key = sealed.key_id();
    assert!(house.vault.destroy(key).await.unwrap());
    assert!(!house.vault.destroy(key).await.unwrap());

    let is_gone = |error: VaultError| matches!(error, VaultError::Destroyed(id) if id == key);
    assert!(is_gone(refusal(house.vault.open(&place, sealed.as_bytes()).await)));
    assert!(is_gone(refusal(house.vault.seal(&place, b"again").await)));
    assert!(house.vault.try_open(&place, sealed.as_bytes()).unwrap().is_none());
    assert!(house.vault.try_seal(&place, b"again").unwrap().is_none());
    assert!(is_gone(refusal(house.restarted().vault.open(&place, sealed.as_bytes()).await)));
}

#[tokio::test]
async fn a_replica_told_of_an_erasure_forgets_the_keys_it_held() {
    let house = House::new();
    let replica = house.restarted();
    let sealed = house.vault.seal(&header(), b"x").await.unwrap();
    replica.vault.open(&header(), sealed.as_bytes()).await.unwrap();
    house.vault.destroy(sealed.key_id()).await.unwrap();

    replica.vault.forget_workspace(workspace(2));
    assert!(replica.vault.try_open(&header(), sealed.as_bytes()).unwrap().is_some());
    replica.vault.forget_workspace(workspace(1));
    let refused = refusal(replica.vault.open(&header(), sealed.as_bytes()).await);
    assert!(matches!(refused, VaultError::Destroyed(_)));
}

#[tokio::test]
async fn a_key_forgotten_while_it_was_being_read_is_not_remembered_again() {
    let house = House::new();
    let sealed = house.vault.seal(&header(), b"x").await.unwrap();
    let key = house.vault.key(sealed.key_id()).await.unwrap();
    let before = house.vault.cache.epoch();
    house.vault.forget_workspace(workspace(1));
    house.vault.cache.put(before, &key, true);
    assert!(house.vault.try_seal(&header(), b"x").unwrap().is_none());
    assert!(house.vault.try_open(&header(), sealed.as_bytes()).unwrap().is_none());
}

#[tokio::test]
async fn without_the_key_encryption_key_everything_stays_shut_and_the_error_names_it() {
    let house = House::new();
    let sealed = house.vault.seal(&header(), b"x").await.unwrap();
    let cold = house.restarted();
    cold.kek.away.store(true, Ordering::Relaxed);
    let fresh = BelongsTo { workspace: workspace(9), ..header() };
    for refused in [
        refusal(cold.vault.open(&header(), sealed.as_bytes()).await),
        refusal(cold.vault.seal(&header(), b"y").await),
        refusal(cold.vault.seal(&fresh, b"y").await),
    ] {
        assert!(matches!(refused, VaultError::KekUnavailable { reason: KekError::Unreachable(_), .. }));
    }
    assert_eq!(house.store.count(), 1);

    cold.kek.away.store(false, Ordering::Relaxed);
    assert_eq!(cold.vault.open(&header(), sealed.as_bytes()).await.unwrap().expose(), b"x");
}

#[tokio::test]
async fn another_key_encryption_key_opens_nothing_and_the_error_names_both() {
    let house = House::new();
    let sealed = house.vault.seal(&header(), b"x").await.unwrap();
    let wanted = house.store.live(sealed.key_id()).kek_id;
    let wrong = House::on(house.store.clone(), &"cd".repeat(32), 64);
    let refused = refusal(wrong.vault.open(&header(), sealed.as_bytes()).await);
    let VaultError::KekUnavailable { wanted: named, reason: KekError::Other { configured } } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(named, wanted);
    assert_ne!(configured, wanted);
}

/// What somebody does to a row.
type Change<'a> = Box<dyn Fn(&mut WrappedKey) + 'a>;

#[tokio::test]
async fn a_wrapped_key_moved_to_another_row_or_changed_does_not_unwrap() {
    let house = House::new();
    let mine = house.vault.seal(&header(), b"x").await.unwrap();
    let other = BelongsTo { workspace: workspace(2), ..header() };
    let theirs = house.vault.seal(&other, b"y").await.unwrap();
    let stolen = house.store.live(theirs.key_id());

    let tries: [Change<'_>; 5] = [
        Box::new(|row| row.wrapped = stolen.wrapped.clone()),
        Box::new(|row| row.workspace = workspace(2)),
        Box::new(|row| row.class = Class::Bodies),
        Box::new(|row| row.wrapped[20] ^= 1),
        Box::new(|row| row.wrapped.truncate(40)),
    ];
    let honest = house.store.live(mine.key_id());
    for (n, change) in tries.iter().enumerate() {
        let mut row = honest.clone();
        change(&mut row);
        house.store.tamper(|rows| drop(rows.insert(mine.key_id(), StoredKey::Live(row))));
        let cold = house.restarted();
        assert!(
            matches!(refusal(cold.vault.open(&header(), mine.as_bytes()).await), VaultError::NotForThis),
            "{n}"
        );
        assert!(matches!(refusal(cold.vault.seal(&header(), b"z").await), VaultError::NotForThis), "{n}");
    }
}

#[tokio::test]
async fn a_whole_row_put_in_anothers_place_does_not_serve() {
    let house = House::new();
    let mine = house.vault.seal(&header(), b"x").await.unwrap();
    let other = BelongsTo { workspace: workspace(2), ..header() };
    let theirs = house.vault.seal(&other, b"y").await.unwrap();
    let stolen = house.store.live(theirs.key_id());
    house.store.tamper(|rows| drop(rows.insert(mine.key_id(), StoredKey::Live(stolen))));
    let cold = house.restarted();
    assert!(matches!(refusal(cold.vault.seal(&header(), b"z").await), VaultError::NotForThis));
    assert!(matches!(refusal(cold.vault.open(&header(), mine.as_bytes()).await), VaultError::NotForThis));
}

#[tokio::test]
async fn memory_is_bounded_and_the_least_used_key_goes_first() {
    let house = House::new();
    let small = House::on(house.store.clone(), &"ab".repeat(32), 2);
    let place = |n| BelongsTo { workspace: workspace(n), ..header() };
    for n in 1..=2 {
        small.vault.seal(&place(n), b"x").await.unwrap();
    }
    small.vault.try_seal(&place(1), b"x").unwrap().unwrap();
    small.vault.seal(&place(3), b"x").await.unwrap();
    assert!(small.vault.try_seal(&place(1), b"x").unwrap().is_some());
    assert!(small.vault.try_seal(&place(2), b"x").unwrap().is_none());
    assert!(small.vault.try_seal(&place(3), b"x").unwrap().is_some());
}

#[test]
fn the_store_can_name_every_class() {
    for class in [Class::Secrets, Class::Bodies, Class::Answers] {
        assert_eq!(class.name().parse(), Ok(class));
    }
    assert!("person".parse::<Class>().is_err());
    assert_eq!(KeyId::from(Uuid::nil()).as_uuid(), Uuid::nil());
}
