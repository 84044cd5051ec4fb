//! Calls that stand in the book without an outcome, and that nobody will end.

use std::collections::HashMap;

use cqrs_es::Aggregate as _;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use tollbook_aggregates::{CallId, CallOutcome, Event, NotAnEvent, Session, SessionEvent, SessionId};
use tollbook_journal::{Filter, Journal, Position, ReadError, Recorded, Refused, Stream};
use uuid::Uuid;

use super::register::{Dead, RegisterError};
use super::{Inner, Place, Tenure};
use crate::book::Attribution;

/// How many events are read at once.
const PAGE: usize = 2_000;
/// How many outcomes are under way at once.
const AT_ONCE: usize = 64;
/// What both the permit and every outcome of a call are named like.
const CALL_EVENTS: &str = "session.tool_call";

/// Why a call couldn't be closed now.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrphanError {
    #[error(transparent)]
    Register(#[from] RegisterError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("position {0}: {1}")]
    Undecodable(Position, NotAnEvent),
    #[error("position {0}: the stream is not named by a session's id")]
    NoSession(Position),
    #[error(transparent)]
    Append(#[from] Refused),
}

#[derive(Deserialize)]
struct Signature {
    replica: Uuid,
}

impl Inner {
    /// Writes of each call that the dead one left open that its outcome is unknown. Says how many.
    pub(super) async fn close_dead(&self, tenure: &Tenure, dead: &Dead) -> Result<usize, OrphanError> {
        let open = open_calls(&self.journal, dead.open_from, |_| true, dead.incarnation).await?;
        let unknown = |call_id| CallOutcome::Unknown { call_id };
        let closed = open.len();
        self.write_outcomes(tenure, open, unknown).await?;
        Ok(closed)
    }

    /// Closes our own calls whose permits were written after those who asked had left: they were
    /// certainly not forwarded.
    pub(super) async fn close_abandoned(&self, tenure: &Tenure) -> Result<(), OrphanError> {
        let doubtful = tenure.in_doubt();
        let Some(from) = doubtful.values().min() else { return Ok(()) };
        self.register.barrier().await?;
        let of_those = |call_id: &CallId| doubtful.contains_key(call_id);
        let open = open_calls(&self.journal, *from, of_those, tenure.incarnation()).await?;
        let not_forwarded = |call_id| CallOutcome::NotForwarded { call_id, reason: "abandoned".to_owned() };
        self.write_outcomes(tenure, open, not_forwarded).await?;
        for call_id in doubtful.keys() {
            tenure.settle(*call_id);
        }
        Ok(())
    }

    /// Only read behind whatever was let in by now.
    pub(super) async fn has_outcome(
        &self,
        call_id: CallId,
        session: SessionId,
        permitted_at: Position,
    ) -> Result<bool, OrphanError> {
        self.register.barrier().await?;
        let stream = Stream { aggregate_type: Session::TYPE.into(), aggregate_id: session.to_string() };
        let mut from = permitted_at.next();
        loop {
            let events = self.journal.read_stream(&stream, from, PAGE).await?;
            for recorded in &events {
                if matches!(call_event(recorded)?, CallEvent::Ended(ended) if ended == call_id) {
                    return Ok(true);
                }
            }
            match events.last() {
                Some(last) if events.len() == PAGE => from = last.position.next(),
                _ => return Ok(false),
            }
        }
    }

    async fn write_outcomes(
        &self,
        tenure: &Tenure,
        open: HashMap<CallId, Place>,
        outcome: impl Fn(CallId) -> CallOutcome,
    ) -> Result<(), OrphanError> {
        let outcomes = open.into_iter().map(|(call_id, place)| (place, SessionEvent::from(outcome(call_id))));
        // Whoever closes another's calls can be taken for dead, too: it is written under their own tenure.
        let write = async |place, event: SessionEvent| {
            self.write_outcome(tenure, place, &event, &Attribution::system()).await
        };
        let writes: Vec<_> = outcomes.map(|(place, event)| write(place, event)).collect();
        Ok(stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await?)
    }
}

/// The calls of `incarnation` from `from` on that have no outcome.
async fn open_calls(
    journal: &Journal,
    mut from: Position,
    wanted: impl Fn(&CallId) -> bool,
    incarnation: Uuid,
) -> Result<HashMap<CallId, Place>, OrphanError> {
    let mut open = HashMap::new();
    loop {
        let page = journal.read(from, PAGE, &Filter::default()).await?;
        for recorded in page.events.iter().filter(|one| one.event_type.starts_with(CALL_EVENTS)) {
            match call_event(recorded)? {
                CallEvent::Permitted(call_id)
                    if wanted(&call_id) && signed_by(recorded) == Some(incarnation) =>
                {
                    open.insert(call_id, place(recorded)?);
                }
                CallEvent::Ended(call_id) => drop(open.remove(&call_id)),
                CallEvent::Permitted(_) | CallEvent::Other => {}
            }
        }
        if page.next >= page.head {
            return Ok(open);
        }
        from = page.next;
    }
}

/// What an event says of a call.
enum CallEvent {
    Permitted(CallId),
    Ended(CallId),
    Other,
}

fn call_event(recorded: &Recorded) -> Result<CallEvent, OrphanError> {
    let event = Event::decode(
        &recorded.stream.aggregate_type,
        &recorded.event_type,
        &recorded.event_version,
        &recorded.payload,
    );
    let event = event.map_err(|error| OrphanError::Undecodable(recorded.position, error))?;
    let Event::Session(event) = event else { return Ok(CallEvent::Other) };
    Ok(match event {
        SessionEvent::ToolCalled { call, .. } => CallEvent::Permitted(call.call_id),
        SessionEvent::ToolCallCompleted { completion, .. }
        | SessionEvent::ToolCallFailed { completion, .. }
        | SessionEvent::ToolCallCancelled { completion }
        | SessionEvent::ToolCallTimedOut { completion } => CallEvent::Ended(completion.call_id),
        SessionEvent::ToolCallNotForwarded { call_id, .. }
        | SessionEvent::ToolCallOutcomeUnknown { call_id } => CallEvent::Ended(call_id),
        SessionEvent::Created { .. }
        | SessionEvent::Revoked { .. }
        | SessionEvent::ToolAuthorized { .. }
        | SessionEvent::ToolDenied { .. } => CallEvent::Other,
    })
}

/// Which incarnation wrote it, by its metadata.
fn signed_by(recorded: &Recorded) -> Option<Uuid> {
    serde_json::from_str(&recorded.metadata).ok().map(|Signature { replica }| replica)
}

/// A session's stream is named by its id.
fn place(recorded: &Recorded) -> Result<Place, OrphanError> {
    let session_id = recorded.stream.aggregate_id.parse();
    let session_id = session_id.map_err(|_| OrphanError::NoSession(recorded.position))?;
    Ok(Place { workspace_id: recorded.workspace_id, session_id })
}
