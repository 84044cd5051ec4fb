//! Any event, read back from the book.

use cqrs_es::{Aggregate, DomainEvent};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{
    ApiKey, ApiKeyEvent, Device, DeviceEvent, Grant, Instance, InstanceEvent, LinkEvent, Loadout,
    LoadoutEvent, OneTimeLink, Operator, OperatorEvent, Session, SessionEvent, SignIn, SignInEvent, Token,
    TokenEvent, ToolServer, ToolServerEvent, User, UserEvent, Workspace, WorkspaceEvent,
};

/// An event of whichever aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Of the instance.
    Instance(InstanceEvent),
    /// Of an operator's credential.
    Operator(OperatorEvent),
    /// Of a user.
    User(UserEvent),
    /// Of a workspace.
    Workspace(WorkspaceEvent),
    /// Of a tool server.
    ToolServer(ToolServerEvent),
    /// Of a token.
    Token(TokenEvent),
    /// Of a loadout.
    Loadout(LoadoutEvent),
    /// Of a session.
    Session(SessionEvent),
    /// Of an API key.
    ApiKey(ApiKeyEvent),
    /// Of a device.
    Device(DeviceEvent),
    /// Of a sign-in.
    SignIn(SignInEvent),
    /// Of a one-time link.
    OneTimeLink(LinkEvent),
}

/// What was read is no event that this version knows.
#[derive(Debug, thiserror::Error)]
pub enum NotAnEvent {
    /// Written by a newer version, or not by us.
    #[error("no aggregate is of type `{0}`")]
    UnknownAggregate(String),
    /// Written by a newer version.
    #[error("version `{version}` of `{event_type}` is not known")]
    UnknownVersion {
        /// As stored.
        event_type: String,
        /// As stored.
        version: String,
    },
    /// The payload is another event's.
    #[error("an event of type `{stored}` holds the payload of `{found}`")]
    Mismatch {
        /// As stored beside the payload.
        stored: String,
        /// By the payload.
        found: String,
    },
    /// Malformed, or written by a newer version.
    #[error("the payload does not decode: {0}")]
    Payload(#[from] serde_json::Error),
}

impl Event {
    /// Decodes what the book holds. Upcasters from older versions have their place here; there is
    /// none yet, because every event is still at its first version.
    ///
    /// # Errors
    /// When type, version or payload is not known, or they don't belong together.
    pub fn decode(
        aggregate_type: &str,
        event_type: &str,
        version: &str,
        payload: &str,
    ) -> Result<Self, NotAnEvent> {
        let of = Stored { event_type, payload };
        if version != "1.0" {
            return Err(NotAnEvent::UnknownVersion {
                event_type: event_type.to_owned(),
                version: version.to_owned(),
            });
        }
        Ok(match aggregate_type {
            Instance::TYPE => Self::Instance(of.decode()?),
            Operator::TYPE => Self::Operator(of.decode()?),
            User::TYPE => Self::User(of.decode()?),
            Workspace::TYPE => Self::Workspace(of.decode()?),
            ToolServer::TYPE => Self::ToolServer(of.decode()?),
            Token::TYPE => Self::Token(of.decode()?),
            Loadout::TYPE => Self::Loadout(of.decode()?),
            Session::TYPE => Self::Session(of.session()?),
            ApiKey::TYPE => Self::ApiKey(of.decode()?),
            Device::TYPE => Self::Device(of.decode()?),
            SignIn::TYPE => Self::SignIn(of.decode()?),
            OneTimeLink::TYPE => Self::OneTimeLink(of.decode()?),
            other => return Err(NotAnEvent::UnknownAggregate(other.to_owned())),
        })
    }
}

struct Stored<'a> {
    event_type: &'a str,
    payload: &'a str,
}

/// `session.created` without the way through `#[serde(flatten)]`, which keeps every field in between:
/// there is one for every session that ever was, and a start reads all of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionCreated {
    created: Grant,
}

impl Stored<'_> {
    fn session(&self) -> Result<SessionEvent, NotAnEvent> {
        if self.event_type != "session.created" {
            return self.decode();
        }
        let SessionCreated { created: grant } = serde_json::from_str(self.payload)?;
        Ok(SessionEvent::Created { grant, label: None })
    }

    fn decode<E: DomainEvent + DeserializeOwned>(&self) -> Result<E, NotAnEvent> {
        let event: E = serde_json::from_str(self.payload)?;
        let found = event.event_type();
        if found == self.event_type {
            Ok(event)
        } else {
            Err(NotAnEvent::Mismatch { stored: self.event_type.to_owned(), found })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_is_decoded_by_its_aggregate() {
        let event = Event::decode("loadout", "loadout.removed", "1.0", r#"{"removed":{}}"#).unwrap();
        assert_eq!(event, Event::Loadout(LoadoutEvent::Removed {}));
    }

    #[test]
    fn unknown_aggregate_is_refused() {
        let refused = Event::decode("teapot", "teapot.boiled", "1.0", "{}");
        assert!(matches!(refused, Err(NotAnEvent::UnknownAggregate(name)) if name == "teapot"));
    }

    #[test]
    fn newer_version_is_refused() {
        let refused = Event::decode("loadout", "loadout.removed", "2.0", r#"{"removed":{}}"#);
        assert!(matches!(refused, Err(NotAnEvent::UnknownVersion { version, .. }) if version == "2.0"));
    }

    #[test]
    fn payload_of_another_event_is_refused() {
        let refused = Event::decode("loadout", "loadout.created", "1.0", r#"{"removed":{}}"#);
        assert!(matches!(refused, Err(NotAnEvent::Mismatch { found, .. }) if found == "loadout.removed"));
    }

    #[test]
    fn malformed_payload_is_refused() {
        for payload in ["", "{", "{}", r#"{"exploded":{}}"#, "null"] {
            let refused = Event::decode("loadout", "loadout.removed", "1.0", payload);
            assert!(matches!(refused, Err(NotAnEvent::Payload(_))), "{payload}");
        }
    }
}
