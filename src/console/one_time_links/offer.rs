//! What a link is for, in the words of the page that shows it.

use tollbook_aggregates::LinkPurpose;
use tollbook_aggregates::access::World as _;

use super::super::names;
use super::super::visitor::SignedIn;
use crate::app::App;
use crate::credential::Credential;
use crate::founding;
use crate::links;
use crate::problem::Problem;

/// What a link is for.
pub(super) enum Offer {
    /// Somebody signs in.
    SignIn { name: String },
    /// Somebody becomes a member.
    Invitation { workspace: String, role: &'static str, person: Option<String> },
    /// Somebody who is signed in would become a member of what they belong to.
    Needless { workspace: String, person: String },
    /// A key gets its next secret.
    KeyReset { workspace: String, label: String, name: String },
    /// An empty book gets its first workspace.
    Founding,
}

impl Offer {
    /// Of the page.
    pub(super) const fn title(&self) -> &'static str {
        match self {
            Self::SignIn { .. } => "Sign in",
            Self::Invitation { .. } => "Invitation",
            Self::Needless { .. } => "A member already",
            Self::KeyReset { .. } => "A new API key",
            Self::Founding => "Welcome",
        }
    }

    /// Does its form ask for anything?
    pub(super) const fn asks(&self) -> bool {
        matches!(self, Self::Founding | Self::Invitation { .. })
    }
}

/// What the link is for. Nothing is used up.
///
/// # Errors
/// When it isn't good, or isn't for whoever is signed in.
pub(super) async fn find(
    app: &App,
    person: Option<&SignedIn>,
    credential: &Credential,
) -> Result<Offer, Problem> {
    if founding::is_first_owners_link(app, credential) {
        founding::may_found(app, credential).await?;
        return Ok(Offer::Founding);
    }
    let purpose = links::look(app, credential, person.map(|person| person.id)).await?;
    Ok(match purpose {
        LinkPurpose::SignIn { user_id } => Offer::SignIn { name: names::person(app, user_id).await? },
        LinkPurpose::Invitation { workspace_id, role, .. } => {
            let workspace = names::workspace(app, workspace_id).await?;
            let belongs = |user_id| app.authority.look(|live| live.workspace(workspace_id).role_of(user_id));
            match person {
                Some(person) if belongs(person.user_id).is_some() => {
                    Offer::Needless { workspace, person: person.name.clone() }
                }
                _ => {
                    let person = person.map(|person| person.name.clone());
                    Offer::Invitation { workspace, role: role.as_str(), person }
                }
            }
        }
        LinkPurpose::KeyReset { workspace_id, user_id, api_key_id } => Offer::KeyReset {
            workspace: names::workspace(app, workspace_id).await?,
            label: names::api_key(app, workspace_id, api_key_id).await?,
            name: names::person(app, user_id).await?,
        },
    })
}
