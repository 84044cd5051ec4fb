//! Making one-time links, for the resources that answer with one.

use chrono::{DateTime, Utc};
use tollbook_aggregates::access::Caller;
use tollbook_aggregates::{
    LinkCommand, LinkGrant, LinkId, LinkMaker, LinkPurpose, OneTimeLink, Private, UserId,
};
use tollbook_journal::{Expected, INSTANCE};
use url::Url;

use crate::app::App;
use crate::book::Draft;
use crate::clock::Clock;
use crate::credential::{Credential, Kind, Pepper};
use crate::links;
use crate::problem::Problem;

/// A link with a secret that nobody has seen yet.
pub(super) struct NewLink {
    pub(super) id: LinkId,
    credential: Credential,
    /// Who somebody becomes by it who isn't known yet.
    newcomer: UserId,
}

impl NewLink {
    /// A new link.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub(super) fn mint(app: &App) -> Result<Self, Problem> {
        let credential = Credential::mint(Kind::OneTimeLink, app.random.as_ref());
        let credential = credential.map_err(|_| Problem::internal())?;
        Ok(Self { id: Clock::fresh_id(), credential, newcomer: Clock::fresh_id() })
    }

    /// Where it is redeemed.
    pub(super) fn url(&self, public_url: &Url) -> String {
        links::url(public_url, &self.credential)
    }

    /// What makes it.
    ///
    /// # Errors
    /// When the label or the time doesn't fit.
    pub(super) fn draft(
        &self,
        pepper: &Pepper,
        (purpose, made_by): (LinkPurpose, LinkMaker),
        expires_at: DateTime<Utc>,
        label: Option<Private>,
        at: DateTime<Utc>,
    ) -> Result<Draft, Problem> {
        let verifier = self.credential.verifier(pepper);
        let newcomer = purpose.user_id().is_none().then_some(self.newcomer);
        let grant = LinkGrant { purpose, verifier, expires_at, made_by, newcomer };
        let events = OneTimeLink::default().decide(LinkCommand::Create { grant, label, at })?;
        let workspace = purpose.workspace_id().map_or(INSTANCE, |workspace| workspace.0);
        Ok(Draft::new::<OneTimeLink>(workspace, self.id.0, Expected::NoStream, &events)?)
    }
}

/// In whose right a member makes a link. It ends with their key, or with their right.
pub(super) fn maker(caller: Caller, user_id: UserId) -> LinkMaker {
    match caller {
        Caller::ApiKey(id) => LinkMaker::ApiKey(id),
        Caller::Operator(_) | Caller::Session(_) | Caller::SignIn(_) => LinkMaker::User(user_id),
    }
}
