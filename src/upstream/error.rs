//! What can go wrong with a tool server.

use crate::outbound::OutboundError;

/// Why a tool server could not be asked, or its answer not be used. For clients and the log: no
/// address, no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error("the tool server could not be reached: {0}")]
    Unreachable(String),
    /// The connection broke before the answer was whole.
    #[error("the connection to the tool server broke")]
    Broken,
    /// Its address is one that we don't connect to.
    #[error("the tool server's address is not allowed: {0}")]
    NotAllowed(String),
    /// Too slow.
    #[error("the tool server did not answer in time")]
    Timeout,
    /// A message or a list is larger than allowed.
    #[error("the tool server's answer is too large")]
    TooLarge,
    /// Not what the protocol says.
    #[error("the tool server's answer could not be understood: {0}")]
    Malformed(String),
    /// It refuses the credential that is kept for it, or wants one (401, 403).
    #[error("the tool server refused the credential that is kept for it")]
    Unauthorized,
    /// Another status that says no.
    #[error("the tool server answered with HTTP status {0}")]
    Http(u16),
    /// It speaks no revision that is spoken here.
    #[error("the tool server speaks no revision of the protocol that is spoken here")]
    NoCommonRevision,
    /// Its answer repeats the credential that it was sent.
    #[error("the tool server's answer was held back: it repeats the credential that was sent to it")]
    CredentialEchoed,
    /// The tool wants something from the agent's user in between, which isn't carried yet.
    #[error("the tool asks its user something in between, which is not passed on yet")]
    InputRequired,
    /// A JSON-RPC error that is for us, not for the agent.
    #[error("the tool server refused: {message} ({code})")]
    Protocol {
        /// Of the JSON-RPC error.
        code: i64,
        /// In the server's words.
        message: String,
    },
}

impl UpstreamError {
    /// Stable and for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "upstream.unreachable",
            Self::Broken => "upstream.broken",
            Self::NotAllowed(_) => "upstream.not_allowed",
            Self::Timeout => "upstream.timeout",
            Self::TooLarge => "upstream.too_large",
            Self::Malformed(_) => "upstream.malformed",
            Self::Unauthorized => "upstream.unauthorized",
            Self::Http(_) => "upstream.http",
            Self::NoCommonRevision => "upstream.no_common_revision",
            Self::CredentialEchoed => "upstream.credential_echoed",
            Self::InputRequired => "upstream.input_required",
            Self::Protocol { .. } => "upstream.protocol",
        }
    }

    /// Is it sure that a call that ended so was not carried out?
    pub const fn surely_not_run(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::NotAllowed(_)
                | Self::Unauthorized
                | Self::NoCommonRevision
                | Self::InputRequired
        )
    }

    #[allow(clippy::needless_pass_by_value, reason = "so it fits `map_err`")]
    pub(super) fn malformed(reason: impl ToString) -> Self {
        Self::Malformed(reason.to_string())
    }
}

impl From<OutboundError> for UpstreamError {
    fn from(error: OutboundError) -> Self {
        use OutboundError as From;
        match &error {
            From::Refused(refused) => Self::NotAllowed(refused.to_string()),
            From::Resolve(_) | From::Connect(_) | From::Tls(_) | From::ConnectTimeout | From::Setup(_) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a tool server could not be reached"
                );
                Self::Unreachable(error.to_string())
            }
            From::HeaderTimeout | From::IdleTimeout | From::CollectTimeout => Self::Timeout,
            From::TooLarge => Self::TooLarge,
            From::Encoded => Self::malformed(&error),
            From::Redirected(status) => Self::Http(status.as_u16()),
            From::Broken(_) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the connection to a tool server broke"
                );
                Self::Broken
            }
        }
    }
}
