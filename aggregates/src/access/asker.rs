//! Who asks.

use std::net::IpAddr;

use crate::{ApiKeyId, OperatorId, SecretNumber, SessionId, SignInId};

/// The holder of a credential whose secret was right. Whether the credential is still in force is
/// decided on this page, each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// An operator, who looks after the instance.
    Operator(OperatorId),
    /// A member, by one of their API keys.
    ApiKey(ApiKeyId),
    /// An agent, by a session's own token.
    Session(SessionId),
    /// A person at a browser. Only the console makes one: `/v1` never takes a cookie.
    SignIn(SignInId),
}

/// A caller, with which of its secrets, and from where. A bare [`Caller`] is one whose secret isn't
/// looked at, and whose address isn't known: a key that is narrowed to addresses is refused then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// Whose credential.
    pub caller: Caller,
    /// Which of its secrets.
    pub secret: Option<SecretNumber>,
    /// The client's address, as far as it is known.
    pub address: Option<IpAddr>,
}

impl From<Caller> for Asker {
    fn from(caller: Caller) -> Self {
        Self { caller, secret: None, address: None }
    }
}
