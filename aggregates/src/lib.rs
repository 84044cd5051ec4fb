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
mod narrowing;
mod one_time_link;
mod operator;
mod permission;
mod private;
mod role;
mod rotation;
#[cfg(test)]
mod sample;
mod session;
mod sign_in;
mod token;
mod tool_server;
mod user;
mod verifier;
mod workspace;

pub use api_key::{ApiKey, ApiKeyCommand, ApiKeyError, ApiKeyEvent, Key, KeyGrant};
pub use device::{Device, DeviceCommand, DeviceError, DeviceEvent, DeviceGrant};
pub use event::{Event, NotAnEvent};
pub use fact::Fact;
pub use id::{
    ApiKeyId, CallId, DeviceId, LinkId, LoadoutId, OperatorId, SecretId, SessionId, SignInId, TokenId,
    ToolServerId, UserId, WorkspaceId,
};
pub use instance::{
    AuthenticationFailure, Instance, InstanceCommand, InstanceError, InstanceEvent, ProjectionOrder,
};
pub use loadout::{Loadout, LoadoutCommand, LoadoutError, LoadoutEvent, LoadoutVersion, PinnedTool};
pub use naming::{Candidate, NAME_MAX, NameRefused, agent_names};
pub use narrowing::Narrowing;
pub use one_time_link::{LinkCommand, LinkError, LinkEvent, LinkGrant, LinkMaker, LinkPurpose, OneTimeLink};
pub use operator::{
    Operator, OperatorCommand, OperatorCredential, OperatorError, OperatorEvent, OperatorGrant,
};
pub use permission::{Permission, UnknownPermission};
pub use private::Private;
pub use role::Role;
pub use rotation::{Former, Rotation, SecretNumber};
pub use session::{
    CallOutcome, Completion, EnforcedBy, Grant, MadeWith, Route, Session, SessionCommand, SessionError,
    SessionEvent, ToolCall, authorized, called,
};
pub use sign_in::{How, SignIn, SignInCommand, SignInError, SignInEvent, SignInGrant};
pub use token::{Connection, Holding, Token, TokenCommand, TokenError, TokenEvent};
pub use tool_server::{
    Authorization, KnownTool, Registration, SecretRef, ToolServer, ToolServerCommand, ToolServerError,
    ToolServerEvent,
};
pub use user::{User, UserCommand, UserError, UserEvent};
pub use verifier::{Inline, Verifier};
pub use workspace::{Ended, Epoch, WhichKeys, Workspace, WorkspaceCommand, WorkspaceError, WorkspaceEvent};
