//! What is kept of a credential.

use serde::{Deserialize, Serialize};

/// The HMAC-SHA-256 of a credential under a pepper that lies outside the database. It may stand in
/// events: without the pepper it checks nothing and tells nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// The credential's public 12-character id.
    pub credential_id: String,
    /// Which pepper.
    pub pepper_id: String,
    /// 64 hexadecimal digits.
    pub hmac: String,
}
