//! `/`: the workspaces that one belongs to.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, route};
use askama::Template;
use tollbook_aggregates::{Role, WorkspaceId};

use super::names;
use super::page::{Frame, show};
use super::refusal::Refusal;
use super::visitor::Visitor;
use crate::app::App;

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

struct Membership {
    id: WorkspaceId,
    name: String,
    role: &'static str,
}

#[route("/", method = "GET", method = "HEAD")]
async fn home(app: Data<App>, visitor: Visitor) -> Result<HttpResponse, Refusal> {
    let person = visitor.person()?;
    let memberships: Vec<(WorkspaceId, Role)> =
        app.authority.look(|live| live.memberships(person.user_id).collect());
    let ids: Vec<WorkspaceId> = memberships.iter().map(|(id, _)| *id).collect();
    let mut names = names::workspaces(&app, &ids).await?;
    let membership = |(id, role): (WorkspaceId, Role)| {
        let name = names.remove(&id).unwrap_or_else(|| names::ERASED.to_owned());
        Membership { id, name, role: role.as_str() }
    };
    let mut workspaces: Vec<Membership> = memberships.into_iter().map(membership).collect();
    workspaces.sort_by(|one, other| one.name.cmp(&other.name).then(one.id.0.cmp(&other.id.0)));
    show(
        &visitor,
        &Home { frame: Frame::new("Workspaces", &visitor).at("/"), name: person.name.clone(), workspaces },
    )
}
