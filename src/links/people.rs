//! Who is meant by a name: for whoever runs the machine.

use std::collections::BTreeMap;

use tollbook_aggregates::UserId;
use tollbook_journal::{INSTANCE, Position};
use tollbook_projections::{Order, Query, Users};
use uuid::Uuid;

use crate::app::App;
use crate::authority::Live;
use crate::problem::Problem;
use crate::reveal::reveal;

/// How many people are looked at at once.
const PAGE: usize = 200;

/// The one person who is called this, or whose id it is. Names stand sealed: all are opened, one page after the other.
///
/// # Errors
/// 404 when there is nobody of that name, 409 when there are several.
pub async fn called(app: &App, name: &str) -> Result<UserId, Problem> {
    if let Ok(id) = Uuid::parse_str(name) {
        return Ok(UserId(id));
    }
    let Some(known) = app.authority.look(Live::next).0.checked_sub(1).map(Position) else {
        return Err(Problem::not_found("person"));
    };
    let waited = app.views.wait_for("user", known, super::PATIENCE).await;
    if !matches!(waited, Ok(Ok(_))) {
        return Err(unreadable("names are not read in yet"));
    }
    let mut found = Vec::new();
    let mut query = Query { limit: PAGE, order: Order::OldestFirst, ..Query::default() };
    loop {
        let page = app.views.list::<Users>(INSTANCE, &query).await.map_err(unreadable)?;
        let pointed: BTreeMap<Position, UserId> = page
            .iter()
            .filter_map(|listed| Some((listed.row.name.as_ref()?.position, listed.row.id)))
            .collect();
        let positions: Vec<Position> = pointed.keys().copied().collect();
        let names = reveal(&app.journal, &app.vault, &positions).await.map_err(unreadable)?;
        found.extend(
            pointed.iter().filter(|(at, _)| names.get(**at, "name") == Some(name)).map(|(_, id)| *id),
        );
        query.after = page.last().map(|listed| listed.ordinal);
        if page.len() < PAGE {
            break;
        }
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Problem::not_found("person")),
        several => {
            let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
            let detail = format!("There are several of that name; say which by id: {}.", ids.join(", "));
            Err(Problem::conflict("user.ambiguous", detail))
        }
    }
}

fn unreadable(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "people cannot be looked up by name");
    let detail = "People cannot be looked up by name for now.";
    Problem::unavailable("projection.unavailable", detail, super::PATIENCE)
}
