//! How much of a kind there may be in force at a time: what everybody makes is held in every replica's memory.
//!
//! Of two who make the last one at the same moment both may: a bound needn't be exact to the one.

use chrono::{DateTime, Utc};
use tollbook_aggregates::access::World as _;
use tollbook_aggregates::{Operator, UserId, WorkspaceId};

use crate::authority::Live;
use crate::problem::Problem;

/// API keys of a person in a workspace.
const KEYS_OF_A_MEMBER: usize = 100;
/// API keys of a workspace.
const KEYS: usize = 10_000;
/// Open invitations into a workspace.
const INVITATIONS: usize = 500;
/// Operator credentials.
const OPERATORS: usize = 100;

/// Is there room for another key of this person, now?
///
/// # Errors
/// 409 when there isn't.
pub fn another_key(
    live: &Live,
    workspace: WorkspaceId,
    user_id: UserId,
    at: DateTime<Utc>,
) -> Result<(), Problem> {
    if let Some(until) = live.workspace(workspace).keys_paused(user_id, at) {
        let detail = "All keys of a label are being ended here. Meanwhile no keys are made.";
        let wait = (until - at).to_std().unwrap_or_default();
        return Err(Problem::conflict("api_key.paused", detail).retry_after(wait));
    }
    if live.standing_keys(workspace, Some(user_id), at).count() >= KEYS_OF_A_MEMBER {
        let detail = format!("You have {KEYS_OF_A_MEMBER} API keys in force here, and can't have more.");
        let action = "Revoke those that are no longer used, or give keys an expiry.";
        return Err(
            Problem::conflict("api_key.limit_reached", detail).remedy(action, Some("tollbook key list"))
        );
    }
    if live.keys_here(workspace) >= KEYS {
        let detail = format!("There are {KEYS} API keys in force in this workspace, and can't be more.");
        let action = "Have keys revoked that are no longer used: of a person, or of a label, all at once.";
        return Err(Problem::conflict("api_key.limit_reached", detail).remedy(action, None));
    }
    Ok(())
}

/// Is there room for another invitation?
///
/// # Errors
/// 409 when there isn't.
pub fn another_invitation(live: &Live, workspace: WorkspaceId) -> Result<(), Problem> {
    if live.invitations_here(workspace) < INVITATIONS {
        return Ok(());
    }
    let detail = format!("{INVITATIONS} invitations into this workspace are open, and there can't be more.");
    let action = "Take back those that are no longer wanted, or wait until some are redeemed or expire.";
    Err(Problem::conflict("invitation.limit_reached", detail).remedy(action, None))
}

/// Is there room for another operator credential?
///
/// # Errors
/// 409 when there isn't.
pub fn another_operator(live: &Live, at: DateTime<Utc>) -> Result<(), Problem> {
    let in_force = live.operators().filter(|(_, operator)| match operator {
        Operator::Active(credential) => credential.grant.expires_at.is_none_or(|end| at < end),
        Operator::Revoked(_) | Operator::Absent => false,
    });
    if in_force.count() < OPERATORS {
        return Ok(());
    }
    let detail = format!("{OPERATORS} operator credentials are in force, and there can't be more.");
    let action = "Revoke those that are no longer used.";
    Err(Problem::conflict("operator.limit_reached", detail).remedy(action, None))
}
