//! A real terminal, as `script` of util-linux opens one, with a shell in it.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::machine::Machine;

/// How long something may take to be shown. Generous: both cores may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// What Ctrl-C sends.
pub const CTRL_C: &str = "\u{3}";

/// A shell's commands at a terminal, and what they have shown.
pub struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: Receiver<Vec<u8>>,
    shown: Vec<u8>,
}

impl Terminal {
    /// Runs shell commands, in which `tollbook` is ours. An interrupt doesn't end the shell.
    pub fn open(machine: &Machine, commands: &str) -> Self {
        let bin = Path::new(env!("CARGO_BIN_EXE_tollbook")).parent().unwrap();
        let commands = format!("trap : INT\nPATH='{}':\"$PATH\"\n{commands}", bin.display());
        let mut command = machine.any_command(Path::new("script"), &["-qec", &commands, "/dev/null"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let keyboard = child.stdin.take().unwrap();
        let mut out = child.stdout.take().unwrap();
        let (pieces, screen) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = out.read(&mut piece) {
                if pieces.send(piece[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, keyboard, screen, shown: Vec::new() }
    }

    /// Waits until this is shown; answers with all that is shown by then.
    pub fn shows(&mut self, what: &str) -> String {
        loop {
            let shown = String::from_utf8_lossy(&self.shown).into_owned();
            if shown.contains(what) {
                return shown;
            }
            let piece = self.screen.recv_timeout(PATIENCE);
            self.shown.extend(piece.unwrap_or_else(|_| panic!("never showed `{what}`: {shown}")));
        }
    }

    pub fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Waits for the end; answers with all that was shown.
    pub fn ends(mut self) -> String {
        while let Ok(piece) = self.screen.recv_timeout(PATIENCE) {
            self.shown.extend(piece);
        }
        self.child.wait().unwrap();
        String::from_utf8_lossy(&self.shown).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
