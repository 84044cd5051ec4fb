use cqrs_es::test::TestFramework;

use super::*;
use crate::sample::{hours, id, noon, verifier};

type Given = TestFramework<ApiKey>;

fn grant(expires_at: Option<DateTime<Utc>>) -> KeyGrant {
    KeyGrant {
        workspace_id: id(1),
        user_id: id(2),
        verifier: verifier(),
        role: Role::Member,
        expires_at,
        narrowing: None,
        epoch: Epoch::FIRST,
    }
}

fn key() -> Key {
    Key { grant: grant(None), rotation: Rotation::default() }
}

fn named(credential_id: &str) -> Verifier {
    Verifier { credential_id: crate::Inline::new(credential_id).unwrap(), ..verifier() }
}

fn rotate(former_until: Option<DateTime<Utc>>) -> ApiKeyCommand {
    ApiKeyCommand::Rotate { verifier: named("next"), former_until, at: noon() }
}

fn rotated(former_until: Option<DateTime<Utc>>) -> ApiKeyEvent {
    ApiKeyEvent::Rotated { verifier: named("next"), former_until }
}

fn reset(link: u128) -> ApiKeyCommand {
    ApiKeyCommand::Reset { link_id: id(link), at: noon() }
}

fn was_reset(link: u128) -> ApiKeyEvent {
    ApiKeyEvent::Reset { link_id: id(link) }
}

fn mint(link: u128) -> ApiKeyCommand {
    ApiKeyCommand::Mint { link_id: id(link), verifier: named("next") }
}

fn folded(history: Vec<ApiKeyEvent>) -> ApiKey {
    let mut key = ApiKey::default();
    for event in history {
        key.apply(event);
    }
    key
}

fn create(device_label: &str, expires_at: Option<DateTime<Utc>>) -> ApiKeyCommand {
    ApiKeyCommand::Create { grant: grant(expires_at), device_label: device_label.into(), at: noon() }
}

fn created() -> ApiKeyEvent {
    ApiKeyEvent::Created { grant: grant(None), device_label: "laptop".into() }
}

fn revoked() -> ApiKeyEvent {
    ApiKeyEvent::Revoked { reason: Some("lost".into()) }
}

fn revoke() -> ApiKeyCommand {
    ApiKeyCommand::Revoke { reason: Some("lost".into()) }
}

#[test]
fn key_without_end_is_made() {
    Given::with(())
        .given_no_previous_events()
        .when(create("laptop", None))
        .then_expect_events(vec![created()]);
}

#[test]
fn key_must_end_in_the_future() {
    for end in [hours(-1), noon()] {
        Given::with(())
            .given_no_previous_events()
            .when(create("laptop", Some(end)))
            .then_expect_error(ApiKeyError::ExpiresInThePast);
    }
    let event = ApiKeyEvent::Created { grant: grant(Some(hours(1))), device_label: "laptop".into() };
    Given::with(())
        .given_no_previous_events()
        .when(create("laptop", Some(hours(1))))
        .then_expect_events(vec![event]);
}

#[test]
fn device_label_is_required() {
    for label in ["", " ", "tab\t", &"x".repeat(65)] {
        Given::with(())
            .given_no_previous_events()
            .when(create(label, None))
            .then_expect_error(ApiKeyError::DeviceLabel);
    }
}

#[test]
fn taken_id_is_refused_also_after_the_key_ended() {
    for history in [vec![created()], vec![created(), revoked()]] {
        Given::with(()).given(history).when(create("laptop", None)).then_expect_error(ApiKeyError::Exists);
    }
}

#[test]
fn key_is_revoked_once() {
    Given::with(()).given(vec![created()]).when(revoke()).then_expect_events(vec![revoked()]);
    Given::with(()).given(vec![created(), revoked()]).when(revoke()).then_expect_events(vec![]);
}

#[test]
fn what_was_never_made_cannot_be_revoked() {
    Given::with(()).given_no_previous_events().when(revoke()).then_expect_error(ApiKeyError::Absent);
}

#[test]
fn revoked_key_never_comes_back() {
    let mut key = ApiKey::default();
    assert_eq!(key.grant(), None);
    key.apply(revoked());
    assert_eq!(key, ApiKey::Absent);
    key.apply(created());
    assert_eq!(key, ApiKey::Active(self::key()));
    for event in [revoked(), revoked(), created(), rotated(None), was_reset(1)] {
        key.apply(event);
        assert_eq!(key, ApiKey::Revoked(self::key()));
    }
    assert_eq!(key.grant(), Some(&grant(None)));
}

#[test]
fn rotated_key_is_the_same_key_and_answers_to_both_secrets_for_a_while() {
    let until = Some(hours(1));
    Given::with(()).given(vec![created()]).when(rotate(until)).then_expect_events(vec![rotated(until)]);
    let key = folded(vec![created(), rotated(until)]);
    assert_eq!(key.secret("next"), Some((SecretNumber(1), &named("next"))));
    let first = verifier();
    assert_eq!(key.secret(first.credential_id.as_str()), Some((SecretNumber(0), &first)));
    assert_eq!(key.grant().unwrap().user_id, id(2));
}

#[test]
fn grace_that_has_passed_is_none_and_long_grace_is_refused() {
    Given::with(()).given(vec![created()]).when(rotate(Some(noon()))).then_expect_events(vec![rotated(None)]);
    let long = rotate(Some(hours(7 * 24 + 1)));
    Given::with(()).given(vec![created()]).when(long).then_expect_error(ApiKeyError::GraceTooLong);
}

#[test]
fn reset_leaves_the_next_secret_to_the_newest_link() {
    Given::with(()).given(vec![created()]).when(reset(1)).then_expect_events(vec![was_reset(1)]);
    let twice = vec![created(), was_reset(1), was_reset(2)];
    Given::with(()).given(twice.clone()).when(mint(1)).then_expect_error(ApiKeyError::NotByThisLink);
    let minted = vec![rotated(None), ApiKeyEvent::OneTimeView { link_id: id(2) }];
    Given::with(()).given(twice.clone()).when(mint(2)).then_expect_events(minted.clone());
    let again = twice.into_iter().chain(minted).collect::<Vec<_>>();
    Given::with(()).given(again.clone()).when(mint(2)).then_expect_error(ApiKeyError::NotByThisLink);
    let key = folded(again);
    assert_eq!(key.secret("next"), Some((SecretNumber(1), &named("next"))));
    let first = verifier();
    let old = key.secret(first.credential_id.as_str());
    assert_eq!(old, Some((SecretNumber(0), &first)), "it ended with the reset, and is remembered");
}

#[test]
fn key_that_is_being_reset_is_not_rotated_but_revoked() {
    let history = vec![created(), was_reset(1)];
    Given::with(()).given(history.clone()).when(rotate(None)).then_expect_error(ApiKeyError::BeingReset);
    Given::with(()).given(history.clone()).when(revoke()).then_expect_events(vec![revoked()]);
    let gone = history.into_iter().chain([revoked()]).collect::<Vec<_>>();
    Given::with(()).given(gone).when(mint(1)).then_expect_error(ApiKeyError::Revoked);
}

#[test]
fn ended_key_gets_no_other_secret() {
    let ended = ApiKeyEvent::Created { grant: grant(Some(noon())), device_label: "laptop".into() };
    for (history, error) in
        [(vec![created(), revoked()], ApiKeyError::Revoked), (vec![ended], ApiKeyError::Expired)]
    {
        Given::with(()).given(history.clone()).when(rotate(None)).then_expect_error(error);
        Given::with(()).given(history).when(reset(1)).then_expect_error(error);
    }
}

#[test]
fn long_narrowing_is_refused() {
    let loadouts = Some((0..=Narrowing::PART_MAX as u128).map(id).collect());
    let narrowing = Some(Box::new(Narrowing { loadouts, ..Narrowing::default() }));
    let grant = KeyGrant { narrowing, ..grant(None) };
    let create = ApiKeyCommand::Create { grant, device_label: "laptop".into(), at: noon() };
    Given::with(()).given_no_previous_events().when(create).then_expect_error(ApiKeyError::NarrowingTooLong);
}
