//! The command line: what it prints, and what it keeps. `state.json` is the one place where a key may stand.

use std::fmt::Write as _;

use serde_json::json;

use super::super::needles::Place;
use super::super::secrets::{PASSWORD, Secrets};
use super::Drive;

impl Drive<'_> {
    pub(super) async fn terminal(&mut self) {
        let owner = self.key.clone();
        let body = json!({ "device_label": Secrets::name("a device's label") });
        let (id, key) = self.shown(&owner, "{w}/api-keys", &body, "key").await;
        let url = self.service.url.clone();
        self.said(&["login", "--with-api-key", "--server", &url], &[], &key, Some(0)).await;
        let state = self.state_dir().join("state.json");
        assert!(std::fs::read_to_string(&state).expect("it is kept").contains(&key), "here it may stand");
        for args in [
            &["status"][..],
            &["status", "--json"],
            &["key", "list"],
            &["key", "list", "--json"],
            &["workspace", "list"],
            &["audit", "search", "--json"],
            &["config"],
        ] {
            self.said(args, &[], "", Some(0)).await;
        }
        let key = self.rotated_here(&state).await;
        // Whether all is well with this machine isn't what is asked here.
        let (_, findings) = self.ran(&["doctor", "--json"], &[], "").await;
        assert!(findings.contains("findings"), "{findings}");
        self.said(&["key", "check"], &[], &key, Some(0)).await;
        self.said(&["key", "check", "--json"], &[], &key, Some(0)).await;
        self.said(&["key", "check"], &[], &key[..60], Some(1)).await;
        self.said(&["key", "check", &key], &[], "", Some(2)).await;
        self.said(&["login", "--with-api-key", &key], &[], "", Some(2)).await;
        self.said(&["login", "--with-api-key", "--server", &url], &[], &key[..60], Some(3)).await;
        self.said(&["no-such-command", &key], &[], "", Some(2)).await;
        self.said(&["status"], &[("TOLLBOOK_API_KEY", &key[..60])], "", Some(3)).await;
        // The key ends: every command says so, and not which it was.
        self.post(&format!("{{w}}/api-keys/{id}/revoke"), &json!({})).await.expect(200);
        for args in [&["status"][..], &["key", "list", "--json"], &["session", "list"]] {
            self.said(args, &[], "", Some(3)).await;
        }
        self.databases().await;
        self.kept(&["state.json"]);
        self.said(&["logout"], &[], "", Some(0)).await;
        assert!(!state.exists());
        self.kept(&[]);
    }

    /// Gives the kept key another secret, which is shown this once, and kept.
    async fn rotated_here(&mut self, state: &std::path::Path) -> String {
        let before = self.flow.terminal.len();
        self.said(&["key", "rotate", "--json", "--grace", "0"], &[], "", Some(0)).await;
        let printed = self.flow.terminal.split_off(before);
        let (_, after) = printed.split_once("tbk_key_").expect("it is shown");
        let key = format!("tbk_key_{}", &after[..61]);
        self.flow.secrets.credential("a key that was rotated at the terminal", &key);
        assert!(std::fs::read_to_string(state).expect("it is kept").contains(&key), "the new one is kept");
        key
    }

    fn state_dir(&self) -> std::path::PathBuf {
        self.home.dir.path().join("home/.tollbook")
    }

    /// All that lies with whoever uses the command line, but for these files, is to be searched.
    fn kept(&mut self, but: &[&str]) {
        for entry in std::fs::read_dir(self.state_dir()).expect("it is there") {
            let entry = entry.expect("it can be listed");
            let (name, bytes) = (entry.file_name(), std::fs::read(entry.path()).expect("it can be read"));
            let name = name.to_string_lossy();
            // An empty file has no room for a secret: the lock.
            if !but.contains(&&*name) && !bytes.is_empty() {
                self.flow.files.push(Place::new(&format!("~/.tollbook/{name}"), bytes));
            }
        }
    }

    /// What says where a database is may hold its password.
    async fn databases(&mut self) {
        let nowhere = format!("postgres://canary:{PASSWORD}@127.0.0.1:1/nowhere");
        let malformed = format!("postgres://canary:{PASSWORD}@127.0.0.1:none/nowhere");
        for (args, url, code) in [
            (&["--json", "config"][..], &nowhere, Some(0)),
            (&["config"], &nowhere, Some(0)),
            (&["migrate"], &nowhere, None),
            (&["migrate"], &malformed, None),
            (&["serve"], &malformed, None),
        ] {
            self.said(args, &[("TOLLBOOK_DATABASE_URL", url)], "", code).await;
        }
    }

    /// Runs a command with this on standard input, and keeps what it says. It ends with this code, or fails.
    async fn said(&mut self, args: &[&str], environment: &[(&str, &str)], input: &str, code: Option<i32>) {
        let (status, printed) = self.ran(args, environment, input).await;
        match code {
            Some(code) => assert_eq!(status.code(), Some(code), "{args:?}: {printed}"),
            None => assert!(!status.success(), "{args:?}: {printed}"),
        }
    }

    async fn ran(
        &mut self,
        args: &[&str],
        environment: &[(&str, &str)],
        input: &str,
    ) -> (std::process::ExitStatus, String) {
        let home = self.home.dir.path().join("home");
        std::fs::create_dir_all(&home).expect("there is room");
        let home = home.display().to_string();
        let url = self.service.url.clone();
        let more = [("HOME", home.as_str()), ("TOLLBOOK_URL", &url)];
        let environment: Vec<_> = more.into_iter().chain(environment.iter().copied()).collect();
        let (status, printed) = self.home.run_with(args, &environment, input).await;
        let _ = writeln!(self.flow.terminal, "{printed}");
        (status, printed)
    }
}
