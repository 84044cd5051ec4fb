//! Tollbook.

pub mod authn;
pub mod authority;
pub mod book;
pub mod calls;
pub mod clock;
pub mod commands;
pub mod config;
pub mod credential;
pub mod founding;
pub mod keys;
pub mod outbound;
pub mod problem;
pub mod reveal;
pub mod telemetry;
/// Temporary.
#[allow(missing_docs)]
pub mod upstream {
    pub struct Target {
        pub tool_server_id: tollbook_aggregates::ToolServerId,
        pub url: url::Url,
        pub header: Option<(reqwest::header::HeaderName, reqwest::header::HeaderValue)>,
    }
}
/// Temporary.
#[allow(missing_docs)]
pub mod app {
    pub struct App {
        pub authority: crate::authority::Authority,
        pub pepper: crate::credential::Pepper,
        pub commands: crate::commands::Commands,
        pub random: std::sync::Arc<dyn tollbook_vault::Randomness>,
        pub clock: crate::clock::Clock,
    }
}
