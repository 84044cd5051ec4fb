//! What is known to be secret, or private to a workspace.

use std::collections::BTreeMap;

use super::needles::Needles;

/// Names, labels, reasons: shown to members, and sealed wherever they are kept.
const NAMES: [(&str, &str); 15] = [
    ("the first owner's name", "Canary-Fœunder Ødegård"),
    ("the first workspace's name", "Canary-Fœunded «1»"),
    ("a person's name", "Ångström-Canary \"Pip\" O'Neill"),
    ("an invited person's name", "Canary-Zoë <zoë@canary.example>"),
    ("a workspace's name", "Canary Wörks & Söhne / 91"),
    ("a workspace's new name", "Renamed Canary ☂ 4711"),
    ("a tool server's name", "Canary-Server ñ #5"),
    ("a loadout's name", "Canary-Loadout % 33"),
    ("a session's label", "Canary-Label \\ für Jürgen"),
    ("a device's label", "Canary-Device: Møller's"),
    ("an operator's label", "Canary-Operator: nächtlich"),
    ("an invitation's label", "Canary-Invitation → Zoë"),
    ("a reason", "Canary-Reason: \"fired\" 25 ½"),
    ("what a browser calls itself", USER_AGENT),
    ("a person's address", PERSONS_ADDRESS),
];
/// What the browsers of people call themselves.
pub(super) const USER_AGENT: &str = "CanaryBrowser/47.11 (X11; Linux) Firefox/140.0";
/// From where people ask.
pub(super) const PERSONS_ADDRESS: &str = "2001:db8:ca4a:71e5::c0de";
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
    /// What binds forms to a browser: shown in each of its pages, and kept nowhere.
    forms: BTreeMap<String, Vec<u8>>,
    /// What an erased person's names could be opened with.
    destroyed: BTreeMap<String, Vec<u8>>,
}

impl Secrets {
    pub(super) fn new(kek: &str, pepper: &str) -> Self {
        let bytes = |digits: &str| hex::decode(digits).expect("they are digits");
        let keys = [
            ("the key-encryption key", bytes(kek)),
            ("the pepper", bytes(pepper)),
            ("the database's password", PASSWORD.as_bytes().to_vec()),
        ];
        Self {
            keys: keys.map(|(name, value)| (name.to_owned(), value)).into(),
            credentials: BTreeMap::new(),
            forms: BTreeMap::new(),
            destroyed: BTreeMap::new(),
        }
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

    /// Only the secret part of a one-time link: `…/otl/{id}#{secret}`.
    pub(super) fn link(&mut self, name: &str, url: &str) {
        let (_, secret) = url.split_once('#').unwrap_or_else(|| panic!("{name} is a link"));
        assert_eq!(secret.len(), 49, "{name} is a link");
        self.credentials.insert(name.to_owned(), secret.as_bytes()[..43].to_vec());
    }

    /// What a page's forms carry, and the cookie of the visit.
    pub(super) fn forms(&mut self, token: &str, visit: Option<&str>) {
        for value in [Some(token), visit].into_iter().flatten().filter(|value| !value.is_empty()) {
            self.forms.insert(format!("what binds a form: {}…", &value[..4]), value.as_bytes().to_vec());
        }
    }

    /// As it was wrapped before it was destroyed.
    pub(super) fn destroyed_key(&mut self, wrapped: Vec<u8>) {
        self.destroyed.insert("the wrapped key of an erased person".to_owned(), wrapped);
    }

    fn never_shown_again(&self) -> BTreeMap<String, Vec<u8>> {
        let mut all = self.keys.clone();
        all.extend(self.credentials.clone());
        all
    }

    /// Everything: what may stand in no log, no database and no file.
    pub(super) fn all(&self) -> Needles {
        let mut all = self.told();
        all.extend(self.forms.clone());
        Needles::new(all)
    }

    /// The same, and what was destroyed: what may stand in no file of a book any more.
    pub(super) fn all_and_destroyed(&self) -> Needles {
        let mut all = self.told();
        all.extend(self.forms.clone());
        all.extend(self.destroyed.clone());
        Needles::new(all)
    }

    /// What nobody is told who is refused.
    pub(super) fn in_no_refusal(&self) -> Needles {
        Needles::new(self.told())
    }

    /// What nobody is told any more once somebody was erased.
    pub(super) fn erased() -> Needles {
        let erased = ["an invited person's name", "what a browser calls itself", "a person's address"];
        let named = erased.map(|name| (name.to_owned(), Self::name(name).as_bytes().to_vec()));
        Needles::new(named.into())
    }

    fn told(&self) -> BTreeMap<String, Vec<u8>> {
        let mut all = self.never_shown_again();
        all.extend(NAMES.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
        for (name, value) in [("a header", HEADER), ("an address", ADDRESS), ("an argument", ARGUMENT)] {
            all.insert(name.to_owned(), value.as_bytes().to_vec());
        }
        all
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
        all.extend(self.forms.clone());
        all.extend(NAMES.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
        Needles::new(all)
    }
}
