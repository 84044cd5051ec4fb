//! What was opened.

use zeroize::Zeroizing;

/// An opened value, wiped from memory when dropped.
///
/// It can't be printed, compared or serialized; only [`Plaintext::expose`] lets it out, so that a
/// search for that word finds every place where a secret is used.
///
/// ```compile_fail
/// fn print(secret: tollbook_vault::Plaintext) {
///     println!("{secret:?}");
/// }
/// ```
pub struct Plaintext {
    bytes: Zeroizing<Vec<u8>>,
    /// Where the value begins: the salt of a sealed field stands before it.
    start: usize,
}

impl Plaintext {
    pub(crate) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { bytes, start: 0 }
    }

    pub(crate) fn after(bytes: Zeroizing<Vec<u8>>, start: usize) -> Self {
        Self { bytes, start }
    }

    /// The value.
    pub fn expose(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The value as text, if it is UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(self.expose()).ok()
    }
}
