//! Lists and searches: pages without gaps or doubles, walls between workspaces.

use std::time::Duration;

use tollbook_journal::{Filter, INSTANCE, Position};
use tollbook_projections::{
    AuditSearch, Happening, Index, NotCaughtUp, Order, Query, Search, Sessions, Term, ToolCalls, ViewError,
    Views, Workspaces, standard,
};
use uuid::Uuid;

use crate::home::{Home, Running, wait_until};
use crate::on_both;
use crate::story::{Story, workspace};

on_both! {
    pages_have_neither_gaps_nor_doubles_while_rows_are_added
    list_is_of_one_workspace_and_in_order
    rows_are_found_by_all_their_terms
    rows_are_kept_by_what_is_known_when_they_are_read
    events_are_found_by_all_their_terms
    what_nobody_builds_cannot_be_read
    who_waits_too_long_is_told_how_far_it_got
}

fn query(order: Order, limit: usize) -> Query {
    Query { order, limit, ..Query::default() }
}

/// All pages of a list.
async fn paged(views: &Views, place: Uuid, mut query: Query) -> Vec<Position> {
    let mut all = Vec::new();
    loop {
        let page = views.list::<ToolCalls>(place, &query).await.unwrap();
        all.extend(page.iter().map(|listed| listed.ordinal));
        match page.last() {
            Some(last) if page.len() == query.limit => query.after = Some(last.ordinal),
            _ => return all,
        }
    }
}

async fn pages_have_neither_gaps_nor_doubles_while_rows_are_added(home: &Home) {
    let mut story = Story::new(1);
    home.write_together(&story.tell(600)).await;
    let running = home.start();
    home.wait_for_all(standard).await;
    let place = story.workspaces[0];
    let before = paged(&home.views, place, query(Order::OldestFirst, 500)).await;
    let writing = async {
        for _ in 0..20 {
            home.write_together(&story.tell(50)).await;
            home.wait_for_all(standard).await;
        }
    };
    let reading = async {
        let mut seen = Vec::new();
        for _ in 0..10 {
            seen.push(paged(&home.views, place, query(Order::OldestFirst, 7)).await);
            let mut newest = paged(&home.views, place, query(Order::NewestFirst, 7)).await;
            newest.reverse();
            seen.push(newest);
        }
        seen
    };
    let ((), seen) = tokio::join!(writing, reading);
    let after = paged(&home.views, place, query(Order::OldestFirst, 500)).await;
    running.stop().await;
    assert!(after.len() > before.len());
    for pages in seen {
        // Each walk saw a beginning of the list as it is now, at least as long as it was before.
        assert!(pages.len() >= before.len());
        assert_eq!(pages, after[..pages.len()]);
    }
}

async fn list_is_of_one_workspace_and_in_order(home: &Home) {
    let (mut one, mut other) = (Story::new(1), Story::new(2));
    home.write_together(&one.tell(300)).await;
    home.write_together(&other.tell(300)).await;
    home.caught_up(standard).await;
    let (here, there) = (one.workspaces[0], other.workspaces[0]);
    assert_ne!(here, there);
    let rows = home.views.list::<Sessions>(here, &query(Order::NewestFirst, 200)).await.unwrap();
    assert!(!rows.is_empty());
    assert!(rows.iter().all(|listed| listed.workspace_id == here && listed.row.workspace_id.0 == here));
    assert!(rows.is_sorted_by(|one, next| one.ordinal > next.ordinal));
    let key = &rows[0].key;
    assert_eq!(home.views.get::<Sessions>(here, key).await.unwrap().as_ref(), Some(&rows[0]));
    assert_eq!(home.views.get::<Sessions>(there, key).await.unwrap(), None, "not from next door");
    let workspaces = home.views.list::<Workspaces>(INSTANCE, &query(Order::OldestFirst, 200)).await.unwrap();
    assert!(workspaces.len() >= 2);
    let keys: Vec<_> = workspaces.iter().map(|listed| listed.key.clone()).collect();
    assert_eq!(home.views.get_many::<Workspaces>(INSTANCE, &keys).await.unwrap(), workspaces);
    assert_eq!(home.views.get_many::<Workspaces>(INSTANCE, &[]).await.unwrap(), []);
}

async fn rows_are_found_by_all_their_terms(home: &Home) {
    let mut story = Story::new(1);
    home.write_together(&story.tell(600)).await;
    home.caught_up(standard).await;
    let place = story.workspaces[0];
    let all = home.views.list::<ToolCalls>(place, &query(Order::NewestFirst, 1000)).await.unwrap();
    let session = all[0].row.session_id;
    for tool in ["search", "fetch"] {
        let terms =
            vec![Term::new("session", session), Term::new("tool", tool), Term::new("outcome", "completed")];
        let query = Query { terms, ..query(Order::NewestFirst, 1000) };
        let found = home.views.list::<ToolCalls>(place, &query);
        let expected = all.iter().filter(|listed| {
            let row = &listed.row;
            let completed = row.outcome == Some(tollbook_projections::Outcome::Completed);
            row.session_id == session && row.tool == tool && completed
        });
        assert_eq!(found.await.unwrap(), expected.cloned().collect::<Vec<_>>());
    }
    // What has changed is no longer found by what it was.
    let terms = vec![Term::new("status", "unrevoked")];
    let open = home
        .views
        .list::<Sessions>(place, &Query { terms, ..query(Order::OldestFirst, 1000) })
        .await
        .unwrap();
    let sessions = home.views.list::<Sessions>(place, &query(Order::OldestFirst, 1000)).await.unwrap();
    let unrevoked: Vec<_> = sessions.into_iter().filter(|listed| listed.row.revoked_at.is_none()).collect();
    assert_eq!(open, unrevoked);
}

async fn rows_are_kept_by_what_is_known_when_they_are_read(home: &Home) {
    let mut story = Story::new(1);
    home.write_together(&story.tell(600)).await;
    home.caught_up(standard).await;
    let place = story.workspaces[0];
    let wanted = |row: &tollbook_projections::ToolCallRow| row.tool == "grep";
    let all = home.views.list::<ToolCalls>(place, &query(Order::OldestFirst, 1000)).await.unwrap();
    let expected: Vec<_> = all.into_iter().filter(|listed| wanted(&listed.row)).collect();
    let (mut kept, mut query) = (Vec::new(), query(Order::OldestFirst, 7));
    loop {
        let (page, next) = home.views.list_where::<ToolCalls>(place, &query, wanted).await.unwrap();
        assert!(page.len() == 7 || next.is_none(), "full while there are more");
        kept.extend(page);
        match next {
            Some(_) => query.after = next,
            None => break,
        }
    }
    assert_eq!(kept, expected);
}

async fn events_are_found_by_all_their_terms(home: &Home) {
    let mut story = Story::new(1);
    home.write_together(&story.tell(600)).await;
    home.caught_up(standard).await;
    let place = story.workspaces[0];
    let filter = Filter { workspace_id: Some(place), ..Filter::default() };
    let book = home.journal.read(Position(0), 10_000, &filter).await.unwrap().events;
    let book: Vec<_> = book.into_iter().map(|recorded| Happening::decode(recorded).unwrap()).collect();
    for terms in [
        vec![],
        vec![Term::new("type", "session.tool_called")],
        vec![Term::new("tool", "search"), Term::new("decision", "deny")],
        vec![
            Term::new("request", "r1"),
            Term::new("type", "workspace.renamed"),
            Term::new("stream", format!("workspace:{place}")),
        ],
        vec![Term::new("tool", "nonsense")],
    ] {
        let fits = |happening: &&Happening| {
            let all = AuditSearch::terms(happening);
            terms.iter().all(|term| all.contains(term))
        };
        let expected: Vec<_> = book.iter().filter(fits).map(Happening::position).collect();
        let search =
            Search { terms: terms.clone(), limit: 10_000, order: Order::OldestFirst, ..Search::default() };
        assert_eq!(home.views.search::<AuditSearch>(place, &search).await.unwrap(), expected);
        // By pages, backwards, between two positions.
        let (from, to) = (Position(100), Position(500));
        let mut search =
            Search { from: Some(from), to: Some(to), limit: 9, order: Order::NewestFirst, ..search };
        let mut found = Vec::new();
        loop {
            let page = home.views.search::<AuditSearch>(place, &search).await.unwrap();
            found.extend(page.iter().copied());
            if page.len() < 9 {
                break;
            }
            search.after = page.last().copied();
        }
        found.reverse();
        let within: Vec<_> = expected.into_iter().filter(|at| (from..to).contains(at)).collect();
        assert_eq!(found, within);
    }
    let nowhere = Search { terms: vec![Term::new("tool", "search")], limit: 10, ..Search::default() };
    assert_eq!(home.views.search::<AuditSearch>(workspace(999), &nowhere).await.unwrap(), []);
}

async fn what_nobody_builds_cannot_be_read(home: &Home) {
    let listed = home.views.list::<Sessions>(workspace(1), &query(Order::NewestFirst, 10)).await;
    assert!(matches!(listed, Err(ViewError::Unknown(name)) if name == "session"));
    let waited = home.views.wait_for("session", Position(0), Duration::from_secs(1)).await;
    assert!(matches!(waited, Err(ViewError::Unknown(_))));
    let running = Running::start(&home.views, standard());
    home.write(&Story::new(1).tell(1)).await;
    home.wait_for_all(standard).await;
    let listed = home.views.list::<Sessions>(workspace(1), &query(Order::NewestFirst, 10)).await;
    assert_eq!(listed.unwrap(), []);
    running.stop().await;
}

async fn who_waits_too_long_is_told_how_far_it_got(home: &Home) {
    let running = home.start();
    let head = home.write(&Story::new(1).tell(10)).await.next();
    wait_until(&home.views, "session", head).await;
    let waited = home.views.wait_for("session", head, Duration::from_millis(100)).await.unwrap();
    assert_eq!(waited, Err(NotCaughtUp::Late { projection: "session".into(), reached: head }));
    running.stop().await;
}
