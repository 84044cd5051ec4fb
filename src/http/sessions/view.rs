//! A session as it is shown.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tollbook_aggregates::SessionId;
use tollbook_aggregates::access::{self, Denial, World as _};
use tollbook_projections::{Sealed, SessionRow, SessionStatus};
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::time::Time;
use super::super::views::Texts;
use crate::authority::Live;

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionView {
    pub(super) id: Uuid,
    /// Where an MCP client connects, with the session's token as bearer.
    pub(super) url: String,
    /// What it is for.
    pub(super) label: Option<String>,
    pub(super) status: Status,
    /// Why it no longer permits calls, where its status is `ended`: stable and for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, examples("maker_credential_revoked"))]
    pub(super) ended_because: Option<Denial>,
    pub(super) loadout_id: Uuid,
    /// The version of the loadout that it was made on, and keeps.
    pub(super) loadout_version: u32,
    /// Whose rights it carries.
    pub(super) user_id: Uuid,
    /// How many calls it permits in all; any number, when null.
    pub(super) max_calls: Option<u64>,
    pub(super) created_at: Time,
    /// The first moment at which it no longer permits a call.
    pub(super) expires_at: Time,
    /// When it was revoked, if it was.
    pub(super) revoked_at: Option<Time>,
    /// Why it was revoked, in somebody's words.
    pub(super) reason: Option<String>,
}

/// Does a session permit calls now?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SessionStatus)]
pub(super) enum Status {
    /// It permits calls.
    Open,
    /// Its time is over.
    Expired,
    /// Somebody revoked it.
    Revoked,
    /// Something that it hangs on has ended: its maker's key or membership, its loadout.
    Ended,
}

/// What a session is now, by the same law that decides its calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) status: Status,
    pub(super) because: Option<Denial>,
}

impl State {
    pub(super) const OPEN: Self = Self { status: Status::Open, because: None };

    pub(super) fn of(live: &Live, row: &SessionRow, at: DateTime<Utc>) -> Self {
        let loadout = live.loadout(row.loadout_id).version(row.loadout_version);
        let refused = match access::session_lives(live, row.id, at) {
            Ok(()) => loadout.is_none().then_some(Denial::LoadoutRemoved),
            Err(denial) => Some(denial),
        };
        let status = match refused {
            None => Status::Open,
            Some(Denial::SessionRevoked) => Status::Revoked,
            Some(Denial::SessionExpired) => Status::Expired,
            // This replica's state doesn't know it yet.
            Some(Denial::NotFound) => match row.status(at) {
                SessionStatus::Open => Status::Open,
                SessionStatus::Expired => Status::Expired,
                SessionStatus::Revoked => Status::Revoked,
            },
            Some(_) => Status::Ended,
        };
        Self { status, because: refused.filter(|_| status == Status::Ended) }
    }
}

impl SessionView {
    pub(super) fn of(row: &SessionRow, state: State, texts: &Texts, public_url: &Url) -> Self {
        Self {
            id: row.id.0,
            url: session_url(public_url, row.id),
            label: texts.of(row.label.as_ref()),
            status: state.status,
            ended_because: state.because,
            loadout_id: row.loadout_id.0,
            loadout_version: row.loadout_version,
            user_id: row.user_id.0,
            max_calls: row.max_calls,
            created_at: Time(row.created_at),
            expires_at: Time(row.expires_at),
            revoked_at: row.revoked_at.map(Time),
            reason: texts.of(row.revoked_because.as_ref()),
        }
    }
}

/// The pointers to what a view shows.
pub(super) fn pointers(row: &SessionRow) -> [Option<&Sealed>; 2] {
    [row.label.as_ref(), row.revoked_because.as_ref()]
}

/// The session URL. The id in it is no credential.
pub(super) fn session_url(public_url: &Url, id: SessionId) -> String {
    format!("{}/s/{id}/mcp", public_url.as_str().trim_end_matches('/'))
}
