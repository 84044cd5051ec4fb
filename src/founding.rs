//! How a workspace comes to be with its first owner: at bootstrap, by the link of an empty book, and when an operator
//! makes one for somebody.

mod first_owner;

use std::time::Duration;

use chrono::{DateTime, Utc};
use tollbook_aggregates::access::LinkRefused;
use tollbook_aggregates::{
    ApiKey, ApiKeyCommand, ApiKeyId, Epoch, How, Instance, InstanceCommand, InstanceError, KeyGrant,
    Operator, OperatorCommand, OperatorGrant, OperatorId, Private, Role, SignInGrant, User, UserCommand,
    UserId, Workspace, WorkspaceCommand, WorkspaceId,
};
use tollbook_journal::{Expected, INSTANCE, Refused};
use tollbook_vault::{NoRandomness, Randomness};
use uuid::Uuid;

use crate::app::App;
use crate::authority::Live;
use crate::book::{Attribution, Draft};
use crate::clock::Clock;
use crate::commands::Errand;
use crate::credential::{Credential, Kind, Pepper};
use crate::links::{self, Browser, NewSignIn};
use crate::problem::Problem;

/// How long a look at the book may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The code of the problem that the book has its first owner already.
const TAKEN: &str = "instance.already_bootstrapped";
/// The label of a first key: it is meant to be replaced by ones that say where they are used.
const FIRST_KEY: &str = "first key";

/// A workspace's first owner, with ids and a key that nobody has seen yet.
pub struct Founder {
    /// The person.
    pub user_id: UserId,
    /// Their key.
    pub api_key_id: ApiKeyId,
    /// Its secret.
    pub credential: Credential,
}

impl Founder {
    /// Somebody new.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn mint(random: &dyn Randomness) -> Result<Self, NoRandomness> {
        let credential = Credential::mint(Kind::ApiKey, random)?;
        Ok(Self { user_id: Clock::fresh_id(), api_key_id: Clock::fresh_id(), credential })
    }

    /// What makes a workspace with them in it.
    ///
    /// # Errors
    /// When a name doesn't fit.
    pub fn found(
        &self,
        workspace: WorkspaceId,
        workspace_name: &str,
        person: &str,
        pepper: &Pepper,
        at: DateTime<Utc>,
    ) -> Result<Vec<Draft>, Problem> {
        let grant = KeyGrant {
            workspace_id: workspace,
            user_id: self.user_id,
            verifier: self.credential.verifier(pepper),
            role: Role::Owner,
            expires_at: None,
            narrowing: None,
            epoch: Epoch::FIRST,
        };
        let key = ApiKeyCommand::Create { grant, device_label: Private::from(FIRST_KEY), at };
        let keyed = ApiKey::default().decide(key)?;
        let mut drafts = owned(self.user_id, person, workspace, workspace_name)?;
        drafts.push(Draft::new::<ApiKey>(workspace.0, self.api_key_id.0, Expected::NoStream, &keyed)?);
        Ok(drafts)
    }
}

/// What makes somebody known, and a workspace with them as its owner.
fn owned(
    user_id: UserId,
    person: &str,
    workspace: WorkspaceId,
    workspace_name: &str,
) -> Result<Vec<Draft>, Problem> {
    let registered = User::default().decide(UserCommand::Register { name: Private::from(person) })?;
    let create = WorkspaceCommand::Create { name: Private::from(workspace_name), owner: Some(user_id) };
    let created = Workspace::default().decide(create)?;
    Ok(vec![
        Draft::new::<User>(INSTANCE, user_id.0, Expected::NoStream, &registered)?,
        Draft::new::<Workspace>(workspace.0, workspace.0, Expected::NoStream, &created)?,
    ])
}

/// The first of everything. Shown once.
pub struct Bootstrapped {
    /// The first workspace.
    pub workspace_id: WorkspaceId,
    /// Its owner.
    pub user_id: UserId,
    /// The owner's key.
    pub api_key: Credential,
    /// The first operator's credential.
    pub operator_key: Credential,
}

/// Makes the first workspace, owner and operator of an empty book; once, however many ask.
///
/// # Errors
/// 409 on a book that has them.
pub async fn bootstrap(app: &App, person: &str, workspace_name: &str) -> Result<Bootstrapped, Problem> {
    let founder = Founder::mint(app.random.as_ref()).map_err(|_| Problem::internal())?;
    let workspace_id: WorkspaceId = Clock::fresh_id();
    let (operator_key, mut drafts) = opened(app, founder.user_id, workspace_id)?;
    drafts.extend(founder.found(workspace_id, workspace_name, person, &app.pepper, app.clock.now())?);
    write_first(app, drafts).await?;
    let (user_id, api_key) = (founder.user_id, founder.credential);
    Ok(Bootstrapped { workspace_id, user_id, api_key, operator_key })
}

/// The first of everything, as whoever holds the first owner's link made it. Shown once.
pub struct FoundedByLink {
    /// The first operator's credential.
    pub operator_key: Credential,
    /// The first owner's sign-in.
    pub sign_in: NewSignIn,
}

/// The one-time link for the first owner of an empty book, and when it expires; none when it isn't empty.
pub fn first_owners_link(app: &App) -> Option<(Credential, DateTime<Utc>)> {
    if !is_empty(app) {
        return None;
    }
    let expires_at = app.clock.now() + first_owner::LASTS;
    first_owner::link(&app.pepper, expires_at).map(|link| (link, expires_at))
}

/// Is it such a link, good or not?
pub fn is_first_owners_link(app: &App, credential: &Credential) -> bool {
    first_owner::expiry(&app.pepper, credential).is_some()
}

/// May the holder of this link found something now? Nothing is used up.
///
/// # Errors
/// As for every link that isn't good.
pub async fn may_found(app: &App, credential: &Credential) -> Result<(), Problem> {
    app.authority.catch_up_with_head(PATIENCE).await?;
    match first_owner::expiry(&app.pepper, credential) {
        None => Err(LinkRefused::NotFound.into()),
        Some(_) if !is_empty(app) => Err(taken()),
        Some(expires_at) if app.clock.now() >= expires_at => {
            let next = "Starting the service again makes another one, good for an hour. Ask for another one: whoever runs this Tollbook.";
            Err(Problem::from(LinkRefused::Expired).remedy(next, None))
        }
        Some(_) => Ok(()),
    }
}

/// As [`bootstrap`], by whoever holds the first owner's link: they are signed in by it.
///
/// # Errors
/// As [`may_found`], and when a name doesn't fit.
pub async fn found_by_link(
    app: &App,
    link: &Credential,
    person: &str,
    workspace_name: &str,
    browser: Browser<'_>,
) -> Result<FoundedByLink, Problem> {
    may_found(app, link).await?;
    let web = Credential::mint(Kind::Web, app.random.as_ref()).map_err(|_| Problem::internal())?;
    let (user_id, workspace_id): (UserId, WorkspaceId) = (Clock::fresh_id(), Clock::fresh_id());
    let (operator_key, mut drafts) = opened(app, user_id, workspace_id)?;
    drafts.extend(owned(user_id, person, workspace_id, workspace_name)?);
    let (at, verifier) = (app.clock.now(), web.verifier(&app.pepper));
    let expires_at = at + links::SIGN_IN_LASTS;
    let grant = SignInGrant { user_id, verifier, expires_at, how: How::FirstOwner };
    let id = Clock::fresh_id();
    drafts.push(links::new_sign_in(id, grant, browser, at)?);
    match write_first(app, drafts).await {
        Ok(()) => Ok(FoundedByLink { operator_key, sign_in: NewSignIn { id, cookie: web, expires_at } }),
        // Somebody else was first, by this link or another way.
        Err(problem) if problem.code == TAKEN => Err(taken()),
        Err(problem) => Err(problem),
    }
}

/// Waits until the book is no longer empty, by whomever and on whichever replica it was founded.
pub async fn founded(app: &App) {
    app.authority.until(|live| live.instance() != Instance::Empty).await;
}

/// Makes another operator's credential, in nobody's name: whoever runs the machine does it, when the last one is lost.
///
/// # Errors
/// 409 on a book that nobody has founded: its first operator comes with it. 400 when the label doesn't fit.
pub async fn another_operator(app: &App, label: &str) -> Result<(OperatorId, Credential), Problem> {
    let key = Credential::mint(Kind::Operator, app.random.as_ref()).map_err(|_| Problem::internal())?;
    let id: OperatorId = Clock::fresh_id();
    let plan = |live: &Live, _: DateTime<Utc>| {
        if live.instance() == Instance::Empty {
            let detail = "Nobody has founded anything on this book yet.";
            return Err(Problem::conflict("instance.not_bootstrapped", detail)
                .remedy("Its first operator comes with it.", Some("tollbook bootstrap")));
        }
        let (drafts, attribution) = (vec![operating(app, id, &key, label)?], Attribution::system());
        Ok(Errand { drafts, attribution, not_after: None, outcome: () })
    };
    app.commands.carry_out(plan).await?;
    Ok((id, key))
}

/// What makes an operator's credential.
fn operating(app: &App, id: OperatorId, key: &Credential, label: &str) -> Result<Draft, Problem> {
    let grant = OperatorGrant { verifier: key.verifier(&app.pepper), expires_at: None };
    let create = OperatorCommand::Create { grant, label: Private::from(label), at: app.clock.now() };
    let events = Operator::default().decide(create)?;
    Ok(Draft::new::<Operator>(INSTANCE, id.0, Expected::NoStream, &events)?)
}

/// Is the book empty, as far as this replica knows?
pub fn is_empty(app: &App) -> bool {
    app.authority.look(Live::instance) == Instance::Empty
}

/// This Tollbook has its first owner.
fn taken() -> Problem {
    let next = "This Tollbook has its first owner, who can invite you. Ask for another one: an owner or an admin of a workspace, or whoever runs this Tollbook, on its machine.";
    Problem::from(LinkRefused::Redeemed).remedy(next, Some("tollbook user link NAME"))
}

/// What opens an empty book, and the credential of its first operator.
fn opened(
    app: &App,
    user_id: UserId,
    workspace_id: WorkspaceId,
) -> Result<(Credential, Vec<Draft>), Problem> {
    let operator_key =
        Credential::mint(Kind::Operator, app.random.as_ref()).map_err(|_| Problem::internal())?;
    let operator_id: OperatorId = Clock::fresh_id();
    let command = InstanceCommand::Bootstrap { user_id, workspace_id, operator_id };
    let opened = app.authority.look(|live| live.instance().decide(command))?;
    let drafts = vec![
        Draft::new::<Instance>(INSTANCE, Uuid::nil(), Expected::NoStream, &opened)?,
        operating(app, operator_id, &operator_key, FIRST_KEY)?,
    ];
    Ok((operator_key, drafts))
}

/// Writes what comes first on an empty book: its instance's stream begins once.
async fn write_first(app: &App, drafts: Vec<Draft>) -> Result<(), Problem> {
    match app.commands.write_as_system(drafts).await? {
        Ok(_) => Ok(()),
        Err(Refused::Conflict { .. }) => Err(InstanceError::AlreadyBootstrapped.into()),
        Err(other) => Err(crate::commands::refused(other)),
    }
}
