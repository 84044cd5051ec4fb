//! The law: what may happen, decided purely.
//!
//! Every aggregate is one page: its state (with an *absent* variant, because an id that was never
//! written loads as `Default`), its commands, events and errors, `decide` and `apply`, and its
//! given/when/then tests. Nothing here does I/O, reads a clock, draws a random number or knows a
//! key: commands carry the time, the ids and every looked-up fact.
//!
//! Who may do what stands on one page, [`access`]. What a new event must say of itself stands in
//! [`fact`]; the list of all events is `events.golden.json`.

pub mod access;
mod api_key;
mod device;
mod event;
mod fact;
mod id;
mod instance;
mod loadout;
mod naming;
mod operator;
mod private;
mod role;
#[cfg(test)]
mod sample;
mod session;
mod token;
mod tool_server;
mod user;
mod verifier;
mod workspace;

pub use api_key::{ApiKey, ApiKeyCommand, ApiKeyError, ApiKeyEvent, KeyGrant};
pub use device::{Device, DeviceCommand, DeviceError, DeviceEvent, SignIn};
pub use event::{Event, NotAnEvent};
pub use fact::Fact;
pub use id::{
    ApiKeyId, CallId, DeviceId, LoadoutId, OperatorId, SecretId, SessionId, TokenId, ToolServerId, UserId,
    WorkspaceId,
};
pub use instance::{Instance, InstanceCommand, InstanceError, InstanceEvent, ProjectionOrder};
pub use loadout::{Loadout, LoadoutCommand, LoadoutError, LoadoutEvent, LoadoutVersion, PinnedTool};
pub use naming::{Candidate, NAME_MAX, NameRefused, agent_names};
pub use operator::{Operator, OperatorCommand, OperatorError, OperatorEvent, OperatorGrant};
pub use private::Private;
pub use role::Role;
pub use session::{
    CallOutcome, Completion, EnforcedBy, Grant, MadeWith, Route, Session, SessionCommand, SessionError,
    SessionEvent, ToolCall, authorized, called,
};
pub use token::{Connection, Holding, Token, TokenCommand, TokenError, TokenEvent};
pub use tool_server::{
    Authorization, KnownTool, Registration, SecretRef, ToolServer, ToolServerCommand, ToolServerError,
    ToolServerEvent,
};
pub use user::{User, UserCommand, UserError, UserEvent};
pub use verifier::{Inline, Verifier};
pub use workspace::{Workspace, WorkspaceCommand, WorkspaceError, WorkspaceEvent};
