//! What is known to be secret, or private to a workspace.

use std::collections::BTreeMap;

use super::needles::Needles;

/// Names, labels, reasons: shown to members, and sealed wherever they are kept.
const NAMES: [(&str, &str); 9] = [
    ("a person's name", "Ångström-Canary \"Pip\" O'Neill"),
    ("another person's name", "Canary-Zoë <zoë@canary.example>"),
    ("a workspace's name", "Canary Wörks & Söhne / 91"),
    ("a workspace's new name", "Renamed Canary ☂ 4711"),
    ("a tool server's name", "Canary-Server ñ #5"),
    ("a loadout's name", "Canary-Loadout % 33"),
    ("a session's label", "Canary-Label \\ für Jürgen"),
    ("a device's label", "Canary-Device: Møller's"),
    ("a reason", "Canary-Reason: \"fired\" 25 ½"),
];
/// Part of a tool server's address.
pub(super) const ADDRESS: &str = "canary-address-77f0c1";
/// What a tool is called with, and answers.
pub(super) const ARGUMENT: &str = "Canary-Argument ✶ {8842}";
/// In the URL of a database that isn't there.
pub(super) const PASSWORD: &str = "canary-password-0x51";
/// A static header's value.
pub(super) const HEADER: &str = "Bearer canary-header-0a9Zq+/xYw==";

/// All of it. Credentials are added as they are shown.
pub(super) struct Secrets {
    /// What only the operator of the service knows.
    keys: BTreeMap<String, Vec<u8>>,
    credentials: BTreeMap<String, Vec<u8>>,
}

impl Secrets {
    pub(super) fn new(kek: &str, pepper: &str) -> Self {
        let bytes = |digits: &str| hex::decode(digits).expect("they are digits");
        let keys = [
            ("the key-encryption key", bytes(kek)),
            ("the pepper", bytes(pepper)),
            ("the database's password", PASSWORD.as_bytes().to_vec()),
        ];
        Self { keys: keys.map(|(name, value)| (name.to_owned(), value)).into(), credentials: BTreeMap::new() }
    }

    /// A private text.
    pub(super) fn name(of: &str) -> &'static str {
        let found = NAMES.iter().find(|(name, _)| *name == of);
        found.unwrap_or_else(|| panic!("there is no `{of}`")).1
    }

    /// Only the secret part of a credential: its id is public.
    pub(super) fn credential(&mut self, name: &str, credential: &str) {
        assert_eq!(credential.len(), 69, "{name} is a credential");
        self.credentials.insert(name.to_owned(), credential.as_bytes()[20..63].to_vec());
    }

    fn never_shown_again(&self) -> BTreeMap<String, Vec<u8>> {
        let mut all = self.keys.clone();
        all.extend(self.credentials.clone());
        all
    }

    /// Everything: what may stand in no log, no database, no refusal.
    pub(super) fn all(&self) -> Needles {
        let mut all = self.never_shown_again();
        all.extend(NAMES.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
        for (name, value) in [("a header", HEADER), ("an address", ADDRESS), ("an argument", ARGUMENT)] {
            all.insert(name.to_owned(), value.as_bytes().to_vec());
        }
        Needles::new(all)
    }

    /// What stands in no answer but the one that shows it, if any.
    pub(super) fn in_no_answer(&self) -> Needles {
        let mut all = self.never_shown_again();
        all.insert("a header".to_owned(), HEADER.as_bytes().to_vec());
        Needles::new(all)
    }

    /// What no tool server gets to see.
    pub(super) fn never_upstream(&self) -> Needles {
        let mut all = self.never_shown_again();
        all.extend(NAMES.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
        Needles::new(all)
    }
}
