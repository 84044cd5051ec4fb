//! One TLS stack: rustls with ring, and the system's certificates.

use reqwest::{Certificate, Client, ClientBuilder};

use super::OutboundError;

/// Makes the client. Where the system has no certificates at all (a bare container), it still comes
/// to be, trusting only `roots`: http to this machine needs none, and https says what is missing when
/// it is used.
pub(super) fn client(
    builder: impl Fn() -> ClientBuilder,
    roots: &[Certificate],
) -> Result<Client, OutboundError> {
    // An error means that another part of the process has installed one: there is only ring here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Ok(client) = builder().tls_certs_merge(roots.iter().cloned()).build() {
        return Ok(client);
    }
    let client = builder().tls_certs_only(roots.iter().cloned()).build().map_err(OutboundError::Setup)?;
    tracing::warn!("this system has no CA certificates: https upstreams can't be verified");
    Ok(client)
}
