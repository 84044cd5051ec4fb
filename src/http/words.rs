//! What several resources say in the same words.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tollbook_aggregates::{Private, Role};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::rfc3339;
use crate::credential::Credential;
use crate::problem::Problem;

/// The longest reason that somebody may give, in characters.
const REASON_MAX: usize = 500;

/// A new name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Renaming {
    /// 1 to 100 characters, no control characters.
    #[schema(min_length = 1, max_length = 100)]
    pub(super) name: String,
}

/// What is called something else now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Renamed {
    id: Uuid,
    name: String,
}

/// Why something is ended.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revoking {
    /// For the record, in words: at most 500 characters.
    #[schema(max_length = 500)]
    pub(super) reason: Option<String>,
}

impl Revoking {
    /// The reason, if there is one.
    ///
    /// # Errors
    /// 400 for one that is too long, or has control characters.
    pub(super) fn reason(&self) -> Result<Option<Private>, Problem> {
        reason(self.reason.as_deref())
    }
}

/// A reason, if there is one.
///
/// # Errors
/// 400 for one that is too long, or has control characters.
pub(super) fn reason(text: Option<&str>) -> Result<Option<Private>, Problem> {
    let Some(reason) = text.filter(|reason| !reason.trim().is_empty()) else {
        return Ok(None);
    };
    if reason.chars().count() > REASON_MAX || reason.chars().any(char::is_control) {
        let detail = format!("`reason` must have at most {REASON_MAX} characters and no control characters.");
        return Err(Problem::bad_request("body.reason", detail));
    }
    Ok(Some(Private::from(reason)))
}

/// What was ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Revoked {
    id: Uuid,
    /// Always `revoked`.
    status: String,
}

/// What a person, or a key, is in a workspace.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Role)]
pub(super) enum RoleWord {
    /// Reads everything, the audit log included; changes nothing and calls nothing.
    Auditor,
    /// Makes sessions and keys of their own, and calls tools.
    Member,
    /// Keeps tool servers, loadouts, and everybody's sessions and keys.
    Admin,
    /// An admin who may also end the workspace and make owners.
    Owner,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Auditor => Self::Auditor,
            RoleWord::Member => Self::Member,
            RoleWord::Admin => Self::Admin,
            RoleWord::Owner => Self::Owner,
        }
    }
}

impl From<Role> for RoleWord {
    fn from(role: Role) -> Self {
        match role {
            Role::Auditor => Self::Auditor,
            Role::Member => Self::Member,
            Role::Admin => Self::Admin,
            Role::Owner => Self::Owner,
        }
    }
}

/// A credential is to have another secret.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotating {
    /// For how many seconds the one before it is good, too: at most 7 days, 24 hours when not given; 0 ends it
    /// at once.
    #[schema(maximum = 604_800)]
    grace_seconds: Option<u32>,
}

impl Rotating {
    /// Until when the secret before the new one is good, too.
    pub(super) fn former_until(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let grace = TimeDelta::seconds(self.grace_seconds.unwrap_or(24 * 60 * 60).into());
        (grace > TimeDelta::zero()).then(|| (at + grace).trunc_subsecs(6))
    }
}

/// What is told of a credential that has another secret, which is shown this once (`key`).
pub(super) fn rotated(id: Uuid, key: &Credential, former_until: Option<DateTime<Utc>>) -> Value {
    json!({
        "id": id,
        "prefix": key.display_prefix(),
        "former_until": former_until.map(rfc3339),
        "key": key.expose(),
    })
}

/// No members at all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}
