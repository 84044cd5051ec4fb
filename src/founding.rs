//! How a workspace comes to be with its first owner and that owner's first key: at bootstrap, and
//! when an operator makes one for somebody.

use chrono::{DateTime, Utc};
use tollbook_aggregates::{
    ApiKey, ApiKeyCommand, ApiKeyId, Epoch, Instance, InstanceCommand, KeyGrant, Operator, OperatorCommand,
    OperatorGrant, OperatorId, Private, Role, User, UserCommand, UserId, Workspace, WorkspaceCommand,
    WorkspaceId,
};
use tollbook_journal::{Expected, INSTANCE, Refused};
use tollbook_vault::{NoRandomness, Randomness};
use uuid::Uuid;

use crate::app::App;
use crate::authority::Live;
use crate::book::Draft;
use crate::clock::Clock;
use crate::credential::{Credential, Kind, Pepper};
use crate::problem::Problem;

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
        let name = Private::from(person);
        let registered = User::default().decide(UserCommand::Register { name })?;
        let create =
            WorkspaceCommand::Create { name: Private::from(workspace_name), owner: Some(self.user_id) };
        let created = Workspace::default().decide(create)?;
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
        Ok(vec![
            Draft::new::<User>(INSTANCE, self.user_id.0, Expected::NoStream, &registered)?,
            Draft::new::<Workspace>(workspace.0, workspace.0, Expected::NoStream, &created)?,
            Draft::new::<ApiKey>(workspace.0, self.api_key_id.0, Expected::NoStream, &keyed)?,
        ])
    }
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
    let random = app.random.as_ref();
    let no_randomness = |_| Problem::internal();
    let founder = Founder::mint(random).map_err(no_randomness)?;
    let operator_key = Credential::mint(Kind::Operator, random).map_err(no_randomness)?;
    let (workspace_id, operator_id): (WorkspaceId, OperatorId) = (Clock::fresh_id(), Clock::fresh_id());
    let opened = app.authority.look(Live::instance).decide(InstanceCommand::Bootstrap {
        user_id: founder.user_id,
        workspace_id,
        operator_id,
    })?;
    let grant = OperatorGrant { verifier: operator_key.verifier(&app.pepper), expires_at: None };
    let at = app.clock.now();
    let create = OperatorCommand::Create { grant, label: Private::from(FIRST_KEY), at };
    let operating = Operator::default().decide(create)?;
    let mut drafts = vec![
        Draft::new::<Instance>(INSTANCE, Uuid::nil(), Expected::NoStream, &opened)?,
        Draft::new::<Operator>(INSTANCE, operator_id.0, Expected::NoStream, &operating)?,
    ];
    drafts.extend(founder.found(workspace_id, workspace_name, person, &app.pepper, at)?);
    match app.commands.write_as_system(drafts).await? {
        Ok(_) => {
            let (user_id, api_key) = (founder.user_id, founder.credential);
            Ok(Bootstrapped { workspace_id, user_id, api_key, operator_key })
        }
        Err(Refused::Conflict { .. }) => Err(tollbook_aggregates::InstanceError::AlreadyBootstrapped.into()),
        Err(other) => Err(crate::commands::refused(other)),
    }
}
