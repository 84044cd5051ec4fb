//! What can go wrong on the way out. The messages are for clients; the sources are for the log.
//! Neither carries a URL.

use std::{error::Error, io};

use reqwest::StatusCode;

use super::UrlRefused;

/// Why there is no answer, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The URL, or every address of its host, is one that isn't reached from here.
    #[error(transparent)]
    Refused(#[from] UrlRefused),
    /// The host's name has no address, or can't be looked up now.
    #[error("the host's name could not be looked up")]
    Resolve(#[source] reqwest::Error),
    /// Nobody answers there.
    #[error("the host could not be connected to")]
    Connect(#[source] reqwest::Error),
    /// There is no trust: a certificate that is expired, foreign or self-signed, or no common cipher.
    #[error("the host's certificate or TLS is not acceptable")]
    Tls(#[source] reqwest::Error),
    /// No connection within the limit.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// No headers within the limit.
    #[error("the server did not begin to answer in time")]
    HeaderTimeout,
    /// The body stopped.
    #[error("the server stopped in the middle of its answer")]
    IdleTimeout,
    /// The body came, but too slowly.
    #[error("the server's answer took too long")]
    CollectTimeout,
    /// The body is larger than it may be.
    #[error("the server's answer is too large")]
    TooLarge,
    /// We ask for no compression and don't undo any.
    #[error("the server sent a compressed answer that it wasn't asked for")]
    Encoded,
    /// Redirects are never followed.
    #[error("the server answered with a redirect ({0}), which is not followed")]
    Redirected(StatusCode),
    /// The connection broke, or what came over it isn't HTTP.
    #[error("the connection broke")]
    Broken(#[source] reqwest::Error),
    /// The client itself could not be made.
    #[error("the HTTP client could not be set up")]
    Setup(#[source] reqwest::Error),
}

impl OutboundError {
    /// May the server have received the request, and acted on it? When not, it is certain that
    /// nothing happened.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Refused(_)
            | Self::Resolve(_)
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::ConnectTimeout
            | Self::Setup(_) => false,
            Self::HeaderTimeout
            | Self::IdleTimeout
            | Self::CollectTimeout
            | Self::TooLarge
            | Self::Encoded
            | Self::Redirected(_)
            | Self::Broken(_) => true,
        }
    }
}

/// Sorts an error of the client that came before the answer's headers.
pub fn classify(error: reqwest::Error) -> OutboundError {
    let error = error.without_url();
    if let Some(refused) = find::<UrlRefused>(&error) {
        return OutboundError::Refused(*refused);
    }
    if !error.is_connect() {
        return OutboundError::Broken(error);
    }
    if error.is_timeout() {
        OutboundError::ConnectTimeout
    } else if error.is_dns() {
        OutboundError::Resolve(error)
    } else if find::<rustls::Error>(&error).is_some() {
        OutboundError::Tls(error)
    } else {
        OutboundError::Connect(error)
    }
}

/// The first cause of type `E`, also where an I/O error hides it: that one's `source` is its
/// content's source, and not its content.
fn find<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let content = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = content.map(|content| content as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}
