//! The projections of rows, one a page.

mod api_key;
#[cfg(test)]
pub(crate) mod given;
mod loadout;
mod member;
mod one_time_link;
mod operator_credential;
mod session;
mod tool_call;
mod tool_server;
mod user;
mod workspace;

pub use api_key::{ApiKeyRow, ApiKeys};
pub use loadout::{LoadoutRow, Loadouts};
pub use member::{MemberRow, Members, member_key};
pub use one_time_link::{OneTimeLinkRow, OneTimeLinks};
pub use operator_credential::{OperatorCredentialRow, OperatorCredentials};
pub use session::{SessionRow, SessionStatus, Sessions};
pub use tool_call::{Decision, Outcome, ToolCallRow, ToolCalls};
pub use tool_server::{ToolServerRow, ToolServers};
pub use user::{UserRow, Users};
pub use workspace::{WorkspaceRow, Workspaces};
