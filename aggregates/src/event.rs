//! Any event, read back from the book.

use cqrs_es::Aggregate;
use serde::de::DeserializeOwned;

use crate::{
    ApiKey, ApiKeyEvent, Device, DeviceEvent, Instance, InstanceEvent, Loadout, LoadoutEvent, Operator,
    OperatorEvent, Session, SessionEvent, Token, TokenEvent, ToolServer, ToolServerEvent, User, UserEvent,
    Workspace, WorkspaceEvent,
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
    /// Malformed, or written by a newer version.
    #[error("the payload does not decode: {0}")]
    Payload(#[from] serde_json::Error),
}

impl Event {
    /// Decodes what the book holds.
    ///
    /// # Errors
    /// When type, version or payload is not known.
    pub fn decode(
        aggregate_type: &str,
        event_type: &str,
        version: &str,
        payload: &str,
    ) -> Result<Self, NotAnEvent> {
        fn of<E: DeserializeOwned>(payload: &str) -> Result<E, NotAnEvent> {
            Ok(serde_json::from_str(payload)?)
        }
        if version != "1.0" {
            return Err(NotAnEvent::UnknownVersion {
                event_type: event_type.to_owned(),
                version: version.to_owned(),
            });
        }
        Ok(match aggregate_type {
            Instance::TYPE => Self::Instance(of(payload)?),
            Operator::TYPE => Self::Operator(of(payload)?),
            User::TYPE => Self::User(of(payload)?),
            Workspace::TYPE => Self::Workspace(of(payload)?),
            ToolServer::TYPE => Self::ToolServer(of(payload)?),
            Token::TYPE => Self::Token(of(payload)?),
            Loadout::TYPE => Self::Loadout(of(payload)?),
            Session::TYPE => Self::Session(of(payload)?),
            ApiKey::TYPE => Self::ApiKey(of(payload)?),
            Device::TYPE => Self::Device(of(payload)?),
            other => return Err(NotAnEvent::UnknownAggregate(other.to_owned())),
        })
    }
}
