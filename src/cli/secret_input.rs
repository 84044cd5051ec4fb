//! Secrets come by standard input: an argument is visible to every user of the machine, and the shell
//! remembers it.

use std::io::{BufRead as _, IsTerminal as _, Read as _};

use zeroize::Zeroizing;

use super::failure::Failure;
use super::output::note;

/// More than any credential or header has, in bytes.
const LONGEST: u64 = 64 * 1024;

/// What stands on standard input, without the newline at its end. `what` is asked for at a terminal, where
/// one line is read.
pub(super) fn read(what: &str) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let mut input = std::io::stdin().lock().take(LONGEST);
    let read = if std::io::stdin().is_terminal() {
        note(&format!("Paste {what}, and press Enter."));
        input.read_line(&mut text)
    } else {
        input.read_to_string(&mut text)
    };
    read.map_err(|error| Failure::failed(format!("standard input cannot be read: {error}")))?;
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    Ok(text)
}

/// Refuses whatever was given as an argument, and doesn't repeat it.
pub(super) fn refuse_arguments(given: &[String], command: &str) -> Result<(), Failure> {
    if given.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "`{command}` takes the credential from standard input only: as an argument, every user of this machine can see it, and the shell remembers it; if it was a real one, revoke it"
    )))
}
