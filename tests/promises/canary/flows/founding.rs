//! The first of everything: by the link of an empty book, as its page does it; and by the command, on another book.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::super::load::{Door, said};
use super::super::super::service::Home;
use super::super::database;
use super::super::secrets::{PERSONS_ADDRESS, Secrets};
use super::{Drive, Flow};

impl<'a> Drive<'a> {
    pub(super) async fn found(home: &'a Home, mut flow: Flow) -> Self {
        by_command(&mut flow).await;
        let service = home.serve().await;
        let link = first_owners_link(home).await;
        flow.secrets.link("the first owner's link", link.trim());
        let empty = String::new;
        let (base, key, operator) = (empty(), empty(), empty());
        let address = PERSONS_ADDRESS;
        let mut drive = Self { home, service, base, key, operator, address, flow };

        let mut founder = drive.browser();
        let half = &link.trim()[..link.trim().len() - 9];
        let (path, _) = crate::house::visitor::path_and_secret(link.trim());
        drive.look(&mut founder, "/").await.expect(303);
        drive.look(&mut founder, path).await.expect(200);
        drive.submit(&mut founder, "/otl", &[("link", half)]).await.expect(400);
        let asked = [
            ("name", Secrets::name("the first owner's name")),
            ("workspace", Secrets::name("the first workspace's name")),
        ];
        let founded = drive.redeem(&mut founder, link.trim(), &asked).await.expect(200);
        founded.secret().expect("the operator's credential is shown").clone_into(&mut drive.operator);
        drive.flow.secrets.credential("the first operator's credential", &drive.operator);
        drive.look(&mut founder, "/").await.expect(200);
        // It is used up, and says so to whoever has it.
        let (_, secret) = crate::house::visitor::path_and_secret(link.trim());
        drive.submit(&mut founder, path, &[("secret", secret)]).await.expect(410);
        drive.workspace().await;
        drive
    }

    /// The workspace that most happens in.
    async fn workspace(&mut self) {
        let owner = json!({ "name": Secrets::name("a person's name") });
        let body = json!({ "name": Secrets::name("a workspace's name"), "owner": owner });
        let operator = self.operator.clone();
        let (id, key) = self.shown(&operator, "/v1/workspaces", &body, "api_key").await;
        self.base = format!("/v1/workspaces/{id}");
        self.key = key;
    }
}

/// It lies there once the service has said so.
async fn first_owners_link(home: &Home) -> String {
    let end = Instant::now() + Duration::from_secs(60);
    while !home.log_text().contains("first-owner-link") {
        assert!(Instant::now() < end, "an empty book has one: {}", home.log_text());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    std::fs::read_to_string(home.data_dir().join("first-owner-link")).expect("it lies there")
}

/// What `tollbook bootstrap` shows is shown once, and lies nowhere.
async fn by_command(flow: &mut Flow) {
    let home = Home::sqlite().with("TOLLBOOK_LOG", "trace");
    let (person, workspace) = ("Canary-Bootstrap Ünger", "Canary-Bootstrap's workspace");
    let first = home.bootstrap_as(person, workspace).await;
    flow.secrets.credential("the key of a bootstrap", &first.key);
    flow.secrets.credential("the operator's credential of a bootstrap", &first.operator);
    let args = ["--json", "bootstrap", "--user", person, "--workspace", workspace];
    let (status, printed) = home.run(&args, &[]).await;
    assert!(!status.success(), "once");
    let _ = writeln!(flow.terminal, "{printed}");
    let service = home.serve().await;
    let read = Door::new(&service.url, &first.key).request(reqwest::Method::GET, "/v1/workspaces");
    said(read).await.expect("it answers").expect(200);
    service.terminate();
    assert_eq!(service.ended().await.code(), Some(0));
    for place in database::places(&home, None).await {
        flow.files.push(place.named("of the bootstrapped service"));
    }
    flow.files.push(super::Place::new("the log of the bootstrapped service", home.log_text().into_bytes()));
}
