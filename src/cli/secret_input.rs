//! Secrets come by standard input: an argument is visible to every user of the machine, and the shell
//! remembers it. At a terminal nothing of them is shown.

mod silence;

use std::io::{BufRead as _, IsTerminal as _, Read as _};

use zeroize::Zeroizing;

use super::failure::Failure;
use super::output::note;
use silence::Silence;

/// More than any credential or header has, in bytes.
const LONGEST: u64 = 64 * 1024;

/// What stands on standard input, without the newline at its end. `what` is asked for at a terminal, where
/// one line is read.
pub(super) fn read(what: &str) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let stdin = std::io::stdin();
    let mut input = stdin.lock().take(LONGEST);
    let read = if stdin.is_terminal() {
        let silence = Silence::begin()?;
        note(&format!("Paste {what}, and press Enter; it is not shown."));
        let read = input.read_line(&mut text);
        drop(silence);
        read
    } else {
        input.read_to_string(&mut text)
    };
    read.map_err(|error| Failure::failed(format!("standard input cannot be read: {error}")))?;
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    if text.trim().is_empty() {
        return Err(Failure::failed(format!("nothing came on standard input, where {what} should stand")));
    }
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
