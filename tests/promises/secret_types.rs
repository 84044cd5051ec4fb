//! Promise 3, by the compiler: what holds a secret can't be printed or serialized by mistake.

use std::fmt::{Debug, Display};

use serde::Serialize;
use tollbook::credential::{Credential, Kind, Pepper};
use tollbook::founding::{Bootstrapped, Founder};
use tollbook_vault::{KeyMaterial, Plaintext};

/// Doesn't compile when the type has one of the traits: then it is ambiguous which `hidden` is meant.
macro_rules! never {
    ($type:ty: $($trait:path),+) => {$({
        trait Ambiguous<Which> {
            fn hidden() {}
        }
        impl<T: ?Sized> Ambiguous<()> for T {}
        struct HasIt;
        impl<T: ?Sized + $trait> Ambiguous<HasIt> for T {}
        <$type as Ambiguous<_>>::hidden();
    })+};
}

#[test]
fn secrets_have_no_debug_display_or_serialize() {
    never!(KeyMaterial: Debug, Display, Serialize);
    never!(Plaintext: Debug, Display, Serialize);
    never!(Pepper: Debug, Display, Serialize);
    never!(Founder: Debug, Display, Serialize);
    never!(Bootstrapped: Debug, Display, Serialize);
    // A credential in debug output is its public part, so that a failed test says which it was.
    never!(Credential: Display, Serialize);
    let credential = Credential::from_parts(Kind::ApiKey, "0123456789AB", &[7; 32]).unwrap();
    assert_eq!(format!("{credential:?}"), "Credential(tbk_key_0123456789AB…)");
}
