//! An API key: a user's long-lived credential in one workspace, with a device label.
//!
//! A key may be given another secret and stays the same key, with all that hangs on it: its holder
//! rotates it, with a grace period in which both secrets are good; an admin resets it, which ends the
//! old secret at once and leaves it to whoever holds the link to mint the next.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::rotation::Rotation;
use crate::{Epoch, Fact, LinkId, Narrowing, Private, Role, SecretNumber, UserId, Verifier, WorkspaceId};

/// An id that was never written loads as [`ApiKey::Absent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApiKey {
    /// Never written.
    #[default]
    Absent,
    /// In force until it expires.
    Active(Key),
    /// No secret of it is good until the link is redeemed.
    Reset {
        /// What it is.
        key: Key,
        /// The one link that mints its next secret.
        link_id: LinkId,
    },
    /// Ended for good.
    Revoked(Key),
}

/// A key that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// What it grants. Its verifier is that of the newest secret.
    pub grant: KeyGrant,
    /// Which secrets it answers to.
    pub rotation: Rotation,
}

/// What a key grants, fixed when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyGrant {
    /// The only workspace in which it is worth anything.
    pub workspace_id: WorkspaceId,
    /// Whose rights it carries.
    pub user_id: UserId,
    /// What the secret is checked with.
    pub verifier: Verifier,
    /// The most that it carries of its user's rights.
    pub role: Role,
    /// The first moment at which it is no longer valid.
    pub expires_at: Option<DateTime<Utc>>,
    /// What it is narrowed to, below the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrowing: Option<Box<Narrowing>>,
    /// The workspace's when it was made.
    #[serde(default, skip_serializing_if = "Epoch::is_first")]
    pub epoch: Epoch,
}

/// What can be asked of a key.
#[derive(Debug, Clone)]
pub enum ApiKeyCommand {
    /// Make it.
    Create {
        /// What it grants.
        grant: KeyGrant,
        /// Where it is used.
        device_label: Private,
        /// The command's time.
        at: DateTime<Utc>,
    },
    /// Give it another secret.
    Rotate {
        /// Of the next secret.
        verifier: Verifier,
        /// Until when the one before it is good, too; ended at once, when absent.
        former_until: Option<DateTime<Utc>>,
        /// The command's time.
        at: DateTime<Utc>,
    },
    /// End its secrets, and let whoever redeems the link mint the next.
    Reset {
        /// Which link. One of an earlier reset is worth nothing from now on.
        link_id: LinkId,
        /// The command's time.
        at: DateTime<Utc>,
    },
    /// Mint the next secret of a key that was reset.
    Mint {
        /// The link that is redeemed.
        link_id: LinkId,
        /// Of the next secret.
        verifier: Verifier,
    },
    /// End it.
    Revoke {
        /// For the record.
        reason: Option<Private>,
    },
}

/// What happened to a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyEvent {
    /// `api_key.created`
    Created {
        /// What it grants.
        #[serde(flatten)]
        grant: KeyGrant,
        /// Where it is used.
        #[serde(skip)]
        device_label: Private,
    },
    /// `api_key.rotated`: it has another secret, and is the same key.
    Rotated {
        /// Of the new secret.
        verifier: Verifier,
        /// Until when the one before it is good, too; it ended here, when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        former_until: Option<DateTime<Utc>>,
    },
    /// `api_key.reset`: no secret of it is good until the link is redeemed.
    Reset {
        /// Which link.
        link_id: LinkId,
    },
    /// `api_key.one_time_view`: a secret was minted by a link and shown, this once.
    OneTimeView {
        /// Which link.
        link_id: LinkId,
    },
    /// `api_key.revoked`
    Revoked {
        /// As somebody put it.
        #[serde(skip)]
        reason: Option<Private>,
    },
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// Never written.
    #[error("the API key does not exist")]
    Absent,
    /// The id is taken.
    #[error("the API key exists already")]
    Exists,
    /// It would never be valid.
    #[error("`expires_at` must lie in the future")]
    ExpiresInThePast,
    /// See [`ApiKey::DEVICE_LABEL_MAX`].
    #[error("`device_label` must have 1 to 64 characters and no control characters")]
    DeviceLabel,
    /// See [`Narrowing::PART_MAX`].
    #[error("a key can be narrowed to at most 64 of each")]
    NarrowingTooLong,
    /// Ended for good.
    #[error("the API key is revoked")]
    Revoked,
    /// Ended by itself.
    #[error("the API key has expired")]
    Expired,
    /// Its next secret comes by the link.
    #[error("the API key was reset, and its link is not redeemed yet")]
    BeingReset,
    /// It wasn't reset, or by another link since.
    #[error("the link does not reset this API key any more")]
    NotByThisLink,
    /// See [`ApiKey::GRACE_MAX`].
    #[error("the grace period must be at most 7 days")]
    GraceTooLong,
}

impl ApiKey {
    /// The longest device label, in characters.
    pub const DEVICE_LABEL_MAX: usize = 64;

    /// The longest time for which the secret before the newest may stay good.
    pub const GRACE_MAX: TimeDelta = TimeDelta::days(7);

    /// What it was made as, also after it ended.
    pub const fn grant(&self) -> Option<&KeyGrant> {
        match self.key() {
            Some(key) => Some(&key.grant),
            None => None,
        }
    }

    /// The key, also after it ended.
    pub const fn key(&self) -> Option<&Key> {
        match self {
            Self::Absent => None,
            Self::Active(key) | Self::Reset { key, .. } | Self::Revoked(key) => Some(key),
        }
    }

    /// Forgets what it is narrowed to: for a key that has ended for good, of which only that matters.
    pub fn forget_narrowing(&mut self) {
        self.narrow_to(None);
    }

    /// Keeps of what it is narrowed to only that it permits nothing: for a key whose time is over, by a clock that
    /// may be wrong.
    pub fn narrow_to_nothing(&mut self) {
        if self.grant().is_some_and(|grant| grant.narrowing.is_some()) {
            let permissions = Some(BTreeSet::new());
            self.narrow_to(Some(Box::new(Narrowing { permissions, ..Narrowing::default() })));
        }
    }

    fn narrow_to(&mut self, narrowing: Option<Box<Narrowing>>) {
        if let Self::Active(key) | Self::Reset { key, .. } | Self::Revoked(key) = self {
            key.grant.narrowing = narrowing;
        }
    }

    /// The secret of this public id, and what it is checked with. Also when it is no longer good: who
    /// holds it is told so.
    pub fn secret(&self, credential_id: &str) -> Option<(SecretNumber, &Verifier)> {
        let key = self.key()?;
        key.rotation.find(&key.grant.verifier, credential_id)
    }

    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: ApiKeyCommand) -> Result<Vec<ApiKeyEvent>, ApiKeyError> {
        use ApiKeyCommand::{Create, Mint, Reset, Revoke, Rotate};
        match (self, command) {
            (Self::Absent, Create { grant, device_label, at }) => create(grant, device_label, at),
            (_, Create { .. }) => Err(ApiKeyError::Exists),
            (Self::Absent, _) => Err(ApiKeyError::Absent),
            // A brake may be pressed twice.
            (Self::Revoked(_), Revoke { .. }) => Ok(vec![]),
            (Self::Active(_) | Self::Reset { .. }, Revoke { reason }) => {
                Ok(vec![ApiKeyEvent::Revoked { reason }])
            }
            (Self::Revoked(_), _) => Err(ApiKeyError::Revoked),
            (Self::Active(key), Rotate { verifier, former_until, at }) => {
                key.in_time(at)?;
                rotate(verifier, former_until, at)
            }
            (Self::Reset { .. }, Rotate { .. }) => Err(ApiKeyError::BeingReset),
            (Self::Active(key) | Self::Reset { key, .. }, Reset { link_id, at }) => {
                key.in_time(at)?;
                Ok(vec![ApiKeyEvent::Reset { link_id }])
            }
            (Self::Reset { link_id: by, .. }, Mint { link_id, verifier }) if *by == link_id => Ok(vec![
                ApiKeyEvent::Rotated { verifier, former_until: None },
                ApiKeyEvent::OneTimeView { link_id },
            ]),
            (Self::Active(_) | Self::Reset { .. }, Mint { .. }) => Err(ApiKeyError::NotByThisLink),
        }
    }
}

impl Key {
    fn in_time(&self, at: DateTime<Utc>) -> Result<(), ApiKeyError> {
        if self.grant.expires_at.is_some_and(|end| at >= end) { Err(ApiKeyError::Expired) } else { Ok(()) }
    }

    fn rotated(self, verifier: Verifier, former_until: Option<DateTime<Utc>>) -> Self {
        let Self { mut grant, rotation } = self;
        let replaced = std::mem::replace(&mut grant.verifier, verifier);
        Self { grant, rotation: rotation.followed(replaced, former_until) }
    }
}

fn create(
    grant: KeyGrant,
    device_label: Private,
    at: DateTime<Utc>,
) -> Result<Vec<ApiKeyEvent>, ApiKeyError> {
    let device_label = device_label.within(ApiKey::DEVICE_LABEL_MAX).ok_or(ApiKeyError::DeviceLabel)?;
    if grant.expires_at.is_some_and(|end| end <= at) {
        return Err(ApiKeyError::ExpiresInThePast);
    }
    if grant.narrowing.as_ref().is_some_and(|narrowing| narrowing.is_too_long()) {
        return Err(ApiKeyError::NarrowingTooLong);
    }
    Ok(vec![ApiKeyEvent::Created { grant, device_label }])
}

fn rotate(
    verifier: Verifier,
    former_until: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
) -> Result<Vec<ApiKeyEvent>, ApiKeyError> {
    let former_until = former_until.filter(|until| *until > at);
    if former_until.is_some_and(|until| until - at > ApiKey::GRACE_MAX) {
        return Err(ApiKeyError::GraceTooLong);
    }
    Ok(vec![ApiKeyEvent::Rotated { verifier, former_until }])
}

impl Aggregate for ApiKey {
    const TYPE: &'static str = "api_key";
    type Command = ApiKeyCommand;
    type Event = ApiKeyEvent;
    type Error = ApiKeyError;
    type Services = ();

    async fn handle(
        &mut self,
        command: ApiKeyCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), ApiKeyError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: ApiKeyEvent) {
        *self = match (event, std::mem::take(self)) {
            (ApiKeyEvent::Created { grant, .. }, Self::Absent) => {
                Self::Active(Key { grant, rotation: Rotation::default() })
            }
            (
                ApiKeyEvent::Rotated { verifier, former_until },
                Self::Active(key) | Self::Reset { key, .. },
            ) => Self::Active(key.rotated(verifier, former_until)),
            (ApiKeyEvent::Reset { link_id }, Self::Active(key) | Self::Reset { key, .. }) => {
                Self::Reset { key, link_id }
            }
            (ApiKeyEvent::Revoked { .. }, Self::Active(key) | Self::Reset { key, .. }) => Self::Revoked(key),
            // Made once, ended once, and never back.
            (_, state) => state,
        };
        if matches!(self, Self::Revoked(_)) {
            self.forget_narrowing();
        }
    }
}

impl DomainEvent for ApiKeyEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Created { .. } => "api_key.created",
            Self::Rotated { .. } => "api_key.rotated",
            Self::Reset { .. } => "api_key.reset",
            Self::OneTimeView { .. } => "api_key.one_time_view",
            Self::Revoked { .. } => "api_key.revoked",
        }
        .into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

impl Fact for ApiKeyEvent {
    fn control(&self) -> bool {
        match self {
            Self::OneTimeView { .. } => false,
            Self::Created { .. } | Self::Rotated { .. } | Self::Reset { .. } | Self::Revoked { .. } => true,
        }
    }

    fn narrows(&self) -> bool {
        match self {
            Self::Created { .. } | Self::OneTimeView { .. } => false,
            // A rotation bounds the secret before it, and ends the one before that.
            Self::Rotated { .. } | Self::Reset { .. } | Self::Revoked { .. } => true,
        }
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::Created { device_label, .. } => vec![("device_label", device_label)],
            Self::Revoked { reason } => reason.iter().map(|reason| ("reason", reason)).collect(),
            Self::Rotated { .. } | Self::Reset { .. } | Self::OneTimeView { .. } => vec![],
        }
    }

    fn person(&self, _: Uuid) -> Option<UserId> {
        match self {
            Self::Created { grant, .. } => Some(grant.user_id),
            Self::Rotated { .. } | Self::Reset { .. } | Self::OneTimeView { .. } | Self::Revoked { .. } => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
