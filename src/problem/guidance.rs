//! What a person can do about a 401 or a 403: in words that are true for the case, and a command to paste.

use tollbook_aggregates::access::Denial;

use super::Remediation;

const SIGN_IN: &str = "tollbook login --with-api-key";
const NEW_SESSION: &str = "tollbook session create --loadout LOADOUT";
const LOADOUTS: &str = "tollbook loadout list";

/// In words, with a command.
pub(super) fn with_command(action: impl Into<String>, command: &str) -> Remediation {
    Remediation { action: action.into(), command: Some(command.to_owned()), url: None }
}

/// In words alone: no command helps.
pub(super) fn in_words(action: &str) -> Remediation {
    Remediation { action: action.to_owned(), command: None, url: None }
}

/// A credential won't do; `code` says why.
pub(super) fn credential(code: &str) -> Remediation {
    match code {
        "credential.malformed" => with_command(
            "Copy it again, whole: 69 characters that begin with `tbk_`. Whether it is one is said offline by the command, which reads it from standard input.",
            "tollbook key check",
        ),
        "credential.unknown" => with_command(
            "Look whether it is one of this service and no other. If it is lost, make a new key with another one of yours, or ask an admin of the workspace for one; then sign in with that.",
            SIGN_IN,
        ),
        _ => with_command(
            "Send `Authorization: Bearer` with an API key that is in force; with the command line, sign in once.",
            SIGN_IN,
        ),
    }
}

/// The credential doesn't carry `scope`.
pub(super) fn scope(scope: &str) -> Remediation {
    let operators = ["workspaces:create", "instance:operate", "operators:write", "people:erase"];
    if operators.contains(&scope) {
        return with_command(
            format!(
                "`{scope}` is an operator's: sign in with an operator credential, or ask who looks after this service."
            ),
            SIGN_IN,
        );
    }
    with_command(
        format!(
            "Ask an owner or an admin of the workspace for a role, or a key, that carries `{scope}`. A session's own token calls tools and does nothing else. The command says who you are here."
        ),
        "tollbook status",
    )
}

/// A one-time link is for somebody who isn't signed in.
pub(super) fn sign_in_first() -> Remediation {
    Remediation {
        action: "Sign in in this browser, and open the link again: it stays good for as long as it was. Whoever runs this Tollbook makes you a link to sign in with, on its machine:".to_owned(),
        command: Some("tollbook user link NAME".to_owned()),
        url: Some("/sign-in".to_owned()),
    }
}

/// A session has ended, or a tool of it can't be called.
pub(super) fn denied(denial: Denial) -> Remediation {
    match denial {
        Denial::MakerCredentialRevoked | Denial::MakerCredentialExpired => {
            with_command("Sign in with a key that is in force, and make a new session with it.", SIGN_IN)
        }
        Denial::MakerLostRight => in_words(
            "Ask an owner or an admin of the workspace for a role that calls tools, or let another member make the session.",
        ),
        Denial::WorkspaceEnded => {
            with_command("The workspace is gone for good. Sign in to another one.", SIGN_IN)
        }
        Denial::LoadoutRemoved => {
            with_command("Choose another loadout, and make a new session on it.", LOADOUTS)
        }
        Denial::NotInLoadout => with_command(
            "Call a tool of the loadout; or make a version of the loadout that has it, and a session on that.",
            LOADOUTS,
        ),
        Denial::ToolServerRemoved => with_command(
            "Register the tool server again, and make a version of the loadout with its tools.",
            "tollbook server list",
        ),
        Denial::ToolChanged => with_command(
            "Look at the change, and make a new version of the loadout to accept it.",
            "tollbook loadout diff LOADOUT",
        ),
        Denial::SessionRevoked | Denial::SessionExpired | Denial::CallsUsedUp => {
            with_command("Make a new session.", NEW_SESSION)
        }
        Denial::AddressRefused => in_words(
            "Use it from an address that it is for; or make a key that is for this one, with a key that is for all.",
        ),
        Denial::OutsideNarrowing => with_command(
            "Sign in with a key that reaches them; an owner or an admin of the workspace can say which does.",
            SIGN_IN,
        ),
        Denial::SecretReplaced | Denial::SecretExpired => with_command(
            "It was rotated, or reset and its link redeemed: sign in with its newer secret, which whoever did that was shown. If that is lost, make a new key with another one of yours, or ask an admin of the workspace to reset this one; an operator's, another operator.",
            SIGN_IN,
        ),
        Denial::FormerSecret => with_command(
            "This secret was replaced; use the newer one, which whoever rotated it was shown. If that is lost, ask an admin of the workspace to reset the key; for an operator's credential, another operator to make a new one.",
            SIGN_IN,
        ),
        Denial::NotCovered => with_command(
            "Do it with a credential that carries as much, is as wide, and lasts as long. A key can always be rotated with itself.",
            SIGN_IN,
        ),
        Denial::OwnKey => {
            in_words("Rotate it instead, which shows the new secret at once; or reset it with another key.")
        }
        Denial::AnotherOperators => {
            in_words("Whose it is rotates it. If they have lost it, revoke it and make a new one for them.")
        }
        Denial::KeyReset => with_command(
            "Ask the admin who reset it for the link, sign in in a browser and open it there: it shows the new secret once. It is good for 15 minutes, and they can make another. Then sign in with that secret.",
            SIGN_IN,
        ),
        Denial::CredentialExpired => with_command(
            "Make a new key with another one of yours, or ask an admin of the workspace for one; then sign in with that.",
            SIGN_IN,
        ),
        Denial::CredentialRevoked => with_command(
            "It was ended on purpose and doesn't come back. Make a new key with another one of yours, or ask an admin of the workspace for one; then sign in with that.",
            SIGN_IN,
        ),
        Denial::NotFound | Denial::RoleTooLow => credential(""),
    }
}
