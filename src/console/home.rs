//! `/`: the workspaces that one belongs to, and what to do there next.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, get};
use askama::Template;
use tollbook_aggregates::access::{self, Operation};
use tollbook_aggregates::{Role, WorkspaceId};

use super::names;
use super::page::{Frame, show};
use super::refusal::Refusal;
use super::visitor::{SignedIn, Visitor};
use crate::app::App;
use crate::problem::Problem;

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(home);
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    name: String,
    workspaces: Vec<Membership>,
}

/// A workspace that somebody belongs to.
pub(super) struct Membership {
    /// Which.
    pub(super) id: WorkspaceId,
    /// How it is called.
    pub(super) name: String,
    /// What they are in it.
    pub(super) role: &'static str,
    /// May they make API keys there?
    pub(super) makes_keys: bool,
}

#[get("/")]
async fn home(app: Data<App>, visitor: Visitor) -> Result<HttpResponse, Refusal> {
    let person = visitor.person()?;
    let workspaces = memberships(&app, person).await?;
    let frame = Frame::new("Workspaces", &visitor).at("/");
    show(&visitor, &Home { frame, name: person.name.clone(), workspaces })
}

/// The workspaces that somebody belongs to, by their names.
///
/// # Errors
/// When their names can't be read.
pub(super) async fn memberships(app: &App, person: &SignedIn) -> Result<Vec<Membership>, Problem> {
    let (at, make) = (app.clock.now(), Operation::CreateApiKey);
    let found: Vec<(WorkspaceId, Role, bool)> = app.authority.look(|live| {
        let may = |id| access::may(live, person.caller(), Some(id), make, at).is_ok();
        live.memberships(person.user_id).map(|(id, role)| (id, role, may(id))).collect()
    });
    let ids: Vec<WorkspaceId> = found.iter().map(|(id, ..)| *id).collect();
    let mut names = names::workspaces(app, &ids).await?;
    let membership = |(id, role, makes_keys): (WorkspaceId, Role, bool)| {
        let name = names.remove(&id).unwrap_or_else(|| names::ERASED.to_owned());
        Membership { id, name, role: role.as_str(), makes_keys }
    };
    let mut memberships: Vec<Membership> = found.into_iter().map(membership).collect();
    memberships.sort_by(|one, other| one.name.cmp(&other.name).then(one.id.0.cmp(&other.id.0)));
    Ok(memberships)
}
