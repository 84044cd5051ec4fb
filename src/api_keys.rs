//! An API key by the words of the law: how it comes to be, what it is now, and how it ends. What REST and the console
//! both do; each asks for it and shows it in its own way.

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::Serialize;
use tollbook_aggregates::access::{self, Asker, Denial, Operation, Standing, World as _};
use tollbook_aggregates::{
    ApiKey, ApiKeyCommand, ApiKeyId, KeyGrant, Narrowing, Private, Role, UserId, WorkspaceId,
};
use tollbook_journal::Expected;
use tollbook_projections::ApiKeyRow;
use tollbook_vault::Randomness;
use utoipa::ToSchema;

use crate::authority::Live;
use crate::book::Draft;
use crate::bounds;
use crate::clock::Clock;
use crate::credential::{Credential, Kind, Pepper};
use crate::problem::Problem;

/// An API key that nobody has seen yet.
pub struct NewKey {
    /// Which.
    pub id: ApiKeyId,
    /// Its secret.
    pub credential: Credential,
}

/// What somebody wants of a key. What they leave open is as wide as what they came with.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Where it is to be worth something.
    pub workspace: WorkspaceId,
    /// Where it is used.
    pub device_label: &'a str,
    /// The most that it is to carry.
    pub role: Option<Role>,
    /// The first moment at which it is no longer valid.
    pub expires_at: Option<DateTime<Utc>>,
    /// What it is narrowed to, below its role.
    pub narrowing: Option<Narrowing>,
}

impl NewKey {
    /// A new one.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn mint(random: &dyn Randomness) -> Result<Self, Problem> {
        let credential = Credential::mint(Kind::ApiKey, random).map_err(|_| Problem::internal())?;
        Ok(Self { id: Clock::fresh_id(), credential })
    }

    /// What makes it the caller's own, and what it grants. No key carries more than what made it.
    ///
    /// # Errors
    /// When they may not make such a key, or its label or time doesn't fit.
    pub fn draft(
        &self,
        live: &Live,
        pepper: &Pepper,
        (asker, standing): (Asker, Standing),
        wanted: Wanted<'_>,
        at: DateTime<Utc>,
    ) -> Result<(KeyGrant, Draft), Problem> {
        let Standing::Member { user_id, .. } = standing else {
            return Err(Problem::insufficient_scope(Operation::CreateApiKey.scope()));
        };
        bounds::another_key(live, wanted.workspace, user_id, at)?;
        let bounds = access::bounds(live, asker);
        let narrowing = wanted.narrowing.unwrap_or_else(|| bounds.narrowing.clone());
        let grant = KeyGrant {
            workspace_id: wanted.workspace,
            user_id,
            verifier: self.credential.verifier(pepper),
            role: granted(standing, wanted.role)?,
            // Whole microseconds, which is what answers and events write.
            expires_at: wanted.expires_at.map(|end| end.trunc_subsecs(6)).or(bounds.expires_at),
            narrowing: (!narrowing.is_nothing()).then(|| Box::new(narrowing)),
            epoch: live.workspace(wanted.workspace).epoch(),
        };
        if !access::may_make_key(live, asker, standing, &grant) {
            return Err(Problem::denied(Denial::NotCovered, ""));
        }
        let device_label = Private::from(wanted.device_label);
        let events =
            ApiKey::default().decide(ApiKeyCommand::Create { grant: grant.clone(), device_label, at })?;
        let draft = Draft::new::<ApiKey>(wanted.workspace.0, self.id.0, Expected::NoStream, &events)?;
        Ok((grant, draft))
    }
}

/// Is a key valid?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ApiKeyStatus)]
pub enum Status {
    /// It is.
    Active,
    /// Its time is over.
    Expired,
    /// It was reset, and waits for its link to be redeemed.
    Reset,
    /// Somebody revoked it, or all of its kind; or its holder is no longer a member.
    Revoked,
}

impl Status {
    /// What a key is now, by the same law that decides what it may.
    pub fn of(live: &Live, row: &ApiKeyRow, at: DateTime<Utc>) -> Self {
        let ended =
            row.revoked_at.is_some() || live.workspace(row.workspace_id).role_of(row.user_id).is_none();
        match (access::key_stands(live, row.id, at), live.api_key(row.id)) {
            _ if ended => Self::Revoked,
            // As yet, this replica's state may not know the key.
            (Ok(_), _) | (Err(_), ApiKey::Absent) => Self::Active,
            (Err(Denial::CredentialExpired), _) => Self::Expired,
            (Err(Denial::KeyReset), _) => Self::Reset,
            (Err(_), _) => Self::Revoked,
        }
    }
}

/// The public part of a key's newest secret, as it is shown.
pub fn prefix(row: &ApiKeyRow) -> String {
    format!("tbk_{}_{}", Kind::ApiKey.letters(), row.credential_id)
}

/// What ends this person's key for good.
///
/// # Errors
/// 404 when they have no such key in this workspace.
pub fn revoke(
    live: &Live,
    (workspace, holder, id): (WorkspaceId, UserId, ApiKeyId),
    reason: Option<Private>,
) -> Result<Draft, Problem> {
    let key = live.api_key(id);
    let theirs = |grant: &KeyGrant| grant.workspace_id == workspace && grant.user_id == holder;
    if !key.grant().is_some_and(theirs) {
        return Err(Problem::not_found("API key"));
    }
    let events = key.decide(ApiKeyCommand::Revoke { reason })?;
    Ok(Draft::new::<ApiKey>(workspace.0, id.0, live.expect_api_key(id), &events)?)
}

/// What a new key carries: what was asked for, or as much as the caller's own. Where the caller was
/// made something less since their key was made, that counts.
fn granted(standing: Standing, wanted: Option<Role>) -> Result<Role, Problem> {
    let Standing::Member { held, granted, .. } = standing else {
        return Err(Problem::insufficient_scope(Operation::CreateApiKey.scope()));
    };
    let candidates = match wanted {
        Some(role) => vec![role],
        None => vec![granted, held],
    };
    candidates.into_iter().find(|role| standing.may_grant(*role)).ok_or_else(|| {
        let role = wanted.unwrap_or(granted).as_str();
        let mut problem = Problem::insufficient_scope(&format!("role:{role}"));
        problem.detail = format!("A key can't make one that carries more than itself: `{role}` is more.");
        problem
    })
}
