//! One-time links: those that the machine's own people make, what a link is for, and the one way to redeem it.
//!
//! A link carries nothing but a right: what it leads to is minted when it is redeemed, and written in
//! the same append as the redemption, so that of two who redeem at the same moment one wins and the
//! other mints nothing. An unknown link and a wrong secret are answered alike, and change nothing about
//! the link: knowing its public id burns nobody's link.

mod people;
mod redeem;

use std::time::Duration;

use actix_web::http::StatusCode;
use chrono::{DateTime, SubsecRound as _, Utc};
use tollbook_aggregates::access::{self, LinkRefused, World as _};
use tollbook_aggregates::{
    LinkCommand, LinkGrant, LinkId, LinkMaker, LinkPurpose, OneTimeLink, SignInId, UserId,
};
use tollbook_journal::{Expected, INSTANCE};
use url::Url;

use crate::app::App;
use crate::authority::Live;
use crate::book::{Attribution, Draft};
use crate::clock::Clock;
use crate::commands::Errand;
use crate::credential::{Credential, Digest, Kind, Pepper};
use crate::problem::Problem;

pub use people::called;
pub use redeem::{
    Browser, MintedKey, NewSignIn, Redeemed, Redeeming, SIGN_IN_LASTS, SIGN_INS_MAX, new_sign_in, redeem,
};

/// How long a look at a link may wait for the state to catch up.
const PATIENCE: Duration = Duration::from_secs(2);
/// `tbk_otl_` and the id: what stands before the secret in a link's credential.
const PUBLIC: usize = 20;

/// Where a link is redeemed. The secret stands in the fragment, which no browser sends and no log sees.
pub fn url(public_url: &Url, credential: &Credential) -> String {
    let (base, id) = (public_url.as_str().trim_end_matches('/'), credential.id());
    format!("{base}/otl/{id}#{}", fragment(credential))
}

/// What stands behind the `#`.
pub fn fragment(credential: &Credential) -> &str {
    credential.expose().get(PUBLIC..).unwrap_or_default()
}

/// A link that was made.
#[derive(Debug)]
pub struct MadeLink {
    /// For whom.
    pub user_id: UserId,
    /// Shown once.
    pub url: String,
    /// The first moment at which it is no longer good.
    pub expires_at: DateTime<Utc>,
}

/// Makes a link by which a person signs in. For this machine's own people (`tollbook user link`): it is good
/// for an hour.
///
/// # Errors
/// When there is no such person.
pub async fn sign_in_link(app: &App, user_id: UserId) -> Result<MadeLink, Problem> {
    let credential =
        Credential::mint(Kind::OneTimeLink, app.random.as_ref()).map_err(|_| Problem::internal())?;
    let id: LinkId = Clock::fresh_id();
    let plan = |live: &Live, at: DateTime<Utc>| {
        if !live.knows_user(user_id) {
            return Err(Problem::not_found("person"));
        }
        let purpose = LinkPurpose::SignIn { user_id };
        let expires_at = (at + purpose.lasts_at_most()).trunc_subsecs(6);
        let verifier = credential.verifier(&app.pepper);
        let grant = LinkGrant { purpose, verifier, expires_at, made_by: LinkMaker::Host, newcomer: None };
        let events = OneTimeLink::default().decide(LinkCommand::Create { grant, label: None, at })?;
        let draft = Draft::new::<OneTimeLink>(INSTANCE, id.0, Expected::NoStream, &events)?;
        let attribution = Attribution::system();
        Ok(Errand { drafts: vec![draft], attribution, not_after: None, outcome: expires_at })
    };
    let (expires_at, _) = app.commands.carry_out(plan).await?;
    Ok(MadeLink { user_id, url: url(&app.config.public_url, &credential), expires_at })
}

/// Is it the right secret of a link that this replica knows, without looking further?
pub fn is_known(app: &App, secret: &Credential) -> bool {
    app.authority.look(|live| verify(live, &app.pepper, secret).is_some())
}

/// What a link is for, if whoever is signed in may redeem it now. Nothing is used up by looking.
///
/// # Errors
/// As [`redeem`].
pub async fn look(
    app: &App,
    secret: &Credential,
    signed_in: Option<SignInId>,
) -> Result<LinkPurpose, Problem> {
    app.authority.catch_up_with_head(PATIENCE).await?;
    let at = app.clock.now();
    app.authority.look(|live| {
        let link_id = verify(live, &app.pepper, secret).ok_or_else(Problem::unknown_link)?;
        let redeemable = access::redeem_link(live, link_id, signed_in, at);
        Ok(redeemable.map_err(|why| refused(live, link_id, why))?.grant().purpose)
    })
}

/// Why a link isn't redeemed, with who can make another: that depends on what it was for.
fn refused(live: &Live, link_id: LinkId, why: LinkRefused) -> Problem {
    let problem = Problem::from(why);
    let purpose = live.one_time_link(link_id).grant().map(|grant| grant.purpose);
    let Some(purpose) = purpose.filter(|_| problem.status_code() == StatusCode::GONE) else {
        return problem;
    };
    match purpose {
        LinkPurpose::SignIn { .. } => problem.remedy(
            "Ask for another one: whoever runs this Tollbook makes it on its machine.",
            Some("tollbook user link NAME"),
        ),
        LinkPurpose::Invitation { .. } => problem
            .remedy("Ask for another one: an owner or an admin of the workspace can invite you again.", None),
        LinkPurpose::KeyReset { .. } => problem.remedy(
            "Ask for another one: an owner or an admin of the workspace can reset the key again, which makes the next link.",
            None,
        ),
    }
}

/// The link that a secret is of. In constant time, as far as it is of any.
fn verify(live: &Live, pepper: &Pepper, credential: &Credential) -> Option<LinkId> {
    let (id, verifier) = live.link(credential.id())?;
    let right = Digest::from_bytes(verifier.hmac).matches(&credential.hmac(pepper));
    (right && verifier.pepper_id.as_str() == pepper.id()).then_some(id)
}
