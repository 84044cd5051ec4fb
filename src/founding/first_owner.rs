//! The one-time link for the first owner of an empty book.
//!
//! Nothing of it is kept: its secret is made from its public id, which says when it expires, under the pepper. So an
//! empty book stays empty until somebody founds something on it; every replica knows the link; and it is good until
//! it expires or the book is no longer empty, whichever comes first. That it founds once, however many try at the
//! same moment and by whichever way, is the book's doing: the instance's stream begins once.

use chrono::{DateTime, TimeDelta, Utc};

use crate::credential::{Credential, Kind, Pepper};

/// How long it is good for.
pub(super) const LASTS: TimeDelta = TimeDelta::hours(1);

/// Behind the ten digits of the time, in the place of a drawn id's last characters.
const MARK: &str = "fo";

/// The link's credential that expires at this time, in whole seconds.
pub(super) fn link(pepper: &Pepper, expires_at: DateTime<Utc>) -> Option<Credential> {
    with_id(pepper, &format!("{:010}{MARK}", expires_at.timestamp()))
}

/// When it expires, if it is such a credential of ours.
pub(super) fn expiry(pepper: &Pepper, credential: &Credential) -> Option<DateTime<Utc>> {
    if credential.kind() != Kind::OneTimeLink {
        return None;
    }
    let seconds = credential.id().strip_suffix(MARK)?.parse().ok()?;
    let ours = with_id(pepper, credential.id())?;
    // In constant time, as every credential.
    let same = credential.verify(pepper, &ours.hmac(pepper));
    if same { DateTime::from_timestamp(seconds, 0) } else { None }
}

fn with_id(pepper: &Pepper, id: &str) -> Option<Credential> {
    let secret = pepper.tag("link of the first owner", id.as_bytes());
    Credential::from_parts(Kind::OneTimeLink, id, secret.bytes()).ok()
}

#[cfg(test)]
mod tests {
    use tollbook_vault::KeyMaterial;

    use super::*;

    fn pepper(digit: &str) -> Pepper {
        Pepper::new(&KeyMaterial::parse(&digit.repeat(64)).unwrap())
    }

    #[test]
    fn link_is_known_by_whoever_has_the_pepper_and_by_nobody_else() {
        let until = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let link = link(&pepper("a"), until).unwrap();
        assert_eq!(expiry(&pepper("a"), &link), Some(until));
        assert_eq!(expiry(&pepper("b"), &link), None);
    }

    #[test]
    fn link_that_says_another_time_is_none_of_ours() {
        let until = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let link = link(&pepper("a"), until).unwrap();
        let later = link.expose().replace("1800000000", "1900000000");
        // Its checksum is wrong, and with a right one its secret is.
        assert!(Credential::parse(&later).is_err());
        let secret = pepper("b").tag("link of the first owner", b"1900000000fo");
        let forged = Credential::from_parts(Kind::OneTimeLink, "1900000000fo", secret.bytes()).unwrap();
        assert_eq!(expiry(&pepper("a"), &forged), None);
    }
}
