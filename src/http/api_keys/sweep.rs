//! Ending every API key of a label, also while others of that label are being made.
//!
//! Labels are sealed: nobody can tell at the append which keys have one, so the keys are found first and
//! listed in the event. A key that was made in between is found by looking again, up to where that event
//! stands, and so on until there is none. So that this comes to an end, nobody whose keys are looked through
//! makes any from the second round on: it is said in the book, narrows, and is over by itself. Only a
//! replica whose clock is wrong by more than that lets keys be made all the same; if it does so again and
//! again, the answer says that it couldn't be finished.

use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde_json::{Value, json};
use tollbook_aggregates::access::{self, Asker, Denial, Operation, Standing};
use tollbook_aggregates::{ApiKeyId, Private, UserId, WhichKeys, WorkspaceCommand, WorkspaceId};
use tollbook_journal::Position;
use tollbook_projections::{ApiKeys, Order, Projection as _, Query, Term};

use super::super::{cursor, views};
use super::bulk::decided;
use crate::app::App;
use crate::authority::Live;
use crate::commands::{Done, Plan, Repeatable};
use crate::problem::Problem;

/// How many keys are looked through at once.
const PAGE: usize = 200;
/// How often it is looked again. Each time costs some milliseconds.
const ROUNDS: usize = 16;
/// How long no keys are made while they are looked through again.
const PAUSE: TimeDelta = TimeDelta::seconds(5);
/// How long a look waits for the live state.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label<'a> {
    pub(super) workspace: WorkspaceId,
    /// Only this member's; everybody's, when absent.
    pub(super) user_id: Option<UserId>,
    pub(super) text: &'a str,
}

/// The keys of a label, as far as they were looked for.
pub(super) struct Sweep<'a> {
    app: &'a App,
    label: Label<'a>,
    reason: Option<Private>,
    /// Those that stood when they were last looked at, by where they were made.
    found: Vec<(Position, ApiKeyId)>,
    /// The last key that was looked at, of whatever label.
    after: Option<Position>,
}

impl<'a> Sweep<'a> {
    pub(super) const fn new(app: &'a App, label: Label<'a>, reason: Option<Private>) -> Self {
        Self { app, label, reason, found: Vec::new(), after: None }
    }

    /// Ends them all, and answers with how many and which.
    ///
    /// # Errors
    /// The problem to answer with. 409 `api_key.label_not_finished` when keys of that label went on being made:
    /// what was ended until then stays ended.
    pub(super) async fn run(
        mut self,
        asker: Asker,
        standing: Standing,
        operation: Operation,
        repeatable: Option<&Repeatable>,
    ) -> Result<Done, Problem> {
        let known = self.app.authority.look(Live::next);
        let first = self.standing_before(known).await?;
        let plan = |live: &Live, _: Standing, _: DateTime<Utc>| {
            let which = WhichKeys::These(first.clone());
            let revoke = WorkspaceCommand::RevokeApiKeys { which, reason: self.reason.clone() };
            let draft = decided(live, self.label.workspace, [revoke])?;
            Ok(Plan { drafts: vec![draft], answer: answer(&first), secret: None })
        };
        let workspace = Some(self.label.workspace);
        // An answer that is repeated may be of a request that died before it had looked again.
        let done = self.app.commands.execute(asker, workspace, operation, repeatable, plan).await?;
        self.look_again(asker, standing, done).await
    }

    async fn look_again(
        &mut self,
        asker: Asker,
        standing: Standing,
        mut done: Done,
    ) -> Result<Done, Problem> {
        let mut ended = ids(&done.answer);
        for _ in 0..ROUNDS {
            let more = self.standing_before(done.position.next()).await?;
            if more.is_empty() {
                return Ok(done);
            }
            let plan = |live: &Live, at: DateTime<Utc>| {
                let workspace = self.label.workspace;
                let pause = WorkspaceCommand::PauseApiKeys {
                    user_id: self.label.user_id,
                    until: (at + PAUSE).trunc_subsecs(6),
                };
                let which = WhichKeys::These(more.clone());
                let revoke = WorkspaceCommand::RevokeApiKeys { which, reason: self.reason.clone() };
                Ok(vec![decided(live, workspace, [pause, revoke])?])
            };
            let appended = self.app.commands.finish(asker, standing, plan).await?;
            ended.extend(more.iter().filter(|id| !ended.contains(id)).copied().collect::<Vec<_>>());
            done = Done::at(appended.map_or(done.position, |appended| appended.last), answer(&ended));
        }
        Err(not_finished(ended.len()))
    }

    /// The keys of the label that were made before `end` and aren't over.
    async fn standing_before(&mut self, end: Position) -> Result<Vec<ApiKeyId>, Problem> {
        self.find_before(end).await?;
        self.app.authority.catch_up(end, PATIENCE).await?;
        let at = self.app.clock.now();
        let found = std::mem::take(&mut self.found);
        self.found = self.app.authority.look(|live| {
            let stands = |id| match access::key_stands(live, id, at) {
                // One that was reset comes back by its link; one that isn't known is younger than this state.
                Ok(_) | Err(Denial::KeyReset | Denial::NotFound) => true,
                Err(_) => false,
            };
            found.into_iter().filter(|(_, id)| stands(*id)).collect()
        });
        Ok(self.found.iter().filter(|(made, _)| *made < end).map(|(_, id)| *id).collect())
    }

    /// Takes in the keys of the label that were made before `end` and not looked at yet. Labels are sealed:
    /// they are opened and compared.
    async fn find_before(&mut self, end: Position) -> Result<(), Problem> {
        cursor::wait_for(self.app, ApiKeys::NAME, end.0.checked_sub(1)).await?;
        let unrevoked = Term::new("status", "unrevoked");
        let whose = self.label.user_id.iter().map(|user_id| Term::new("user", user_id));
        let terms: Vec<Term> = whose.chain([unrevoked]).collect();
        loop {
            let query =
                Query { terms: terms.clone(), after: self.after, limit: PAGE, order: Order::OldestFirst };
            let listed = self.app.views.list::<ApiKeys>(self.label.workspace.0, &query).await;
            let page = listed.map_err(views::unreadable)?;
            let labels = page.iter().map(|listed| listed.row.device_label.as_ref());
            let texts = views::texts(self.app, labels).await?;
            let ours = page.iter().filter(|listed| {
                texts.of(listed.row.device_label.as_ref()).as_deref() == Some(self.label.text)
            });
            self.found.extend(ours.map(|listed| (listed.ordinal, listed.row.id)));
            self.after = page.last().map(|last| last.ordinal).or(self.after);
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }
}

fn answer(ended: &[ApiKeyId]) -> Value {
    json!({ "status": "revoked", "count": ended.len(), "api_key_ids": ended })
}

/// Which keys an answer names: one that is repeated was kept.
fn ids(answer: &Value) -> Vec<ApiKeyId> {
    let named = answer.get("api_key_ids").and_then(Value::as_array).into_iter().flatten();
    named.filter_map(|id| id.as_str()?.parse().ok()).collect()
}

fn not_finished(ended: usize) -> Problem {
    let detail = format!(
        "Keys of this label went on being made while they were ended: {ended} were ended, and there are more."
    );
    Problem::conflict("api_key.label_not_finished", detail).remedy(
        "End all keys of whoever makes them (`user_id`), or of the workspace (`all`); the audit log says whose they are.",
        None,
    )
}
