//! Carrying out what a caller asks for: permitted, decided, written, answered.
//!
//! Every command goes the same way. The caller's right and the decision are looked up in one state;
//! the append carries the fence of that state, so that a right that was taken away meanwhile writes
//! nothing; what was narrowed is caught up with, and the question is decided again.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use tollbook_aggregates::WorkspaceId;
use tollbook_aggregates::access::{self, Asker, Caller, Denial, Operation, Standing};
use tollbook_journal::{Append, Appended, INSTANCE, Idempotency, Journal, Position, Refused};
use tollbook_vault::{BelongsTo, Purpose, Vault};
use uuid::Uuid;

use crate::authority::{Authority, Live};
use crate::book::{Attribution, Draft, Scribe};
use crate::clock::{Clock, rfc3339};
use crate::problem::{Problem, request_id};
use crate::reveal::reveal;

/// How often a command is decided again because the state changed meanwhile.
const TRIES: usize = 8;
/// How long a command may wait for the state to catch up.
const CATCH_UP: Duration = Duration::from_secs(2);
/// How long an answer to a request with an idempotency key is kept.
const ANSWERS_KEPT: TimeDelta = TimeDelta::days(1);

/// What a command comes to: what is written, and what is answered.
#[derive(Debug)]
pub struct Plan {
    /// Empty when there is nothing to do: the answer is given all the same.
    pub drafts: Vec<Draft>,
    /// A JSON object. A member `created_at` is filled in: only the book knows it.
    pub answer: Value,
    /// The member of `answer` that is shown once, and never kept.
    pub secret: Option<&'static str>,
}

/// What somebody does without a credential of their own.
#[derive(Debug)]
pub struct Errand<T> {
    /// At least one event.
    pub drafts: Vec<Draft>,
    /// In whose name.
    pub attribution: Attribution,
    /// The first moment at which it would be refused, for the book to check by its own clock.
    pub not_after: Option<DateTime<Utc>>,
    /// What comes of it.
    pub outcome: T,
}

/// A command that was carried out.
#[derive(Debug)]
pub struct Done {
    /// A JSON object, with `position` in it.
    pub answer: Value,
    /// Where its last event stands; the end of the state that was looked at, when there was none.
    pub position: Position,
}

impl Done {
    /// What was answered, where its last event stands by now.
    pub fn at(position: Position, answer: Value) -> Self {
        done(answer, position, None)
    }
}

/// What is kept of an answer for whoever repeats the request.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    answer: Box<RawValue>,
    /// How many events the request wrote: its last one says where its answer stands.
    events: u64,
    /// The members of it that stand sealed beside one of those events, and not here: what is erased there is gone
    /// from here, too.
    #[serde(default)]
    sealed: Vec<SealedMember>,
}

/// A member of an answer that is a private field of an event.
#[derive(Debug, Serialize, Deserialize)]
struct SealedMember {
    /// What both are called.
    name: String,
    /// Of which event: the first is 0.
    event: u64,
}

/// A request that can be repeated: what came as `Idempotency-Key`, and what it came with.
#[derive(Debug, Clone)]
pub struct Repeatable {
    /// What the client sent.
    pub key: String,
    /// Method and path.
    pub route: String,
    /// HMAC-SHA-256 of route and body under a key of the instance.
    pub request_hash: [u8; 32],
}

impl Repeatable {
    /// Keys of different callers or routes never meet.
    fn scope(&self, caller: Caller) -> String {
        let caller = match caller {
            Caller::ApiKey(id) => format!("api_key:{id}"),
            Caller::Session(id) => format!("session:{id}"),
            Caller::Operator(id) => format!("operator:{id}"),
            Caller::SignIn(id) => format!("sign_in:{id}"),
        };
        format!("{caller} {}", self.route)
    }
}

/// What must still hold under the append lock.
#[derive(Debug, Default)]
struct Condition {
    fence: Option<Position>,
    /// When the caller's own credential ends by itself.
    not_after: Option<DateTime<Utc>>,
    idempotency: Option<Idempotency>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Commands {
    journal: Journal,
    authority: Authority,
    vault: Arc<Vault>,
    scribe: Scribe,
    clock: Clock,
}

impl Commands {
    /// On this book, by this state.
    pub const fn new(
        journal: Journal,
        authority: Authority,
        vault: Arc<Vault>,
        scribe: Scribe,
        clock: Clock,
    ) -> Self {
        Self { journal, authority, vault, scribe, clock }
    }

    /// May the caller do this, by a state that is at most a second old? For reads.
    ///
    /// # Errors
    /// The problem to answer with.
    pub async fn allow(
        &self,
        asker: impl Into<Asker>,
        workspace: Option<WorkspaceId>,
        operation: Operation,
    ) -> Result<Standing, Problem> {
        let asker = asker.into();
        self.authority.fresh().await?;
        let look = || {
            let at = self.clock.now();
            self.authority.look(|live| access::may(live, asker, workspace, operation, at))
        };
        if let Ok(standing) = look() {
            return Ok(standing);
        }
        // Nobody is refused by an old state.
        self.authority.catch_up_with_head(CATCH_UP).await?;
        look().map_err(|denial| Problem::denied(denial, operation.scope()))
    }

    /// Carries out what `plan` decides on the state that it is shown.
    ///
    /// # Errors
    /// The problem to answer with; nothing was written then.
    pub async fn execute(
        &self,
        asker: impl Into<Asker>,
        workspace: Option<WorkspaceId>,
        operation: Operation,
        repeatable: Option<&Repeatable>,
        plan: impl Fn(&Live, Standing, DateTime<Utc>) -> Result<Plan, Problem>,
    ) -> Result<Done, Problem> {
        let asker = asker.into();
        let caller = asker.caller;
        if let Some(repeatable) = repeatable
            && let Some(done) = self.answered_before(asker, workspace, repeatable).await?
        {
            return Ok(done);
        }
        let mut caught_up = false;
        for _ in 0..TRIES {
            let at = self.clock.now();
            let (decided, ends, fence) = self.authority.look(|live| {
                let decided = decide(live, asker, workspace, operation, at, &plan);
                (decided, access::credential_ends(live, asker), live.next())
            });
            let (plan, standing) = match decided {
                Ok(decided) => decided,
                Err(_) if !caught_up => {
                    self.authority.catch_up_with_head(CATCH_UP).await?;
                    caught_up = true;
                    continue;
                }
                Err(problem) => return Err(problem),
            };
            let Plan { drafts, answer, secret } = plan;
            let events = drafts.iter().map(Draft::len).sum::<usize>();
            if events == 0 {
                return Ok(done(answer, Position(fence.0.saturating_sub(1)), None));
            }
            let attribution = attribution(caller, standing, fence);
            let idempotency = match repeatable {
                Some(repeatable) => {
                    let kept = kept(&answer, secret, &drafts)?;
                    Some(self.idempotency(caller, workspace, repeatable, &kept, at).await?)
                }
                None => None,
            };
            let condition = Condition { fence: Some(fence), not_after: ends, idempotency };
            match self.append(drafts, &attribution, condition).await? {
                Ok(appended) => {
                    // The caller's next question is answered by a state that has this in it.
                    let _ = self.authority.catch_up(appended.last.next(), CATCH_UP).await;
                    return Ok(done(answer, appended.last, Some(appended.recorded_at)));
                }
                Err(Refused::Stale { position }) => {
                    self.authority.catch_up(position.next(), CATCH_UP).await?;
                }
                Err(Refused::Conflict { .. }) => self.authority.catch_up_with_head(CATCH_UP).await?,
                Err(Refused::Duplicate { position, same_request, answer }) => {
                    return self.repeat(caller, workspace, repeatable, position, same_request, answer).await;
                }
                // By the book's clock: this replica's may be slow.
                Err(Refused::Expired) => {
                    return Err(Problem::denied(Denial::CredentialExpired, operation.scope()));
                }
                Err(other) => return Err(refused(other)),
            }
        }
        Err(changed_again_and_again())
    }

    /// Carries out what somebody does without a credential of their own: by a one-time link, say.
    ///
    /// # Errors
    /// The problem to answer with; nothing was written then.
    pub async fn carry_out<T>(
        &self,
        plan: impl Fn(&Live, DateTime<Utc>) -> Result<Errand<T>, Problem>,
    ) -> Result<(T, Appended), Problem> {
        let (outcome, appended) = self.write_errand(plan).await?;
        Ok((outcome, appended.ok_or_else(Problem::internal)?))
    }

    /// Goes on with what was permitted to `asker` and is begun: in their name, whether or not their right
    /// still stands, which may have ended with it. Nothing, when there is nothing left to write.
    ///
    /// # Errors
    /// The problem to answer with; nothing was written then.
    pub async fn finish(
        &self,
        asker: impl Into<Asker>,
        standing: Standing,
        plan: impl Fn(&Live, DateTime<Utc>) -> Result<Vec<Draft>, Problem>,
    ) -> Result<Option<Appended>, Problem> {
        let attribution = attribution(asker.into().caller, standing, Position(0));
        let errand = |live: &Live, at| {
            let (drafts, attribution) = (plan(live, at)?, attribution.clone());
            Ok(Errand { drafts, attribution, not_after: None, outcome: () })
        };
        self.write_errand(errand).await.map(|((), appended)| appended)
    }

    async fn write_errand<T>(
        &self,
        plan: impl Fn(&Live, DateTime<Utc>) -> Result<Errand<T>, Problem>,
    ) -> Result<(T, Option<Appended>), Problem> {
        let mut caught_up = false;
        for _ in 0..TRIES {
            let at = self.clock.now();
            let (planned, fence) = self.authority.look(|live| (plan(live, at), live.next()));
            let Errand { drafts, mut attribution, not_after, outcome } = match planned {
                Ok(errand) => errand,
                Err(_) if !caught_up => {
                    self.authority.catch_up_with_head(CATCH_UP).await?;
                    caught_up = true;
                    continue;
                }
                Err(problem) => return Err(problem),
            };
            if drafts.iter().all(Draft::is_empty) {
                return Ok((outcome, None));
            }
            attribution.decided_at = Some(fence);
            let condition = Condition { fence: Some(fence), not_after, idempotency: None };
            match self.append(drafts, &attribution, condition).await? {
                Ok(appended) => {
                    let _ = self.authority.catch_up(appended.last.next(), CATCH_UP).await;
                    return Ok((outcome, Some(appended)));
                }
                Err(Refused::Stale { position }) => {
                    self.authority.catch_up(position.next(), CATCH_UP).await?;
                }
                Err(Refused::Conflict { .. }) => self.authority.catch_up_with_head(CATCH_UP).await?,
                Err(other) => return Err(refused(other)),
            }
        }
        Err(changed_again_and_again())
    }

    /// Writes what the service itself decides, in nobody's name. For bootstrapping.
    ///
    /// # Errors
    /// The problem to answer with; nothing was written then.
    pub async fn write_as_system(&self, drafts: Vec<Draft>) -> Result<Result<Appended, Refused>, Problem> {
        let appended = self.append(drafts, &Attribution::system(), Condition::default()).await?;
        if let Ok(appended) = &appended {
            let _ = self.authority.catch_up(appended.last.next(), CATCH_UP).await;
        }
        Ok(appended)
    }

    async fn append(
        &self,
        drafts: Vec<Draft>,
        attribution: &Attribution,
        condition: Condition,
    ) -> Result<Result<Appended, Refused>, Problem> {
        let mut writes = Vec::with_capacity(drafts.len());
        for draft in drafts.into_iter().filter(|draft| !draft.is_empty()) {
            writes.push(self.scribe.compose(draft, attribution).await?);
        }
        let Condition { fence, not_after, idempotency } = condition;
        let append = Append { writes, fence, not_after, idempotency, budget: None };
        Ok(self.journal.append(append).await)
    }

    async fn idempotency(
        &self,
        caller: Caller,
        workspace: Option<WorkspaceId>,
        repeatable: &Repeatable,
        kept: &Kept,
        at: DateTime<Utc>,
    ) -> Result<Idempotency, Problem> {
        let sealed = self.seal_answer(caller, workspace, repeatable, kept).await?;
        Ok(Idempotency {
            scope: repeatable.scope(caller),
            key: repeatable.key.clone(),
            request_hash: repeatable.request_hash,
            answer: Some(sealed),
            expires_at: at + ANSWERS_KEPT,
        })
    }

    /// What makes a tool call repeatable: its answer isn't known yet when it is permitted.
    pub fn call_idempotency(&self, caller: Caller, repeatable: &Repeatable) -> Idempotency {
        Idempotency {
            scope: repeatable.scope(caller),
            key: repeatable.key.clone(),
            request_hash: repeatable.request_hash,
            answer: None,
            expires_at: self.clock.now() + ANSWERS_KEPT,
        }
    }

    /// Keeps the answer to a call for whoever repeats the request. Best effort: without it, the
    /// repetition is told that the outcome isn't known.
    pub async fn keep_answer(
        &self,
        caller: Caller,
        workspace: WorkspaceId,
        repeatable: &Repeatable,
        answer: &RawValue,
    ) {
        let kept = Kept { answer: answer.to_owned(), events: 1, sealed: Vec::new() };
        let kept = match self.seal_answer(caller, Some(workspace), repeatable, &kept).await {
            Ok(sealed) => {
                self.journal.complete_idempotent(&repeatable.scope(caller), &repeatable.key, sealed).await
            }
            Err(_) => return,
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "the answer to a repeatable call could not be kept");
        }
    }

    async fn seal_answer(
        &self,
        caller: Caller,
        workspace: Option<WorkspaceId>,
        repeatable: &Repeatable,
        kept: &Kept,
    ) -> Result<Vec<u8>, Problem> {
        let field = format!("{} {}", repeatable.scope(caller), repeatable.key);
        let text = serde_json::to_vec(kept).map_err(|_| Problem::internal())?;
        Ok(self.vault.seal(&answer_belongs_to(workspace, &field), &text).await?.into_bytes())
    }

    /// The answer of a request that was made before with the same key.
    ///
    /// # Errors
    /// 409 when it was another request.
    pub async fn answered_before(
        &self,
        asker: impl Into<Asker>,
        workspace: Option<WorkspaceId>,
        repeatable: &Repeatable,
    ) -> Result<Option<Done>, Problem> {
        let asker = asker.into();
        let caller = asker.caller;
        let stored = self.journal.idempotent(&repeatable.scope(caller), &repeatable.key).await?;
        let Some(stored) = stored else { return Ok(None) };
        // A key that has lost its right since isn't shown what it did with it.
        let at = self.clock.now();
        let home = self.authority.look(|live| access::home(live, asker, at));
        if let Err(denial) = home
            && (denial.ends_credential() || matches!(denial, Denial::AddressRefused | Denial::NotFound))
        {
            return Err(Problem::denied(denial, ""));
        }
        let same_request = stored.request_hash == repeatable.request_hash;
        self.repeat(caller, workspace, Some(repeatable), stored.position, same_request, stored.answer)
            .await
            .map(Some)
    }

    async fn repeat(
        &self,
        caller: Caller,
        workspace: Option<WorkspaceId>,
        repeatable: Option<&Repeatable>,
        position: Position,
        same_request: bool,
        answer: Option<Vec<u8>>,
    ) -> Result<Done, Problem> {
        let Some(repeatable) = repeatable else { return Err(Problem::internal()) };
        let kept = self.open_kept(caller, workspace, repeatable, position, same_request, answer).await?;
        let mut answer: Value = serde_json::from_str(kept.answer.get()).map_err(|_| Problem::internal())?;
        self.fill_in(&mut answer, position, &kept.sealed).await?;
        let last = Position(position.0 + kept.events.saturating_sub(1));
        let recorded_at = match answer.get("created_at") {
            Some(_) => self.journal.event(last).await?.map(|event| event.recorded_at),
            None => None,
        };
        Ok(done(answer, last, recorded_at))
    }

    /// What stands sealed beside the events, as far as it wasn't erased.
    async fn fill_in(
        &self,
        answer: &mut Value,
        first: Position,
        sealed: &[SealedMember],
    ) -> Result<(), Problem> {
        let at = |member: &SealedMember| Position(first.0 + member.event);
        let positions: Vec<Position> = sealed.iter().map(at).collect();
        let texts = reveal(&self.journal, &self.vault, &positions).await?;
        for member in sealed {
            if let Some(place) = answer.get_mut(&member.name) {
                *place = texts.get(at(member), &member.name).into();
            }
        }
        Ok(())
    }

    /// The answer to a call that was made before with the same key, byte for byte.
    ///
    /// # Errors
    /// 409 when it was another request, or when the first one's answer isn't known.
    pub async fn repeat_call(
        &self,
        caller: Caller,
        workspace: WorkspaceId,
        repeatable: &Repeatable,
        position: Position,
        same_request: bool,
        answer: Option<Vec<u8>>,
    ) -> Result<Box<RawValue>, Problem> {
        let workspace = Some(workspace);
        let kept = self.open_kept(caller, workspace, repeatable, position, same_request, answer).await?;
        Ok(kept.answer)
    }

    async fn open_kept(
        &self,
        caller: Caller,
        workspace: Option<WorkspaceId>,
        repeatable: &Repeatable,
        position: Position,
        same_request: bool,
        answer: Option<Vec<u8>>,
    ) -> Result<Kept, Problem> {
        if !same_request {
            let detail = "This `Idempotency-Key` was used for another request.";
            return Err(Problem::conflict("idempotency.key_reused", detail));
        }
        let Some(sealed) = answer else {
            let detail = "The first request with this `Idempotency-Key` was recorded, and its outcome is not known (yet). It is not done again.";
            return Err(Problem::conflict("idempotency.outcome_unknown", detail).recorded_at(position));
        };
        let field = format!("{} {}", repeatable.scope(caller), repeatable.key);
        let opened = self.vault.open(&answer_belongs_to(workspace, &field), &sealed).await?;
        serde_json::from_slice(opened.expose()).map_err(|_| Problem::internal())
    }
}

fn changed_again_and_again() -> Problem {
    let detail = "Others changed the same thing at the same time, again and again. Try again.";
    Problem::conflict("conflict.concurrent_change", detail).retry_after(Duration::from_secs(1))
}

fn decide(
    live: &Live,
    asker: Asker,
    workspace: Option<WorkspaceId>,
    operation: Operation,
    at: DateTime<Utc>,
    plan: &impl Fn(&Live, Standing, DateTime<Utc>) -> Result<Plan, Problem>,
) -> Result<(Plan, Standing), Problem> {
    let standing = access::may(live, asker, workspace, operation, at)
        .map_err(|denial| Problem::denied(denial, operation.scope()))?;
    Ok((plan(live, standing, at)?, standing))
}

fn done(mut answer: Value, position: Position, recorded_at: Option<DateTime<Utc>>) -> Done {
    if let Some(members) = answer.as_object_mut() {
        members.insert("position".to_owned(), position.0.into());
        if let (Some(at), Some(created_at)) = (recorded_at, members.get_mut("created_at")) {
            *created_at = rfc3339(at).into();
        }
    }
    Done { answer, position }
}

/// The answer as a repetition is given it: without the secret that was shown once, and without what stands sealed
/// beside the events.
fn kept(answer: &Value, secret: Option<&str>, drafts: &[Draft]) -> Result<Kept, Problem> {
    let mut answer = answer.clone();
    let mut sealed = Vec::new();
    for (event, texts) in (0..).zip(drafts.iter().flat_map(Draft::private)) {
        for (name, text) in texts {
            let member = answer.get_mut(*name).filter(|member| member.as_str() == Some(text.reveal()));
            if let Some(member) = member {
                *member = Value::Null;
                sealed.push(SealedMember { name: (*name).to_owned(), event });
            }
        }
    }
    if let (Some(secret), Some(members)) = (secret, answer.as_object_mut())
        && members.remove(secret).is_some()
    {
        members.insert("secret_already_shown".to_owned(), Value::Bool(true));
    }
    let answer = to_raw_value(&answer).map_err(|_| Problem::internal())?;
    let events = drafts.iter().map(Draft::len).sum::<usize>();
    Ok(Kept { answer, events: u64::try_from(events).unwrap_or(u64::MAX), sealed })
}

fn attribution(caller: Caller, standing: Standing, fence: Position) -> Attribution {
    let (actor, role) = match (standing, caller) {
        (Standing::Member { user_id, held, .. }, _) => (format!("user:{user_id}"), Some(held)),
        (Standing::Person { user_id }, _) => (format!("user:{user_id}"), None),
        (Standing::Operator, Caller::Operator(id)) => (format!("operator:{id}"), None),
        (Standing::Operator, Caller::ApiKey(_) | Caller::Session(_) | Caller::SignIn(_)) => {
            ("system".to_owned(), None)
        }
    };
    let mut attribution = Attribution::of(caller, actor, role, &request_id());
    attribution.decided_at = Some(fence);
    attribution
}

fn answer_belongs_to(workspace: Option<WorkspaceId>, field: &str) -> BelongsTo<'_> {
    BelongsTo {
        purpose: Purpose::StoredAnswer,
        workspace: workspace.map_or(INSTANCE, |workspace| workspace.0),
        owner: Uuid::nil(),
        field,
        version: 1,
        origin: None,
        issuer: None,
    }
}

/// What an append's refusal means to a client.
pub fn refused(error: Refused) -> Problem {
    match error {
        Refused::Unavailable { reason, retry_after } => {
            tracing::error!(%reason, "the book cannot be written");
            let detail = "The book cannot be written for now. Nothing was done.";
            Problem::unavailable("book.unavailable", detail, retry_after)
        }
        Refused::Invalid(reason) => {
            Problem::bad_request("body.not_storable", format!("This cannot be stored: {reason}."))
        }
        Refused::Expired => Problem::bad_request("expired", "It expired before it could be written."),
        Refused::Exhausted => Problem::denied(Denial::CallsUsedUp, ""),
        Refused::Stale { .. } | Refused::Conflict { .. } | Refused::Duplicate { .. } => Problem::conflict(
            "conflict.concurrent_change",
            "Somebody else changed the same thing. Try again.",
        ),
    }
}
