//! Who may redeem a one-time link, now.

use chrono::{DateTime, Utc};

use super::{Asker, Caller, Operation, World, held_role, member, role_of, signed_in};
use crate::{ApiKey, LinkGrant, LinkId, LinkMaker, LinkPurpose, OneTimeLink, SignInId, UserId};

/// Why a link isn't redeemed. The holder of its secret is told, nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LinkRefused {
    /// There is none, or the secret is wrong: the two look the same.
    #[error("there is no such link")]
    NotFound,
    /// It is used up.
    #[error("the link was redeemed already")]
    Redeemed,
    /// It was taken back, or another took its place.
    #[error("the link was revoked")]
    Revoked,
    /// Its time is over.
    #[error("the link has expired")]
    Expired,
    /// Its maker may no longer make such a link.
    #[error("whoever made the link may no longer do so")]
    MakerLostRight,
    /// What it leads to isn't there any more.
    #[error("what the link leads to has ended")]
    Pointless,
    /// It is for another person than the one who is signed in.
    #[error("the link is for another person")]
    AnotherPerson,
    /// It is for a person who must be signed in to redeem it, or whoever was is no longer.
    #[error("the link is for a person who must be signed in")]
    SignInFirst,
}

/// That a link may be redeemed. Nobody but [`redeem_link`] makes one.
#[derive(Debug)]
pub struct Redeemable<'a> {
    grant: &'a LinkGrant,
    person: Option<UserId>,
    not_after: DateTime<Utc>,
}

impl Redeemable<'_> {
    /// What the link is good for.
    pub const fn grant(&self) -> &LinkGrant {
        self.grant
    }

    /// Who redeems it; somebody new, when absent.
    pub const fn person(&self) -> Option<UserId> {
        self.person
    }

    /// The first moment at which it would be refused, for the book to check by its own clock.
    pub const fn not_after(&self) -> DateTime<Utc> {
        self.not_after
    }
}

/// May the holder of this link redeem it, now, signed in as `sign_in` or not at all?
///
/// # Errors
/// The reason why not.
pub fn redeem_link(
    world: &impl World,
    link_id: LinkId,
    sign_in: Option<SignInId>,
    at: DateTime<Utc>,
) -> Result<Redeemable<'_>, LinkRefused> {
    let grant = match world.one_time_link(link_id) {
        OneTimeLink::Open(grant) if at < grant.expires_at => grant,
        OneTimeLink::Open(_) => return Err(LinkRefused::Expired),
        OneTimeLink::Redeemed(_) => return Err(LinkRefused::Redeemed),
        OneTimeLink::Revoked(_) => return Err(LinkRefused::Revoked),
        OneTimeLink::Absent => return Err(LinkRefused::NotFound),
    };
    let maker_ends = maker_may(world, grant, at)?;
    let leads_until = leads_somewhere(world, link_id, &grant.purpose, at)?;
    let (person, sign_in_ends) = person(world, &grant.purpose, sign_in, at)?;
    let ends =
        [maker_ends, leads_until, sign_in_ends].into_iter().flatten().fold(grant.expires_at, DateTime::min);
    Ok(Redeemable { grant, person, not_after: ends })
}

/// May whoever made it make it still? And until when, if that ends by itself.
fn maker_may(
    world: &impl World,
    grant: &LinkGrant,
    at: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, LinkRefused> {
    let operation = match grant.purpose {
        LinkPurpose::SignIn { .. } => {
            // Whoever makes others sign in can be anybody: that is for the machine's own people.
            return if grant.made_by == LinkMaker::Host {
                Ok(None)
            } else {
                Err(LinkRefused::MakerLostRight)
            };
        }
        LinkPurpose::Invitation { role, .. } => Operation::Invite(role),
        LinkPurpose::KeyReset { user_id: holder, api_key_id: key, .. } => {
            Operation::ResetApiKey { holder, key }
        }
    };
    let Some(workspace_id) = grant.purpose.workspace_id() else { return Err(LinkRefused::Pointless) };
    let maker = match grant.made_by {
        LinkMaker::Host => {
            let lives = world.workspace(workspace_id).lives();
            return if lives { Ok(None) } else { Err(LinkRefused::Pointless) };
        }
        LinkMaker::ApiKey(id) => {
            let member = member(world, Asker::from(Caller::ApiKey(id)), id, at);
            member.ok().filter(|member| member.workspace_id == workspace_id)
        }
        LinkMaker::User(user_id) => held_role(world, workspace_id, user_id),
    };
    let maker = maker.ok_or(LinkRefused::MakerLostRight)?;
    match maker.may(world, operation) {
        Ok(()) => Ok(maker.ends),
        Err(_) => Err(LinkRefused::MakerLostRight),
    }
}

/// Is what it leads to there? And until when, if that ends by itself.
fn leads_somewhere(
    world: &impl World,
    link_id: LinkId,
    purpose: &LinkPurpose,
    at: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, LinkRefused> {
    let known = |user_id| if world.user(user_id).is_known() { Ok(None) } else { Err(LinkRefused::Pointless) };
    match *purpose {
        LinkPurpose::SignIn { user_id } | LinkPurpose::Invitation { user_id: Some(user_id), .. } => {
            known(user_id)
        }
        LinkPurpose::Invitation { user_id: None, .. } => Ok(None),
        LinkPurpose::KeyReset { workspace_id, user_id, api_key_id } => match world.api_key(api_key_id) {
            ApiKey::Reset { key, link_id: by } if *by == link_id => {
                let grant = &key.grant;
                let ended = world.workspace(workspace_id).ended();
                let ended = ended.is_none_or(|ended| ended.api_key(api_key_id, user_id, grant.epoch));
                let member = role_of(world, workspace_id, user_id).is_some();
                let in_time = grant.expires_at.is_none_or(|end| at < end);
                let stands = member && in_time && !ended && grant.workspace_id == workspace_id;
                if stands { Ok(grant.expires_at) } else { Err(LinkRefused::Pointless) }
            }
            ApiKey::Reset { .. } | ApiKey::Active(_) => Err(LinkRefused::Revoked),
            ApiKey::Revoked(_) | ApiKey::Absent => Err(LinkRefused::Pointless),
        },
    }
}

/// Who it is that redeems it, and until when they are signed in, if they are.
///
/// Only the host's own link signs somebody in. An invitation never signs in who is known already: a workspace's
/// admin would else be anybody who can be invited. And a key's next secret is for its holder: whoever resets a key
/// would else hold it.
fn person(
    world: &impl World,
    purpose: &LinkPurpose,
    sign_in: Option<SignInId>,
    at: DateTime<Utc>,
) -> Result<(Option<UserId>, Option<DateTime<Utc>>), LinkRefused> {
    let signed_in = match sign_in {
        Some(id) => Some(signed_in(world, id, at).map_err(|_| LinkRefused::SignInFirst)?),
        None => None,
    };
    let ends = signed_in.map(|grant| grant.expires_at);
    match (purpose, purpose.user_id(), signed_in) {
        (_, Some(user), Some(signed_in)) if user != signed_in.user_id => Err(LinkRefused::AnotherPerson),
        (LinkPurpose::Invitation { .. } | LinkPurpose::KeyReset { .. }, Some(_), None) => {
            Err(LinkRefused::SignInFirst)
        }
        (_, Some(user), _) => Ok((Some(user), ends)),
        (_, None, signed_in) => Ok((signed_in.map(|grant| grant.user_id), ends)),
    }
}
