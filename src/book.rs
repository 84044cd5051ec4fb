//! From events of the law to entries of the book: what is private is sealed, and everything says
//! who did it.

use std::collections::BTreeMap;
use std::sync::Arc;

use cqrs_es::{Aggregate, DomainEvent as _};
use tollbook_aggregates::access::Caller;
use tollbook_aggregates::{Fact, LinkId, Private, Role, UserId};
use tollbook_journal::{Expected, NewEvent, Position, SealedField, Stream, Write};
use tollbook_vault::{Vault, VaultError};
use uuid::Uuid;

use crate::clock::Clock;

/// This version, as events and answers name it.
pub const SOFTWARE: &str = concat!("tollbook/", env!("CARGO_PKG_VERSION"));

/// Who does something, as every event of it says.
#[derive(Debug, Clone, Default)]
pub struct Attribution {
    /// `user:…`, `operator:…` or `system`.
    pub actor: String,
    /// `api_key:…`, `session:…`, `sign_in:…`, `one_time_link:…` or `operator:…`.
    pub credential: Option<String>,
    /// The person's role at the time.
    pub role: Option<Role>,
    /// Of the request that it came with.
    pub request_id: Option<String>,
    /// The position up to which the decider's state was exact.
    pub decided_at: Option<Position>,
}

impl Attribution {
    /// Nobody in particular: the service itself.
    pub fn system() -> Self {
        Self { actor: "system".to_owned(), ..Self::default() }
    }

    /// Somebody with a credential.
    pub fn of(caller: Caller, actor: String, role: Option<Role>, request_id: &str) -> Self {
        let credential = match caller {
            Caller::ApiKey(id) => format!("api_key:{id}"),
            Caller::Session(id) => format!("session:{id}"),
            Caller::Operator(id) => format!("operator:{id}"),
            Caller::SignIn(id) => format!("sign_in:{id}"),
        };
        let request_id = Some(request_id.to_owned());
        Self { actor, credential: Some(credential), role, request_id, decided_at: None }
    }

    /// Somebody by a one-time link.
    pub fn of_link(id: LinkId, user_id: UserId, request_id: &str) -> Self {
        let (credential, request_id) = (Some(format!("one_time_link:{id}")), Some(request_id.to_owned()));
        Self { actor: format!("user:{user_id}"), credential, request_id, ..Self::default() }
    }

    /// A JSON object of strings, as the framework's stock readers want it.
    fn to_json(&self, replica: Uuid) -> Result<String, serde_json::Error> {
        let replica = replica.to_string();
        let decided_at = self.decided_at.map(|position| position.to_string());
        let fields = [
            ("actor", Some(self.actor.as_str())),
            ("credential", self.credential.as_deref()),
            ("decided_at", decided_at.as_deref()),
            ("replica", Some(replica.as_str())),
            ("request_id", self.request_id.as_deref()),
            ("role", self.role.map(Role::as_str)),
            ("software", Some(SOFTWARE)),
        ];
        let present: BTreeMap<_, _> =
            fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        serde_json::to_string(&present)
    }
}

/// Events for one stream, decided but not sealed yet.
#[derive(Debug, Clone)]
pub struct Draft {
    workspace_id: Uuid,
    stream: Stream,
    expected: Expected,
    events: Vec<DraftEvent>,
}

#[derive(Debug, Clone)]
struct DraftEvent {
    event_type: String,
    event_version: String,
    payload: String,
    control: bool,
    narrows: bool,
    private: Vec<(&'static str, Private)>,
    /// Whom it is about, if it is about somebody.
    person: Option<UserId>,
}

/// Why events couldn't be made ready for the book.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// An event doesn't serialize.
    #[error("an event does not serialize: {0}")]
    Serialize(#[from] serde_json::Error),
    /// A private field can't be sealed.
    #[error("a private field cannot be sealed: {0}")]
    Vault(#[from] VaultError),
}

impl Draft {
    /// Events of an aggregate; `workspace_id` is [`tollbook_journal::INSTANCE`] where there is none.
    ///
    /// # Errors
    /// When an event doesn't serialize.
    pub fn new<A>(
        workspace_id: Uuid,
        id: Uuid,
        expected: Expected,
        events: &[A::Event],
    ) -> Result<Self, ComposeError>
    where
        A: Aggregate,
        A::Event: Fact,
    {
        let events = events
            .iter()
            .map(|event| {
                Ok(DraftEvent {
                    event_type: event.event_type(),
                    event_version: event.event_version(),
                    payload: serde_json::to_string(event)?,
                    control: event.control(),
                    narrows: event.narrows(),
                    private: event.private().into_iter().map(|(name, text)| (name, text.clone())).collect(),
                    person: event.person(id),
                })
            })
            .collect::<Result<_, serde_json::Error>>()?;
        let stream = Stream { aggregate_type: A::TYPE.into(), aggregate_id: id.to_string() };
        Ok(Self { workspace_id, stream, expected, events })
    }

    /// How many events there are to write.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// What of each of its events is private, by field.
    pub fn private(&self) -> impl Iterator<Item = &[(&'static str, Private)]> {
        self.events.iter().map(|event| event.private.as_slice())
    }

    /// Is there nothing to write?
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

/// Makes drafts ready for the journal.
#[derive(Clone)]
pub struct Scribe {
    vault: Arc<Vault>,
    replica: Uuid,
}

impl Scribe {
    /// With the vault that seals, in the name of this incarnation of the service: a dead one's calls
    /// without an outcome can be told by it.
    pub const fn new(vault: Arc<Vault>, replica: Uuid) -> Self {
        Self { vault, replica }
    }

    /// Which incarnation of the service it writes for.
    pub const fn incarnation(&self) -> Uuid {
        self.replica
    }

    /// The same for another incarnation.
    #[must_use]
    pub fn in_the_name_of(&self, replica: Uuid) -> Self {
        Self { vault: Arc::clone(&self.vault), replica }
    }

    /// Seals what is private and says who did it.
    ///
    /// # Errors
    /// When the vault can't seal.
    pub async fn compose(&self, draft: Draft, attribution: &Attribution) -> Result<Write, ComposeError> {
        let metadata = attribution.to_json(self.replica)?;
        let Draft { workspace_id, stream, expected, events: drafts } = draft;
        let mut events = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let event_id: Uuid = Clock::fresh_id();
            let mut sealed = Vec::with_capacity(draft.private.len());
            for (field, text) in draft.private {
                let (vault, text) = (&self.vault, text.reveal().as_bytes());
                let body = match draft.person {
                    Some(person) => {
                        vault.seal_field_about(person.0, workspace_id, event_id, field, text).await?
                    }
                    None => vault.seal_field(workspace_id, event_id, field, text).await?,
                };
                let (key_id, commitment) = (body.key_id.as_uuid(), body.commitment);
                sealed.push(SealedField {
                    field: field.into(),
                    commitment,
                    key_id,
                    ciphertext: body.ciphertext,
                });
            }
            events.push(NewEvent {
                event_id,
                event_type: draft.event_type.into(),
                event_version: draft.event_version.into(),
                payload: draft.payload,
                metadata: metadata.clone(),
                control: draft.control,
                narrows: draft.narrows,
                sealed,
            });
        }
        Ok(Write { workspace_id, stream, expected, events })
    }
}
