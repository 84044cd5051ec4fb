//! A token: the OAuth token that connects one tool server.
//!
//! The frame: which states there are, and what leads from one to the other. Its events carry the
//! secret's id and version, and never its bytes.

use chrono::{DateTime, Utc};
use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::{Fact, Private, SecretRef, ToolServerId, UserId, WorkspaceId};

/// An id that was never written loads as [`Token::Absent`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Token {
    /// Never written.
    #[default]
    Absent,
    /// A person was sent to the provider.
    Requested(Holding),
    /// Can be spent.
    Connected(Holding, Connection),
    /// Can't be spent until a person authorizes it again.
    NeedsReauthorization(Holding, Connection),
    /// Given back for good.
    Disconnected(Holding),
}

/// Whose it is and what for, fixed when it is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// Where it belongs.
    pub workspace_id: WorkspaceId,
    /// What it connects.
    pub tool_server_id: ToolServerId,
    /// Who connected it.
    pub owner: UserId,
    /// May others' calls spend it?
    pub shared: bool,
}

/// What the provider granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Where its bytes are.
    pub secret: SecretRef,
    /// As granted.
    pub scopes: Vec<String>,
    /// The first moment at which it is no longer valid, if the provider said.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What can be asked of a token.
#[derive(Debug, Clone)]
pub enum TokenCommand {
    /// Send a person to the provider.
    Request(Holding),
    /// They came back with a code, and it was exchanged.
    Connect(Connection),
    /// It was refreshed, out of `consumed`.
    Refresh {
        /// The version that was spent for it.
        consumed: SecretRef,
        /// What came of it.
        connection: Connection,
    },
    /// A refresh failed, for now.
    FailRefresh {
        /// The provider's words.
        error: Private,
    },
    /// The provider says that only a person can help.
    NeedReauthorization {
        /// The provider's words.
        error: Private,
    },
    /// Give it back.
    Disconnect,
}

/// What happened to a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenEvent {
    /// `token.requested`
    Requested(Holding),
    /// `token.connected`
    Connected(Connection),
    /// `token.refreshed`
    Refreshed(Connection),
    /// `token.refresh_failed`
    RefreshFailed {
        /// The provider's words.
        #[serde(skip)]
        error: Private,
    },
    /// `token.needs_reauthorization`
    NeedsReauthorization {
        /// The provider's words.
        #[serde(skip)]
        error: Private,
    },
    /// `token.disconnected`
    Disconnected {},
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Never written.
    #[error("the token does not exist")]
    Absent,
    /// The id is taken.
    #[error("the token exists already")]
    Exists,
    /// It was given back.
    #[error("the token was disconnected")]
    Disconnected,
    /// There is nothing to refresh.
    #[error("the token is not connected")]
    NotConnected,
    /// Somebody else refreshed it first.
    #[error("the token was refreshed meanwhile")]
    Superseded,
}

impl Token {
    /// Can calls be authorized with it?
    pub const fn connected(&self) -> Option<(&Holding, &Connection)> {
        match self {
            Self::Connected(holding, connection) => Some((holding, connection)),
            Self::Absent | Self::Requested(_) | Self::NeedsReauthorization(..) | Self::Disconnected(_) => {
                None
            }
        }
    }

    /// The events that `command` leads to, given what happened so far.
    pub fn decide(&self, command: TokenCommand) -> Result<Vec<TokenEvent>, TokenError> {
        use TokenCommand::{Connect, Disconnect, FailRefresh, NeedReauthorization, Refresh, Request};
        match (self, command) {
            (Self::Absent, Request(holding)) => Ok(vec![TokenEvent::Requested(holding)]),
            (_, Request(_)) => Err(TokenError::Exists),
            (Self::Absent, _) => Err(TokenError::Absent),
            // A brake may be pressed twice.
            (Self::Disconnected(_), Disconnect)
            | (Self::NeedsReauthorization(..), NeedReauthorization { .. }) => Ok(vec![]),
            (Self::Disconnected(_), _) => Err(TokenError::Disconnected),
            (_, Disconnect) => Ok(vec![TokenEvent::Disconnected {}]),
            (_, Connect(connection)) => Ok(vec![TokenEvent::Connected(connection)]),
            (Self::Connected(_, before), Refresh { consumed, connection }) => {
                if before.secret == consumed {
                    Ok(vec![TokenEvent::Refreshed(connection)])
                } else {
                    Err(TokenError::Superseded)
                }
            }
            (Self::Connected(..), FailRefresh { error }) => Ok(vec![TokenEvent::RefreshFailed { error }]),
            (Self::Connected(..), NeedReauthorization { error }) => {
                Ok(vec![TokenEvent::NeedsReauthorization { error }])
            }
            (Self::Requested(_) | Self::NeedsReauthorization(..), _) => Err(TokenError::NotConnected),
        }
    }
}

impl Aggregate for Token {
    const TYPE: &'static str = "token";
    type Command = TokenCommand;
    type Event = TokenEvent;
    type Error = TokenError;
    type Services = ();

    async fn handle(
        &mut self,
        command: TokenCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), TokenError> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: TokenEvent) {
        *self = match (event, std::mem::take(self)) {
            (TokenEvent::Requested(holding), Self::Absent) => Self::Requested(holding),
            (
                TokenEvent::Connected(connection) | TokenEvent::Refreshed(connection),
                Self::Requested(holding)
                | Self::Connected(holding, _)
                | Self::NeedsReauthorization(holding, _),
            ) => Self::Connected(holding, connection),
            (TokenEvent::NeedsReauthorization { .. }, Self::Connected(holding, connection)) => {
                Self::NeedsReauthorization(holding, connection)
            }
            (
                TokenEvent::Disconnected {},
                Self::Requested(holding)
                | Self::Connected(holding, _)
                | Self::NeedsReauthorization(holding, _),
            ) => Self::Disconnected(holding),
            // Requested once, given back once, and never back; a failed refresh changes nothing.
            (_, state) => state,
        };
    }
}

impl DomainEvent for TokenEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Requested(_) => "token.requested",
            Self::Connected(_) => "token.connected",
            Self::Refreshed(_) => "token.refreshed",
            Self::RefreshFailed { .. } => "token.refresh_failed",
            Self::NeedsReauthorization { .. } => "token.needs_reauthorization",
            Self::Disconnected {} => "token.disconnected",
        }
        .into()
    }

    fn event_version(&self) -> String {
        "1.0".into()
    }
}

impl Fact for TokenEvent {
    fn control(&self) -> bool {
        match self {
            Self::RefreshFailed { .. } => false,
            Self::Requested(_)
            | Self::Connected(_)
            | Self::Refreshed(_)
            | Self::NeedsReauthorization { .. }
            | Self::Disconnected {} => true,
        }
    }

    fn narrows(&self) -> bool {
        match self {
            Self::Requested(_) | Self::Connected(_) | Self::Refreshed(_) | Self::RefreshFailed { .. } => {
                false
            }
            Self::NeedsReauthorization { .. } | Self::Disconnected {} => true,
        }
    }

    fn private(&self) -> Vec<(&'static str, &Private)> {
        match self {
            Self::RefreshFailed { error } | Self::NeedsReauthorization { error } => vec![("error", error)],
            Self::Requested(_) | Self::Connected(_) | Self::Refreshed(_) | Self::Disconnected {} => vec![],
        }
    }
}

#[cfg(test)]
mod tests;
