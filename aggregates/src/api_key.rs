//! An API key: a user's long-lived credential in one workspace, with a device label.

use chrono::{DateTime, Utc};
use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::{Fact, Private, Role, UserId, Verifier, WorkspaceId};

/// An id that was never written loads as [`ApiKey::Absent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApiKey {
    /// Never written.
    #[default]
    Absent,
    /// In force until it expires.
    Active(KeyGrant),
    /// Ended for good.
    Revoked(KeyGrant),
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
}

impl ApiKey {
    /// The longest device label, in characters.
    pub const DEVICE_LABEL_MAX: usize = 64;

    /// What it was made as, also after it ended.
    pub const fn grant(&self) -> Option<&KeyGrant> {
        match self {
            Self::Absent => None,
            Self::Active(grant) | Self::Revoked(grant) => Some(grant),
        }
    }

    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: ApiKeyCommand) -> Result<Vec<ApiKeyEvent>, ApiKeyError> {
        use ApiKeyCommand::{Create, Revoke};
        match (self, command) {
            (Self::Absent, Create { grant, device_label, at }) => {
                let device_label =
                    device_label.within(Self::DEVICE_LABEL_MAX).ok_or(ApiKeyError::DeviceLabel)?;
                if grant.expires_at.is_some_and(|end| end <= at) {
                    return Err(ApiKeyError::ExpiresInThePast);
                }
                Ok(vec![ApiKeyEvent::Created { grant, device_label }])
            }
            (_, Create { .. }) => Err(ApiKeyError::Exists),
            (Self::Absent, Revoke { .. }) => Err(ApiKeyError::Absent),
            (Self::Active(_), Revoke { reason }) => Ok(vec![ApiKeyEvent::Revoked { reason }]),
            // A brake may be pressed twice.
            (Self::Revoked(_), Revoke { .. }) => Ok(vec![]),
        }
    }
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
            (ApiKeyEvent::Created { grant, .. }, Self::Absent) => Self::Active(grant),
            (ApiKeyEvent::Revoked { .. }, Self::Active(grant)) => Self::Revoked(grant),
            // Made once, ended once, and never back.
            (_, state) => state,
        };
    }
}

impl DomainEvent for ApiKeyEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Created { .. } => "api_key.created",
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
        true
    }

    fn narrows(&self) -> bool {
        match self {
            Self::Created { .. } => false,
            Self::Revoked { .. } => true,
        }
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::Created { device_label, .. } => vec![("device_label", device_label)],
            Self::Revoked { reason } => reason.iter().map(|reason| ("reason", reason)).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
