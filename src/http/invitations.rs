//! `/v1/workspaces/{workspace_id}/invitations`

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{HttpResponse, get, post};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tollbook_aggregates::access::{Operation, Standing, World as _};
use tollbook_aggregates::{
    LinkCommand, LinkId, LinkPurpose, OneTimeLink, Private, Role, UserId, WorkspaceId,
};
use tollbook_projections::{OneTimeLinkRow, OneTimeLinks, Order, Term};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use super::body::{Body, Ids, Query};
use super::cursor::Paging;
use super::one_time_links::{NewLink, maker};
use super::refusals::{ReadRefusals, WriteRefusals};
use super::time::Time;
use super::views::{self, Texts};
use super::words::{Nothing, Revoked, RoleWord};
use super::written::{Page, Written, object, written};
use crate::app::App;
use crate::authn::Authenticated;
use crate::authority::Live;
use crate::book::Draft;
use crate::bounds;
use crate::commands::Plan;
use crate::problem::Problem;

/// How long an invitation is good, where nobody says.
const LASTS: TimeDelta = TimeDelta::days(3);

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(create).service(list).service(revoke);
}

/// Somebody is to be invited.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInvitation {
    /// As what. Nobody invites others as more than they are themselves.
    role: RoleWord,
    /// Whom it is for, as the caller calls them: 1 to 100 characters, no control characters.
    #[schema(min_length = 1, max_length = 100)]
    label: Option<String>,
    /// The person, if they are known here already: they must be signed in to redeem the link.
    user_id: Option<Uuid>,
    /// For how many seconds: at most 7 days; 3 days when not given.
    #[schema(minimum = 1, maximum = 604_800)]
    expires_in: Option<u32>,
}

/// An invitation. Its link is never shown again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invitation)]
struct InvitationView {
    id: Uuid,
    role: RoleWord,
    /// Whom it is for, as its maker calls them.
    label: Option<String>,
    /// The person that it is for, if it is for one who is known here.
    user_id: Option<Uuid>,
    status: Status,
    created_at: Time,
    /// The first moment at which its link is no longer good.
    expires_at: Time,
    /// Who became a member by it, if somebody did.
    redeemed_by: Option<Uuid>,
}

/// What became of an invitation.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = InvitationStatus)]
enum Status {
    /// Its link can be redeemed, if whoever made it may still invite.
    Open,
    /// Somebody became a member by it.
    Redeemed,
    /// It was taken back.
    Revoked,
    /// Its time is over.
    Expired,
}

/// An invitation that was made.
#[derive(Debug, Serialize, ToSchema)]
struct InvitationCreated {
    #[serde(flatten)]
    invitation: InvitationView,
    /// The link, shown this once: give it to whom it is for. Absent in the answer to a repeated request.
    #[schema(required = false, examples("https://tollbook.example/otl/…#…"))]
    one_time_url: String,
}

impl InvitationView {
    fn of(row: &OneTimeLinkRow, texts: &Texts, at: DateTime<Utc>) -> Option<Self> {
        let LinkPurpose::Invitation { role, user_id, .. } = row.purpose else { return None };
        Some(Self {
            id: row.id.0,
            role: role.into(),
            label: texts.of(row.label.as_ref()),
            user_id: user_id.map(|user_id| user_id.0),
            status: match (row.redeemed, row.revoked_at) {
                (Some(_), _) => Status::Redeemed,
                (None, Some(_)) => Status::Revoked,
                (None, None) if at >= row.expires_at => Status::Expired,
                (None, None) => Status::Open,
            },
            created_at: Time(row.created_at),
            expires_at: Time(row.expires_at),
            redeemed_by: row.redeemed.map(|(_, user_id)| user_id.0),
        })
    }
}

/// Invites somebody by a one-time link. It is good only as long as whoever made it may invite. At most 500 are open
/// in a workspace (409 `invitation.limit_reached`), and it has at most 10,000 members.
#[utoipa::path(tag = "members", operation_id = "create_invitation", request_body = NewInvitation,
    responses((status = CREATED, body = Written<InvitationCreated>), WriteRefusals))]
#[post("/v1/workspaces/{workspace_id}/invitations")]
async fn create(
    app: Data<App>,
    caller: Authenticated,
    Ids(workspace_id): Ids<WorkspaceId>,
    body: Body<NewInvitation>,
) -> Result<HttpResponse, Problem> {
    let link = NewLink::mint(&app)?;
    let role: Role = body.role.into();
    let lasts = body.expires_in.map_or(LASTS, |seconds| TimeDelta::seconds(seconds.into()));
    let plan = |live: &Live, standing: Standing, at: DateTime<Utc>| {
        let operation = Operation::Invite(role);
        let Standing::Member { user_id: inviting, .. } = standing else {
            return Err(Problem::insufficient_scope(operation.scope()));
        };
        bounds::another_invitation(live, workspace_id)?;
        let user_id = body.user_id.map(UserId);
        if user_id.is_some_and(|user_id| !live.knows_user(user_id)) {
            return Err(Problem::not_found("person"));
        }
        let purpose = LinkPurpose::Invitation { workspace_id, role, user_id };
        let expires_at = (at + lasts).trunc_subsecs(6);
        let label = body.label.as_deref().map(Private::from);
        let made = (purpose, maker(caller.0.caller, inviting));
        let draft = link.draft(&app.pepper, made, expires_at, label, at)?;
        let invitation = InvitationView {
            id: link.id.0,
            role: body.role,
            label: body.label.clone(),
            user_id: body.user_id,
            status: Status::Open,
            created_at: Time(at),
            expires_at: Time(expires_at),
            redeemed_by: None,
        };
        let one_time_url = link.url(&app.config.public_url);
        let answer = object(&InvitationCreated { invitation, one_time_url })?;
        Ok(Plan { drafts: vec![draft], answer, secret: Some("one_time_url") })
    };
    let (operation, repeatable) = (Operation::Invite(role), body.repeatable.as_ref());
    let done = app.commands.execute(caller.0, Some(workspace_id), operation, repeatable, plan).await?;
    Ok(written(StatusCode::CREATED, done))
}

/// The invitations of a workspace, the newest first.
#[utoipa::path(tag = "members", operation_id = "list_invitations", params(Paging),
    responses((status = OK, body = Page<InvitationView>), ReadRefusals))]
#[get("/v1/workspaces/{workspace_id}/invitations")]
async fn list(
    app: Data<App>,
    caller: Authenticated,
    Ids(workspace): Ids<WorkspaceId>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<InvitationView>>, Problem> {
    app.commands.allow(caller.0, Some(workspace), Operation::ReadInvitations).await?;
    let at = app.clock.now();
    let terms = vec![Term::new("purpose", "invitation")];
    let page = views::page::<OneTimeLinks>(&app, workspace.0, terms, Order::NewestFirst, &paging).await?;
    let texts = views::texts(&app, page.rows.iter().map(|row| row.label.as_ref())).await?;
    let items = page.rows.iter().filter_map(|row| InvitationView::of(row, &texts, at)).collect();
    Ok(Json(Page { items, next: page.next }))
}

/// Takes an invitation back: its link is no longer good. Twice is harmless.
#[utoipa::path(tag = "members", operation_id = "revoke_invitation", request_body = Nothing,
    responses((status = OK, body = Written<Revoked>), WriteRefusals))]
#[post("/v1/workspaces/{workspace_id}/invitations/{invitation_id}/revoke")]
async fn revoke(
    app: Data<App>,
    caller: Authenticated,
    Ids((workspace, id)): Ids<(WorkspaceId, LinkId)>,
    body: Body<Nothing>,
) -> Result<HttpResponse, Problem> {
    let plan = |live: &Live, _: Standing, _: DateTime<Utc>| {
        let link = live.one_time_link(id);
        let ours = link.grant().is_some_and(|grant| {
            matches!(grant.purpose, LinkPurpose::Invitation { workspace_id, .. } if workspace_id == workspace)
        });
        if !ours {
            return Err(Problem::not_found("invitation"));
        }
        let events = link.decide(LinkCommand::Revoke)?;
        let draft = Draft::new::<OneTimeLink>(workspace.0, id.0, live.expect_link(id), &events)?;
        Ok(Plan { drafts: vec![draft], answer: json!({ "id": id, "status": "revoked" }), secret: None })
    };
    let (operation, repeatable) = (Operation::RevokeInvitation, body.repeatable.as_ref());
    let done = app.commands.execute(caller.0, Some(workspace), operation, repeatable, plan).await?;
    Ok(written(StatusCode::OK, done))
}
