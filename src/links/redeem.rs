//! Redeeming a one-time link: checked, minted and written in one append.

use std::net::IpAddr;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use tollbook_aggregates::access::{self, Redeemable, World as _};
use tollbook_aggregates::{
    ApiKey, ApiKeyCommand, ApiKeyId, How, LinkCommand, LinkId, LinkPurpose, OneTimeLink, Private, Role,
    SignIn, SignInCommand, SignInGrant, SignInId, User, UserCommand, UserId, Workspace, WorkspaceCommand,
    WorkspaceId,
};
use tollbook_journal::{Expected, INSTANCE, Position};

use super::{refused, verify};
use crate::app::App;
use crate::authority::Live;
use crate::book::{Attribution, Draft};
use crate::clock::Clock;
use crate::commands::Errand;
use crate::credential::{Credential, Kind};
use crate::problem::{Problem, request_id};

/// How long a browser stays signed in.
pub const SIGN_IN_LASTS: TimeDelta = TimeDelta::hours(12);

/// How many browsers a person is signed in at: with one more, the oldest sign-in ends.
pub const SIGN_INS_MAX: usize = 50;

/// A link that somebody presents.
pub struct Redeeming<'a> {
    /// The link's secret.
    pub secret: &'a Credential,
    /// The sign-in that they came with, if it is in force.
    pub signed_in: Option<SignInId>,
    /// How somebody new is called.
    pub name: &'a str,
    /// Where they sign in.
    pub browser: Browser<'a>,
}

/// A browser, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub struct Browser<'a> {
    /// From where it asks.
    pub address: IpAddr,
    /// What it calls itself.
    pub user_agent: Option<&'a str>,
}

/// What came of it.
pub struct Redeemed {
    /// Who redeemed it.
    pub user_id: UserId,
    /// Where they are a member from now on, if they became one, and as what.
    pub joined: Option<(WorkspaceId, Role)>,
    /// A key's new secret. Shown once.
    pub api_key: Option<MintedKey>,
    /// A new sign-in, whose cookie is to be set.
    pub sign_in: Option<NewSignIn>,
    /// Where it stands in the book.
    pub position: Position,
}

/// An API key with a secret that nobody has seen yet.
pub struct MintedKey {
    /// Which.
    pub id: ApiKeyId,
    /// Where it is good for something.
    pub workspace_id: WorkspaceId,
    /// Its secret.
    pub credential: Credential,
}

/// A sign-in with a cookie that nobody has seen yet.
pub struct NewSignIn {
    /// Which.
    pub id: SignInId,
    /// The cookie's value.
    pub cookie: Credential,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// Everything that could be needed, minted before it is known what is: a decision may be made twice.
struct Fresh {
    user_id: UserId,
    sign_in_id: SignInId,
    api_key: Credential,
    cookie: Credential,
}

/// What is decided to come of it.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    user_id: UserId,
    joined: Option<(WorkspaceId, Role)>,
    api_key: Option<(ApiKeyId, WorkspaceId)>,
    sign_in: Option<DateTime<Utc>>,
}

/// Redeems a link, once.
///
/// # Errors
/// The problem to answer with; the link is as it was then.
pub async fn redeem(app: &App, asked: &Redeeming<'_>) -> Result<Redeemed, Problem> {
    let mint = |kind| Credential::mint(kind, app.random.as_ref()).map_err(|_| Problem::internal());
    let fresh = Fresh {
        user_id: Clock::fresh_id(),
        sign_in_id: Clock::fresh_id(),
        api_key: mint(Kind::ApiKey)?,
        cookie: mint(Kind::Web)?,
    };
    let plan = |live: &Live, at: DateTime<Utc>| {
        let link_id = verify(live, &app.pepper, asked.secret).ok_or_else(Problem::unknown_link)?;
        let redeemable = access::redeem_link(live, link_id, asked.signed_in, at);
        let redeemable = redeemable.map_err(|why| refused(live, link_id, why))?;
        Plan { app, live, asked, fresh: &fresh, link_id, at }.errand(&redeemable)
    };
    let (outcome, appended) = app.commands.carry_out(plan).await?;
    let Fresh { sign_in_id, api_key, cookie, .. } = fresh;
    Ok(Redeemed {
        user_id: outcome.user_id,
        joined: outcome.joined,
        api_key: outcome.api_key.map(|(id, workspace_id)| MintedKey {
            id,
            workspace_id,
            credential: api_key,
        }),
        sign_in: outcome.sign_in.map(|expires_at| NewSignIn { id: sign_in_id, cookie, expires_at }),
        position: appended.last,
    })
}

struct Plan<'a> {
    app: &'a App,
    live: &'a Live,
    asked: &'a Redeeming<'a>,
    fresh: &'a Fresh,
    link_id: LinkId,
    at: DateTime<Utc>,
}

impl Plan<'_> {
    fn errand(&self, redeemable: &Redeemable<'_>) -> Result<Errand<Outcome>, Problem> {
        let newcomer = redeemable.grant().newcomer.unwrap_or(self.fresh.user_id);
        let user_id = redeemable.person().unwrap_or(newcomer);
        let mut drafts = vec![self.redeemed(user_id, &redeemable.grant().purpose)?];
        let mut outcome = Outcome { user_id, joined: None, api_key: None, sign_in: None };
        match redeemable.grant().purpose {
            LinkPurpose::SignIn { .. } => {
                self.sign_in(&mut drafts, &mut outcome)?;
                drafts.extend(self.sign_in_before()?);
            }
            LinkPurpose::Invitation { workspace_id, role, .. } => {
                let is_new = redeemable.person().is_none();
                self.join(&mut drafts, &mut outcome, workspace_id, role, is_new)?;
            }
            LinkPurpose::KeyReset { workspace_id, api_key_id, .. } => {
                let verifier = self.fresh.api_key.verifier(&self.app.pepper);
                let mint = ApiKeyCommand::Mint { link_id: self.link_id, verifier };
                let events = self.live.api_key(api_key_id).decide(mint)?;
                let expected = self.live.expect_api_key(api_key_id);
                drafts.push(Draft::new::<ApiKey>(workspace_id.0, api_key_id.0, expected, &events)?);
                outcome.api_key = Some((api_key_id, workspace_id));
            }
        }
        let attribution = Attribution::of_link(self.link_id, user_id, &request_id());
        Ok(Errand { drafts, attribution, not_after: Some(redeemable.not_after()), outcome })
    }

    fn redeemed(&self, user_id: UserId, purpose: &LinkPurpose) -> Result<Draft, Problem> {
        let events = self.live.one_time_link(self.link_id).decide(LinkCommand::Redeem { user_id })?;
        let workspace = purpose.workspace_id().map_or(INSTANCE, |workspace| workspace.0);
        let expected = self.live.expect_link(self.link_id);
        Ok(Draft::new::<OneTimeLink>(workspace, self.link_id.0, expected, &events)?)
    }

    fn join(
        &self,
        drafts: &mut Vec<Draft>,
        outcome: &mut Outcome,
        workspace_id: WorkspaceId,
        role: Role,
        is_new: bool,
    ) -> Result<(), Problem> {
        let user_id = outcome.user_id;
        if is_new {
            let name = Private::from(self.asked.name);
            let events = User::default().decide(UserCommand::Register { name })?;
            drafts.push(Draft::new::<User>(INSTANCE, user_id.0, Expected::NoStream, &events)?);
        }
        let workspace = self.live.workspace(workspace_id);
        let events = workspace.decide(WorkspaceCommand::AddMember { user_id, role })?;
        let expected = self.live.expect_workspace(workspace_id);
        drafts.push(Draft::new::<Workspace>(workspace_id.0, workspace_id.0, expected, &events)?);
        outcome.joined = Some((workspace_id, role));
        // Who is signed in stays so.
        if is_new { self.sign_in(drafts, outcome) } else { Ok(()) }
    }

    /// A browser has one sign-in: the one before ends with the next.
    fn sign_in_before(&self) -> Result<Option<Draft>, Problem> {
        self.asked.signed_in.map(|id| self.sign_in_ends(id)).transpose()
    }

    /// Makes room for another sign-in of this person: the oldest end.
    fn oldest_sign_ins(&self, user_id: UserId) -> Result<Vec<Draft>, Problem> {
        let open = self.live.sign_ins_of(user_id).filter(|(_, grant)| self.at < grant.expires_at);
        // Ids are in the order in which they were made (RFC 9562, section 5.7).
        let mut open: Vec<SignInId> =
            open.map(|(id, _)| id).filter(|id| Some(*id) != self.asked.signed_in).collect();
        open.sort_unstable();
        let too_many = (open.len() + 1).saturating_sub(SIGN_INS_MAX);
        open.into_iter().take(too_many).map(|id| self.sign_in_ends(id)).collect()
    }

    fn sign_in_ends(&self, id: SignInId) -> Result<Draft, Problem> {
        let events = self.live.sign_in(id).decide(SignInCommand::End)?;
        Ok(Draft::new::<SignIn>(INSTANCE, id.0, self.live.expect_sign_in(id), &events)?)
    }

    fn sign_in(&self, drafts: &mut Vec<Draft>, outcome: &mut Outcome) -> Result<(), Problem> {
        let (cookie, how) = (&self.fresh.cookie, How::OneTimeLink(self.link_id));
        let (user_id, verifier) = (outcome.user_id, cookie.verifier(&self.app.pepper));
        let expires_at = (self.at + SIGN_IN_LASTS).trunc_subsecs(6);
        let grant = SignInGrant { user_id, verifier, expires_at, how };
        drafts.extend(self.oldest_sign_ins(user_id)?);
        drafts.push(new_sign_in(self.fresh.sign_in_id, grant, self.asked.browser, self.at)?);
        outcome.sign_in = Some(expires_at);
        Ok(())
    }
}

/// What makes a sign-in.
///
/// # Errors
/// When it would be over already.
pub fn new_sign_in(
    id: SignInId,
    grant: SignInGrant,
    browser: Browser<'_>,
    at: DateTime<Utc>,
) -> Result<Draft, Problem> {
    let address = Some(Private::from(browser.address.to_string().as_str()));
    let user_agent = browser.user_agent.map(Private::from);
    let events = SignIn::default().decide(SignInCommand::Create { grant, address, user_agent, at })?;
    Ok(Draft::new::<SignIn>(INSTANCE, id.0, Expected::NoStream, &events)?)
}
