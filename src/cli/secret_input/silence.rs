//! A terminal that doesn't show what is typed, and shows it again however the process ends that asked for it.

use std::io::stdin;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::failure::Failure;

/// What a shell says of a process that a signal ended, without the signal's number.
const SIGNALLED: i32 = 128;
/// A control character that nothing stands for (`_POSIX_VDISABLE`).
const NONE: u8 = 0;

/// The terminal shows nothing as long as this is held.
pub(super) struct Silence {
    before: Termios,
}

impl Silence {
    /// Silences the terminal on standard input.
    pub(super) fn begin() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::failed(format!("the terminal cannot be kept from showing what is typed: {error}"))
        };
        let before = tcgetattr(stdin()).map_err(|error| failed(error.into()))?;
        for kind in
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()]
        {
            restore_at(kind, before.clone()).map_err(failed)?;
        }
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // The newline is shown: what comes next stands on a line of its own.
        silent.local_modes.insert(LocalModes::ECHONL);
        // Suspended, it would leave a silent terminal to whoever comes next.
        silent.special_codes[SpecialCodeIndex::VSUSP] = NONE;
        tcsetattr(stdin(), OptionalActions::Flush, &silent).map_err(|error| failed(error.into()))?;
        Ok(Self { before })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        restore(&self.before);
    }
}

fn restore(before: &Termios) {
    // A terminal that is gone needs it no more.
    let _ = tcsetattr(stdin(), OptionalActions::Now, before);
}

/// From now on, this signal restores the terminal and ends the process, as it would have: for good, since a signal
/// that was listened to once never ends a process by itself again.
fn restore_at(kind: SignalKind, before: Termios) -> std::io::Result<()> {
    let mut received = signal(kind)?;
    tokio::spawn(async move {
        received.recv().await;
        restore(&before);
        std::process::exit(SIGNALLED + kind.as_raw_value());
    });
    Ok(())
}
