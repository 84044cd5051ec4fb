//! The secrets that a long-lived credential answers to: one, and for a while after a rotation also the
//! one before it.
//!
//! A credential's secrets are numbered from 0. Whoever asks says with which of them they came, and
//! every decision looks at whether that one is still good; so what ends a secret ends it also for
//! requests that are under way.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Verifier;
use crate::access::Denial;

/// Which secret of its credential somebody came with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretNumber(pub u32);

/// Where a credential stands in the row of its secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// The number of the newest.
    pub newest: SecretNumber,
    /// The one before it, as long as it may still be of use to know.
    pub former: Option<Box<Former>>,
}

/// A secret that was followed by another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// What it is checked with.
    pub verifier: Verifier,
    /// The first moment at which it is no longer good.
    pub until: DateTime<Utc>,
}

impl Rotation {
    /// Another secret follows `replaced`, which is good until the given moment, if there is one.
    #[must_use]
    pub(crate) fn followed(self, replaced: Verifier, until: Option<DateTime<Utc>>) -> Self {
        let former = until.map(|until| Box::new(Former { verifier: replaced, until }));
        Self { newest: SecretNumber(self.newest.0.saturating_add(1)), former }
    }

    /// Is the secret that somebody came with still good? Answers with when it ends, if it does.
    ///
    /// # Errors
    /// When it has expired, or was ended.
    pub(crate) fn good(
        &self,
        secret: Option<SecretNumber>,
        at: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, Denial> {
        // Nobody in particular asks: the credential itself is what matters.
        let Some(secret) = secret else { return Ok(None) };
        if secret == self.newest {
            return Ok(None);
        }
        match &self.former {
            Some(former) if secret.0.checked_add(1) == Some(self.newest.0) => {
                if at < former.until {
                    Ok(Some(former.until))
                } else {
                    Err(Denial::CredentialExpired)
                }
            }
            _ => Err(Denial::CredentialRevoked),
        }
    }

    /// The secret of this public id, and what it is checked with.
    pub(crate) fn find<'a>(
        &'a self,
        newest: &'a Verifier,
        credential_id: &str,
    ) -> Option<(SecretNumber, &'a Verifier)> {
        if newest.credential_id.as_str() == credential_id {
            return Some((self.newest, newest));
        }
        let former =
            self.former.as_ref().filter(|former| former.verifier.credential_id.as_str() == credential_id)?;
        Some((SecretNumber(self.newest.0.checked_sub(1)?), &former.verifier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{hours, noon, verifier};

    fn named(credential_id: &str) -> Verifier {
        Verifier { credential_id: crate::Inline::new(credential_id).unwrap(), ..verifier() }
    }

    const FIRST: Option<SecretNumber> = Some(SecretNumber(0));
    const SECOND: Option<SecretNumber> = Some(SecretNumber(1));
    const THIRD: Option<SecretNumber> = Some(SecretNumber(2));

    #[test]
    fn both_are_good_until_the_grace_is_over() {
        let rotated = Rotation::default().followed(named("a"), Some(hours(1)));
        assert_eq!(rotated.good(FIRST, noon()), Ok(Some(hours(1))));
        assert_eq!(rotated.good(SECOND, noon()), Ok(None));
        assert_eq!(rotated.good(FIRST, hours(1)), Err(Denial::CredentialExpired));
        assert_eq!(rotated.good(SECOND, hours(1)), Ok(None));
        assert_eq!(rotated.good(THIRD, noon()), Err(Denial::CredentialRevoked), "none that is yet to come");
    }

    #[test]
    fn without_grace_the_old_one_ends_at_once() {
        let rotated = Rotation::default().followed(named("a"), None);
        assert_eq!(rotated.good(FIRST, noon()), Err(Denial::CredentialRevoked));
        assert_eq!(rotated.find(&named("b"), "a"), None);
    }

    #[test]
    fn at_most_two_are_good_at_a_time() {
        let rotated =
            Rotation::default().followed(named("a"), Some(hours(9))).followed(named("b"), Some(hours(1)));
        assert_eq!(rotated.good(FIRST, noon()), Err(Denial::CredentialRevoked));
        assert_eq!(rotated.good(SECOND, noon()), Ok(Some(hours(1))));
        assert_eq!(rotated.find(&named("c"), "b"), Some((SecretNumber(1), &named("b"))));
        assert_eq!(rotated.find(&named("c"), "c"), Some((SecretNumber(2), &named("c"))));
        assert_eq!(rotated.find(&named("c"), "a"), None);
    }
}
