//! One round: a fresh session, callers on every replica, and one who takes something away.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures::future::join_all;
use tokio::sync::Notify;
use tollbook::book::Draft;
use tollbook::calls::CallRefused;
use tollbook::clock::Clock;
use tollbook_aggregates::access::{Operation, World as _};
use tollbook_aggregates::{
    ApiKey, ApiKeyCommand, ApiKeyId, Loadout, LoadoutCommand, LoadoutId, SessionId, UserId, Workspace,
    WorkspaceEvent,
};
use tollbook_journal::{Expected, Position};

use super::super::tenant::{Made, Replica, Tenant, question, write};

/// More calls than this a caller doesn't make, if nobody stops it.
const CALLS: usize = 400;

/// What is taken away.
#[derive(Debug, Clone, Copy)]
pub(super) enum Narrowing {
    Session(SessionId),
    Key(ApiKeyId),
    Loadout(LoadoutId),
    Member(UserId),
}

/// What happened.
pub(super) struct Round {
    pub(super) session: SessionId,
    pub(super) narrowing: Narrowing,
    /// Where the replica that did it says that it stands.
    pub(super) position: Position,
    /// When it was asked for, and when it was acknowledged.
    pub(super) asked: Instant,
    pub(super) acknowledged: Instant,
    pub(super) calls: Vec<Call>,
}

/// One call.
pub(super) struct Call {
    pub(super) asked: Instant,
    pub(super) answered: Instant,
    /// Of its permit, if it had one.
    pub(super) permitted: Option<Position>,
    /// Was it one that would have been forwarded now?
    pub(super) forwarded: bool,
}

/// Callers that have their first permits, counted.
#[derive(Default)]
struct Going {
    permits: AtomicUsize,
    more: Notify,
}

pub(super) async fn run(number: usize, tenant: &Tenant, replicas: &[Replica]) -> Round {
    let (session, narrowing) = start(number, tenant, &replicas[0]).await;
    let going = Going::default();
    // Half of the calls are ones that we would forward ourselves, half are somebody else's.
    let callers = replicas.iter().map(|app| call(app, session, number.is_multiple_of(2), &going));
    let revoker = async {
        // Sometimes before the first call is answered, sometimes when several were.
        let wanted = number % 5;
        while going.permits.load(Ordering::Acquire) < wanted {
            going.more.notified().await;
        }
        let asked = Instant::now();
        let position = narrow(tenant, &replicas[number / 2 % replicas.len()], narrowing).await;
        (asked, Instant::now(), position)
    };
    let (calls, (asked, acknowledged, position)) = tokio::join!(join_all(callers), revoker);
    Round { session, narrowing, position, asked, acknowledged, calls: calls.into_iter().flatten().collect() }
}

/// A session, and what will be taken away from it.
async fn start(number: usize, tenant: &Tenant, app: &Replica) -> (SessionId, Narrowing) {
    let session: SessionId = Clock::fresh_id();
    let made = tenant.made(app);
    let (mut drafts, made, narrowing) = match number % 10 {
        1 => {
            let key = Clock::fresh_id();
            let draft = tenant.make_key(app, key, tenant.owner, None);
            (vec![draft], Made { key, ..made }, Narrowing::Key(key))
        }
        2 => {
            let loadout = Clock::fresh_id();
            (vec![tenant.make_loadout(loadout)], Made { loadout, ..made }, Narrowing::Loadout(loadout))
        }
        3 => {
            let (user, key) = (Clock::fresh_id(), Clock::fresh_id());
            let mut drafts = Vec::from(tenant.take_in(user));
            drafts.push(tenant.make_key(app, key, user, None));
            (drafts, Made { user, key, ..made }, Narrowing::Member(user))
        }
        _ => (vec![], made, Narrowing::Session(session)),
    };
    drafts.push(tenant.make_session(app, session, made));
    write(app, drafts).await;
    (session, narrowing)
}

/// Calls again and again until it is refused.
async fn call(app: &Replica, session: SessionId, ours: bool, going: &Going) -> Vec<Call> {
    let mut calls = Vec::new();
    let question = question(session);
    while calls.len() < CALLS {
        let asked = Instant::now();
        let mut forwarded = false;
        let answer = if ours {
            app.calls.decide(&question).await.map(|open| {
                let position = open.position();
                forwarded = true;
                open.completed(0, false);
                position
            })
        } else {
            app.calls.authorize(&question).await.map(|appended| appended.first)
        };
        let answered = Instant::now();
        let (permitted, over) = match answer {
            // Permitted, and perhaps not any more when it was to be forwarded.
            Ok(position) | Err(CallRefused::NotForwarded { position, .. }) => (Some(position), false),
            Err(CallRefused::Denied { .. }) => (None, true),
            // The book was too busy for the deadline: asked again.
            Err(CallRefused::Unavailable { .. }) => (None, false),
            Err(other) => panic!("{other}"),
        };
        calls.push(Call { asked, answered, permitted, forwarded });
        going.permits.fetch_add(1, Ordering::AcqRel);
        going.more.notify_one();
        if over {
            break;
        }
    }
    calls
}

async fn narrow(tenant: &Tenant, app: &Replica, narrowing: Narrowing) -> Position {
    let workspace = tenant.workspace;
    let done = match narrowing {
        Narrowing::Session(id) => tenant.revoke_session(app, id).await,
        Narrowing::Key(id) => {
            let revoke = || ApiKeyCommand::Revoke { reason: None };
            let operation = Operation::RevokeApiKey(tenant.owner);
            let command = tenant.command(app, operation, |live| {
                let events = live.api_key(id).decide(revoke())?;
                Ok(Draft::new::<ApiKey>(workspace.0, id.0, live.expect_api_key(id), &events)?)
            });
            command.await
        }
        Narrowing::Loadout(id) => {
            let command = tenant.command(app, Operation::ManageLoadouts, |live| {
                let events = live.loadout(id).decide(LoadoutCommand::Remove)?;
                Ok(Draft::new::<Loadout>(workspace.0, id.0, live.expect_loadout(id), &events)?)
            });
            command.await
        }
        Narrowing::Member(user_id) => {
            let events = [WorkspaceEvent::MemberRemoved { user_id }];
            let draft = Draft::new::<Workspace>(workspace.0, workspace.0, Expected::Any, &events);
            Ok(write(app, vec![draft.expect("it serializes")]).await.last)
        }
    };
    done.unwrap_or_else(|problem| panic!("nothing stands against it: {problem}"))
}
