//! The secrets that a long-lived credential answers to: one, and for a while after a rotation also the
//! one before it. Those that have ended are remembered, so that their holders can be told so.
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
    /// Those before it. Boxed, because nearly every credential that is held in memory has none.
    pub former: Option<Box<Former>>,
}

/// Secrets that were followed by another. What they are checked with is kept after they ended: who still
/// holds one is told what became of it, and not that nobody knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// What each is checked with, oldest first: at most [`Rotation::REMEMBERED`].
    pub verifiers: Vec<Verifier>,
    /// The first moment at which the last of them is no longer good; it ended when it was followed, when
    /// absent. Those before it did in any case.
    pub until: Option<DateTime<Utc>>,
}

impl Rotation {
    /// How many former secrets are remembered. A script that rotates its key every day must not grow the
    /// memory of every replica for ever, and whoever comes with a secret that is that old has missed more
    /// than a word about it would help with.
    pub const REMEMBERED: usize = 16;

    /// Another secret follows `replaced`, which is good until the given moment, if there is one.
    #[must_use]
    pub(crate) fn followed(self, replaced: Verifier, until: Option<DateTime<Utc>>) -> Self {
        let forgotten = usize::from(self.forgets_next().is_some());
        let mut former = self.former.unwrap_or_default();
        former.verifiers.drain(..forgotten);
        former.verifiers.push(replaced);
        former.until = until;
        Self { newest: SecretNumber(self.newest.0.saturating_add(1)), former: Some(former) }
    }

    /// The secret that the next rotation forgets.
    pub fn forgets_next(&self) -> Option<&Verifier> {
        let verifiers = &self.former.as_ref()?.verifiers;
        verifiers.first().filter(|_| verifiers.len() >= Self::REMEMBERED)
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
        let is_last = secret.0.checked_add(1) == Some(self.newest.0);
        match self.former.as_ref().filter(|_| is_last).and_then(|former| former.until) {
            Some(until) if at < until => Ok(Some(until)),
            Some(_) => Err(Denial::SecretExpired),
            None => Err(Denial::SecretReplaced),
        }
    }

    /// The secret of this public id, and what it is checked with. Also when it is no longer good.
    pub(crate) fn find<'a>(
        &'a self,
        newest: &'a Verifier,
        credential_id: &str,
    ) -> Option<(SecretNumber, &'a Verifier)> {
        let former = self.former.iter().flat_map(|former| former.verifiers.iter().rev());
        let mut numbered = std::iter::once(newest).chain(former).zip(0..);
        let (verifier, back) =
            numbered.find(|(verifier, _)| verifier.credential_id.as_str() == credential_id)?;
        Some((SecretNumber(self.newest.0.checked_sub(back)?), verifier))
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
        assert_eq!(rotated.good(FIRST, hours(1)), Err(Denial::SecretExpired));
        assert_eq!(rotated.good(SECOND, hours(1)), Ok(None));
        assert_eq!(rotated.good(THIRD, noon()), Err(Denial::SecretReplaced), "none that is yet to come");
    }

    #[test]
    fn without_grace_the_old_one_ends_at_once_and_is_still_known() {
        let rotated = Rotation::default().followed(named("a"), None);
        assert_eq!(rotated.good(FIRST, noon()), Err(Denial::SecretReplaced));
        assert_eq!(rotated.find(&named("b"), "a"), Some((SecretNumber(0), &named("a"))));
    }

    #[test]
    fn at_most_two_are_good_at_a_time_and_all_are_known() {
        let rotated =
            Rotation::default().followed(named("a"), Some(hours(9))).followed(named("b"), Some(hours(1)));
        assert_eq!(rotated.good(FIRST, noon()), Err(Denial::SecretReplaced));
        assert_eq!(rotated.good(SECOND, noon()), Ok(Some(hours(1))));
        for (number, id) in (0..).zip(["a", "b", "c"]) {
            assert_eq!(rotated.find(&named("c"), id), Some((SecretNumber(number), &named(id))));
        }
        assert_eq!(rotated.find(&named("c"), "d"), None);
    }

    #[test]
    fn the_last_of_very_many_are_known_by_their_numbers() {
        let mut rotation = Rotation::default();
        for number in 0..100 {
            let forgotten = rotation.forgets_next().map(|verifier| verifier.credential_id);
            let expected = (number >= 16).then(|| named(&format!("{}", number - 16)).credential_id);
            assert_eq!(forgotten, expected);
            rotation = rotation.followed(named(&number.to_string()), None);
        }
        let newest = named("100");
        for number in 0..=100 {
            let found = rotation.find(&newest, &number.to_string()).map(|(number, _)| number);
            assert_eq!(found, (number >= 84).then_some(SecretNumber(number)), "{number}");
        }
    }

    #[test]
    fn credential_that_was_never_rotated_takes_no_more_memory_for_it() {
        assert_eq!(size_of::<Rotation>(), 16);
        assert_eq!(Rotation::default().former, None);
    }
}
