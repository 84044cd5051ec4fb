//! Which version of a projection a row belongs to.

use std::fmt;

/// A projection's version as its code knows it, and how often it was built: what a rebuild builds stands
/// beside what is read until it takes its place. Stored as one number, the code's version first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// `VERSION` of the code.
    pub code: u32,
    /// 0 for the first, then one more with each rebuild.
    pub generation: u32,
}

/// How many generations fit below the code's version.
const GENERATIONS: u32 = 10_000;

impl Version {
    /// The first of a code's version.
    pub const fn first(code: u32) -> Self {
        Self { code, generation: 0 }
    }

    /// What is built beside `self` by code of this version. After the last generation it is the first
    /// again, which is long gone.
    #[must_use]
    pub const fn next(self, code: u32) -> Self {
        if self.code == code {
            Self { code, generation: (self.generation + 1) % GENERATIONS }
        } else {
            Self::first(code)
        }
    }

    pub(crate) fn stored(self) -> i32 {
        i32::try_from(self.code.saturating_mul(GENERATIONS) + self.generation).unwrap_or(i32::MAX)
    }

    pub(crate) fn of_stored(stored: i32) -> Self {
        let stored = u32::try_from(stored).unwrap_or(0);
        Self { code: stored / GENERATIONS, generation: stored % GENERATIONS }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.code, self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_stored_as_one_number() {
        let version = Version { code: 3, generation: 7 };
        assert_eq!(version.stored(), 30_007);
        assert_eq!(Version::of_stored(30_007), version);
        assert_eq!(version.to_string(), "3.7");
    }

    #[test]
    fn next_counts_generations_and_begins_anew_with_the_code() {
        let version = Version { code: 3, generation: 7 };
        assert_eq!(version.next(3), Version { code: 3, generation: 8 });
        assert_eq!(version.next(4), Version::first(4));
        assert_eq!(Version { code: 3, generation: 9_999 }.next(3), Version::first(3));
    }
}
