use cqrs_es::test::TestFramework;

use super::*;
use crate::sample::{hours, id, noon, verifier};

type Given = TestFramework<ApiKey>;

fn grant(expires_at: Option<DateTime<Utc>>) -> KeyGrant {
    KeyGrant { workspace_id: id(1), user_id: id(2), verifier: verifier(), role: Role::Member, expires_at }
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
    assert_eq!(key, ApiKey::Active(grant(None)));
    for event in [revoked(), revoked(), created()] {
        key.apply(event);
        assert_eq!(key, ApiKey::Revoked(grant(None)));
    }
    assert_eq!(key.grant(), Some(&grant(None)));
}
