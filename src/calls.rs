//! A tool call, from the question to its outcome.
//!
//! `decide` asks [`access`], writes the answer into the book, and only then hands out an
//! [`OpenCall`]: the witness that the permit is durable, without which there is no [`Target`] to
//! forward to. Whoever has one ends it with an outcome; one that is dropped was cancelled.

mod offered;
mod open_call;
mod outcome;
mod targets;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollbook_aggregates::access::{self, Asker, Denial, Permit, Usable, World as _};
use tollbook_aggregates::{
    CallId, Role, Session, SessionEvent, SessionId, ToolCall, ToolServerId, WorkspaceId, authorized, called,
};
use tollbook_journal::{
    Append, Appended, Budget, Committed, Expected, Idempotency, Journal, Position, Refused,
};
use tollbook_vault::Vault;

use crate::authority::{Authority, Live, NotCaughtUp};
use crate::book::{Attribution, Draft, Scribe};
use crate::clock::Clock;
use crate::keys::Keys;
use crate::replicas::{Replica, Unsettled};
use crate::upstream::Target;

pub use offered::OfferedTool;
pub use open_call::OpenCall;
pub use targets::{TargetError, header_belongs_to};

/// How often a decision is made again because something was narrowed meanwhile.
const TRIES: usize = 5;
/// How long a decision may wait for the state to catch up.
const CATCH_UP: Duration = Duration::from_secs(2);

/// What is asked.
#[derive(Debug)]
pub struct Question {
    /// On which session.
    pub session_id: SessionId,
    /// By whom.
    pub caller: Asker,
    /// The tool's name as the agent wrote it.
    pub tool: String,
    /// As the agent wrote them.
    pub arguments: Option<Box<RawValue>>,
    /// The JSON-RPC id of the request, as JSON.
    pub jsonrpc_id: Option<String>,
    /// The client's own name and version for itself.
    pub self_declared_client: Option<String>,
    /// Of the request that it came with.
    pub request_id: String,
    /// For a call that may be repeated by a client that lost the answer.
    pub idempotency: Option<Idempotency>,
}

/// Why a call isn't made.
#[derive(Debug, thiserror::Error)]
pub enum CallRefused {
    /// The decision was no.
    #[error("denied: {denial:?}")]
    Denied {
        /// Why.
        denial: Denial,
        /// Where it stands in the book; nowhere, if nobody asked for a call to be decided.
        position: Option<Position>,
    },
    /// To strangers there is no such session. Not recorded: strangers can't fill the book.
    #[error("no such session")]
    UnknownSession,
    /// The caller's own credential is no longer in force. Not recorded on the session.
    #[error("the caller's credential: {0:?}")]
    Credential(Denial),
    /// It was permitted, but not any more, or too late, when it was to be forwarded. Recorded.
    #[error("not forwarded: {reason}")]
    NotForwarded {
        /// Stable and for programs.
        reason: &'static str,
        /// Of the permit.
        position: Position,
    },
    /// The idempotency key was used before. Never forwarded again.
    #[error("asked before, at position {position}")]
    Repeated {
        /// Of the first decision.
        position: Position,
        /// Was it the same question?
        same_request: bool,
        /// The sealed answer of then, if it is known.
        answer: Option<Vec<u8>>,
    },
    /// The tool's server can't be called as things are: the vault is closed, say. Recorded.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The question can't be stored.
    #[error("not storable: {0}")]
    Invalid(String),
    /// The book can't be written, or this replica can't follow it. Nothing was forwarded.
    #[error("the book cannot be written: {reason}")]
    Unavailable {
        /// For the log.
        reason: String,
        /// When another try may be worth it.
        retry_after: Duration,
    },
}

/// How a decision is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// We forward it.
    Called,
    /// Somebody else carries it out.
    Authorized,
}

/// Decides calls and records them.
pub struct Calls {
    journal: Journal,
    authority: Authority,
    vault: Arc<Vault>,
    scribe: Scribe,
    replica: Replica,
    clock: Clock,
    targets: targets::Targets,
    offers: offered::Offers,
    /// Requests and calls that are open.
    open: TaskTracker,
    /// Outcomes that aren't written yet; a graceful stop waits for them.
    outcomes: TaskTracker,
    /// Fires when the service stops and no outcome comes any more.
    settling: CancellationToken,
    /// Where outcomes are written: the threads that serve requests end before the service does.
    runtime: Handle,
}

impl Calls {
    /// On this book, by this state; within the runtime that the service ends with.
    pub fn new(
        journal: Journal,
        authority: Authority,
        vault: &Arc<Vault>,
        keys: Keys,
        scribe: Scribe,
        replica: Replica,
        clock: Clock,
    ) -> Self {
        Self {
            targets: targets::Targets::new(journal.clone(), Arc::clone(vault), keys),
            offers: offered::Offers::new(journal.clone(), Arc::clone(vault)),
            vault: Arc::clone(vault),
            scribe,
            replica,
            open: TaskTracker::new(),
            outcomes: TaskTracker::new(),
            settling: CancellationToken::new(),
            runtime: Handle::current(),
            journal,
            authority,
            clock,
        }
    }

    /// Decides a call that goes through us. What comes back is durable.
    ///
    /// # Errors
    /// The refusal, recorded where its variant says so.
    pub async fn decide(self: &Arc<Self>, question: &Question) -> Result<OpenCall, CallRefused> {
        let open = self.open.token();
        let call_id: CallId = Clock::fresh_id();
        let permitted = self.record(question, call_id, Kind::Called).await?;
        OpenCall::open(self, call_id, question, permitted, open).await
    }

    /// Decides a call that somebody else carries out (`POST /v1/authorize`, `mode: record`).
    ///
    /// # Errors
    /// The refusal, recorded where its variant says so.
    pub async fn authorize(&self, question: &Question) -> Result<Appended, CallRefused> {
        let permitted = self.record(question, Clock::fresh_id(), Kind::Authorized).await?;
        permitted.unsettled.settled();
        Ok(permitted.committed.appended())
    }

    /// Decides from memory, and records nothing (`mode: check`). At most a second old. How many calls
    /// of its total a session has used is in nobody's memory: for those that have one, it is read.
    ///
    /// # Errors
    /// The refusal.
    pub async fn check(
        &self,
        caller: impl Into<Asker>,
        session: SessionId,
        tool: &str,
    ) -> Result<(), CallRefused> {
        let caller = caller.into();
        self.authority.fresh().await.map_err(not_caught_up)?;
        let at = self.clock.now();
        let look = || {
            self.authority.look(|live| {
                access::call_tool(live, caller, session, tool, at).map(|permit| permit.max_calls())
            })
        };
        let mut decision = look();
        if decision == Err(Denial::NotFound) {
            // It may be younger than this replica's state, or have ended long ago.
            self.authority.acquaint(session, CATCH_UP).await.map_err(not_caught_up)?;
            decision = look();
        }
        match decision {
            Ok(None) => Ok(()),
            Ok(Some(total)) if self.used(session).await? < total => Ok(()),
            Ok(Some(_)) => Err(CallRefused::Denied { denial: Denial::CallsUsedUp, position: None }),
            Err(Denial::NotFound) => Err(CallRefused::UnknownSession),
            Err(denial) => Err(CallRefused::Denied { denial, position: None }),
        }
    }

    async fn used(&self, session: SessionId) -> Result<u64, CallRefused> {
        self.journal.budget_used(session.0).await.map_err(|error| CallRefused::Unavailable {
            reason: error.to_string(),
            retry_after: Duration::from_secs(1),
        })
    }

    /// The tools of the session that the caller may call, as an agent may see them.
    ///
    /// # Errors
    /// The refusal.
    pub async fn tools(&self, session: SessionId, caller: Asker) -> Result<Vec<OfferedTool>, CallRefused> {
        let (pinned, callable) = self.offered(session, caller, names).await?;
        Ok(self.offers.list(pinned, &callable).await?)
    }

    /// One tool of them, if it is offered. Costs the same however many there are.
    ///
    /// # Errors
    /// The refusal.
    pub async fn definition(
        &self,
        session: SessionId,
        caller: Asker,
        tool: &str,
    ) -> Result<Option<OfferedTool>, CallRefused> {
        match self.offered(session, caller, |live, usable| usable.tool(live, tool).is_ok()).await? {
            (pinned, true) => Ok(self.offers.one(pinned, tool).await?),
            (_, false) => Ok(None),
        }
    }

    /// Where the session's definitions are pinned, and what `look` says of what the caller may call.
    async fn offered<T>(
        &self,
        session: SessionId,
        caller: Asker,
        look: impl for<'a> Fn(&'a Live, &Usable<'a>) -> T,
    ) -> Result<(Option<Position>, T), CallRefused> {
        self.authority.fresh().await.map_err(not_caught_up)?;
        let at = self.clock.now();
        let offered = self.authority.look(|live| {
            let usable = access::use_session(live, caller, session, at)?;
            let grant = usable.grant();
            Ok((live.pinned_by(grant.loadout_id, grant.loadout_version), look(live, &usable)))
        });
        match offered {
            Ok(offered) => Ok(offered),
            Err(Denial::NotFound) => Err(CallRefused::UnknownSession),
            Err(denial) if denial.ends_credential() => Err(CallRefused::Credential(denial)),
            Err(denial) => Err(CallRefused::Denied { denial, position: None }),
        }
    }

    /// Where a tool server lies, for asking it for what it offers: not a call, and nobody's permit.
    ///
    /// # Errors
    /// When it can't be asked as things are.
    pub async fn target(&self, tool_server: ToolServerId) -> Result<Target, TargetError> {
        self.targets.of(&self.authority, tool_server).await
    }

    /// What is open: calls that have no outcome yet, and whatever else takes a token. A graceful stop
    /// waits until there is none.
    pub const fn open(&self) -> &TaskTracker {
        &self.open
    }

    /// Waits until every outcome so far is written. Call it once nothing new is decided.
    pub async fn settle(&self) {
        self.settling.cancel();
        self.outcomes.close();
        self.outcomes.wait().await;
    }

    async fn record(
        &self,
        question: &Question,
        call_id: CallId,
        kind: Kind,
    ) -> Result<Permitted, CallRefused> {
        let mut caught_up = false;
        let mut by_the_book = None;
        // By the book's clock it is at least this late; this replica's may be slow.
        let mut at_least = DateTime::<Utc>::MIN_UTC;
        for _ in 0..TRIES {
            let at = self.clock.now().max(at_least);
            let (decision, fence, about) = self.authority.look(|live| {
                let decision = by_the_book.map_or_else(
                    || access::call_tool(live, question.caller, question.session_id, &question.tool, at),
                    Err,
                );
                (decision, live.next(), about(live, question))
            });
            let Some(about) = about else {
                if caught_up {
                    return Err(CallRefused::UnknownSession);
                }
                self.authority.acquaint(question.session_id, CATCH_UP).await.map_err(not_caught_up)?;
                caught_up = true;
                continue;
            };
            // Nobody is refused by an old state.
            if decision.is_err() && !caught_up && by_the_book.is_none() {
                self.authority.catch_up_with_head(CATCH_UP).await.map_err(not_caught_up)?;
                caught_up = true;
                continue;
            }
            match decision {
                Err(Denial::NotFound) => return Err(CallRefused::UnknownSession),
                Err(denial) if denial.ends_credential() => return Err(CallRefused::Credential(denial)),
                Err(denial) => return Err(self.deny(question, call_id, &about, denial, fence).await),
                Ok(permit) => {
                    let (ends, tenure) = (permit.not_after(), self.replica.tenure());
                    let lease = tenure.until();
                    let unsettled = tenure.begin(call_id, fence);
                    let answer = self.permit(question, kind, &about, permit, fence, &unsettled).await;
                    let refusal = match answer {
                        Ok(committed) => return Ok(Permitted { committed, about, unsettled }),
                        // Nobody knows whether it was written: `unsettled` has it found out.
                        Err(other @ Refused::Unavailable { .. }) => return Err(refused(other)),
                        Err(refusal) => refusal,
                    };
                    unsettled.settled();
                    match refusal {
                        Refused::Stale { position } => {
                            self.authority
                                .catch_up(position.next(), CATCH_UP)
                                .await
                                .map_err(not_caught_up)?;
                        }
                        Refused::Expired if kind == Kind::Called && lease < ends => {
                            if !self.replica.renewed(lease, CATCH_UP).await {
                                return Err(not_caught_up(NotCaughtUp));
                            }
                        }
                        // Asked again as of then, `access` says what it is that has expired.
                        Refused::Expired => at_least = ends,
                        Refused::Exhausted => by_the_book = Some(Denial::CallsUsedUp),
                        other => return Err(refused(other)),
                    }
                }
            }
        }
        let reason = "the state changed faster than the decision could be written".to_owned();
        Err(CallRefused::Unavailable { reason, retry_after: Duration::from_secs(1) })
    }

    async fn permit(
        &self,
        question: &Question,
        kind: Kind,
        about: &About,
        permit: Permit,
        fence: Position,
        unsettled: &Unsettled,
    ) -> Result<Committed<Permit>, Refused> {
        let tenure = unsettled.tenure();
        let call = tool_call(question, unsettled.call_id(), self.argument_digest(question, about).await?);
        let (event, not_after) = match kind {
            // Others close the calls of a replica whose lease is over: none may be opened then.
            Kind::Called => (called(call, Ok(&permit)), permit.not_after().min(tenure.until())),
            Kind::Authorized => (authorized(call, Ok(&permit)), permit.not_after()),
        };
        let budget = permit.max_calls().map(|total| Budget { session_id: question.session_id.0, total });
        let scribe = self.scribe.in_the_name_of(tenure.incarnation());
        let write = compose(&scribe, question, about, &event, fence).await?;
        let append = Append {
            writes: vec![write],
            fence: Some(fence),
            not_after: Some(not_after),
            idempotency: question.idempotency.clone(),
            budget,
        };
        self.journal.append_with(append, permit).await
    }

    /// A denial carries no fence: it takes nothing from anybody, and it must be recorded also when
    /// it is the caller's own right that has just ended.
    async fn deny(
        &self,
        question: &Question,
        call_id: CallId,
        about: &About,
        denial: Denial,
        decided_at: Position,
    ) -> CallRefused {
        let digest = match self.argument_digest(question, about).await {
            Ok(digest) => digest,
            Err(error) => return refused(error),
        };
        let event = called(tool_call(question, call_id, digest), Err(denial));
        let write = match compose(&self.scribe, question, about, &event, decided_at).await {
            Ok(write) => write,
            Err(error) => return refused(error),
        };
        let append = Append {
            writes: vec![write],
            fence: None,
            not_after: None,
            idempotency: question.idempotency.clone(),
            budget: None,
        };
        match self.journal.append(append).await {
            Ok(appended) => CallRefused::Denied { denial, position: Some(appended.first) },
            Err(error) => refused(error),
        }
    }

    /// Keyed by the workspace, so that arguments can't be guessed from it after an erasure.
    async fn argument_digest(&self, question: &Question, about: &About) -> Result<Option<String>, Refused> {
        let Some(arguments) = &question.arguments else { return Ok(None) };
        let digest = self.vault.digest(about.workspace_id.0, arguments.get().as_bytes()).await;
        digest.map(|digest| Some(hex::encode(digest))).map_err(|error| Refused::Unavailable {
            reason: error.to_string(),
            retry_after: Duration::from_secs(5),
        })
    }
}

async fn compose(
    scribe: &Scribe,
    question: &Question,
    about: &About,
    event: &SessionEvent,
    decided_at: Position,
) -> Result<tollbook_journal::Write, Refused> {
    let invalid = |error: crate::book::ComposeError| Refused::Invalid(error.to_string());
    let mut attribution =
        Attribution::of(question.caller.caller, about.actor.clone(), about.role, &question.request_id);
    attribution.decided_at = Some(decided_at);
    let draft = Draft::new::<Session>(
        about.workspace_id.0,
        question.session_id.0,
        Expected::Any,
        std::slice::from_ref(event),
    )
    .map_err(invalid)?;
    scribe.compose(draft, &attribution).await.map_err(invalid)
}

/// A permit that is durable.
#[derive(Debug)]
struct Permitted {
    committed: Committed<Permit>,
    about: About,
    unsettled: Unsettled,
}

/// What a record says of the session beside the decision.
#[derive(Debug)]
struct About {
    workspace_id: WorkspaceId,
    actor: String,
    role: Option<Role>,
}

/// Of the tools that may be called, in order.
fn names(live: &Live, usable: &Usable<'_>) -> Vec<String> {
    usable.tools(live).map(|pinned| pinned.name.clone()).collect()
}

fn about(live: &Live, question: &Question) -> Option<About> {
    let grant = live.session(question.session_id).grant()?;
    let role = live.workspace(grant.workspace_id).role_of(grant.user_id);
    Some(About { workspace_id: grant.workspace_id, actor: format!("user:{}", grant.user_id), role })
}

fn tool_call(question: &Question, call_id: CallId, argument_digest: Option<String>) -> ToolCall {
    ToolCall {
        call_id,
        tool: question.tool.clone(),
        jsonrpc_id: question.jsonrpc_id.clone(),
        argument_bytes: question.arguments.as_deref().map_or(0, |arguments| arguments.get().len() as u64),
        argument_digest,
        self_declared_client: question.self_declared_client.clone(),
    }
}

fn not_caught_up(error: NotCaughtUp) -> CallRefused {
    CallRefused::Unavailable { reason: error.to_string(), retry_after: Duration::from_secs(1) }
}

fn refused(error: Refused) -> CallRefused {
    match error {
        Refused::Duplicate { position, same_request, answer } => {
            CallRefused::Repeated { position, same_request, answer }
        }
        Refused::Invalid(reason) => CallRefused::Invalid(reason),
        Refused::Unavailable { reason, retry_after } => CallRefused::Unavailable { reason, retry_after },
        // Only a permit carries what these answer to, and `record` has dealt with them.
        other
        @ (Refused::Stale { .. } | Refused::Conflict { .. } | Refused::Expired | Refused::Exhausted) => {
            CallRefused::Unavailable { reason: other.to_string(), retry_after: Duration::from_secs(1) }
        }
    }
}
