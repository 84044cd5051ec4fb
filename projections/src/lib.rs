//! Read models: what lists and searches are answered from, folded from the book and never the truth.
//!
//! A [`Projection`] says which row an event belongs to and how it folds into it; an [`Index`] says by
//! which terms an event is found. Both are pure. The [`Projector`] reads the book a page at a time and
//! writes rows and checkpoint in one transaction, so that no event is skipped or folded twice whoever
//! dies when. [`Views`] is what everybody else reads.
//!
//! Rows hold no private text. Where one shows a name or a label it holds a [`Sealed`] pointer to the
//! event whose body has it: erasing the body, or its key, erases it everywhere. So this room never
//! meets the vault.
//!
//! To add a projection: a page in `rows/`, a line in [`standard`].

mod advance;
mod audit_search;
mod happening;
mod index;
mod model;
mod progress;
mod projection;
mod projector;
mod rebuild;
mod rows;
mod store;
mod term;
mod version;
mod views;

pub use audit_search::AuditSearch;
pub use happening::{Happening, Metadata, Undecodable};
pub use index::Index;
pub use model::{Indexed, Model, Rows};
pub use progress::{NotCaughtUp, ProjectionStatus, Status};
pub use projection::{Misfit, Projection, Sealed};
pub use projector::{Pace, Projector};
pub use rebuild::{Asked, Build, BuildState, Difference, Overview, Purpose, RebuildError, Rebuilder};
pub use rows::{
    ApiKeyRow, ApiKeys, Decision, LoadoutRow, Loadouts, MemberRow, Members, OneTimeLinkRow, OneTimeLinks,
    OperatorCredentialRow, OperatorCredentials, Outcome, SessionRow, SessionStatus, Sessions, ToolCallRow,
    ToolCalls, ToolServerRow, ToolServers, UserRow, Users, WorkspaceRow, Workspaces, member_key,
};
pub use term::Term;
pub use version::Version;
pub use views::{Listed, Order, Query, Search, ViewError, Views};

/// Every projection of this version of the service.
pub fn standard() -> Vec<Box<dyn Model>> {
    vec![
        Box::new(Rows::<Workspaces>::new()),
        Box::new(Rows::<Members>::new()),
        Box::new(Rows::<Users>::new()),
        Box::new(Rows::<ToolServers>::new()),
        Box::new(Rows::<Loadouts>::new()),
        Box::new(Rows::<Sessions>::new()),
        Box::new(Rows::<ApiKeys>::new()),
        Box::new(Rows::<OneTimeLinks>::new()),
        Box::new(Rows::<OperatorCredentials>::new()),
        Box::new(Rows::<ToolCalls>::new()),
        Box::new(Indexed::<AuditSearch>::new()),
    ]
}
