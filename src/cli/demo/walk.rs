//! The main job, from a workspace to the audit trail.

use serde_json::{Value, json};
use url::Url;

use super::agent::{Agent, Outcome};
use super::story::Story;
use super::url_of;
use crate::cli::failure::Failure;
use crate::cli::fields::{list_of, text_of, time_of};
use crate::cli::output::{self, Column, facts, short, text};
use crate::cli::resolve::{MOST, Rooms};
use crate::cli::{audit, session};
use crate::sample::LEFT_OUT;

/// How what the walk makes is called.
const SERVER: &str = "sample";
const LOADOUT: &str = "demo";
/// What of the sample an agent is to have.
const PICKED: [&str; 3] = ["add", "echo", "word_count"];

/// Somebody's first five minutes.
#[derive(Debug)]
pub(super) struct Walk {
    rooms: Rooms,
    sample: String,
    story: Story,
    /// Is the book new, so that all of it is the walk's?
    fresh: bool,
}

impl Walk {
    /// Through this workspace, with the sample server at `sample`.
    pub(super) fn new(rooms: Rooms, sample: String, fresh: bool) -> Self {
        Self { rooms, sample, story: Story::default(), fresh }
    }

    /// All of it.
    pub(super) async fn go(mut self, service: &Url) -> Result<(), Failure> {
        text(&format!(
            "Tollbook listens on {}. This is its main job, step by step, over HTTP:",
            output::plain(service)
        ))?;
        let begun = if self.fresh { 0 } else { audit::end(&self.rooms).await? };
        // What an earlier walk made is found, however short ago that was.
        if let Some(newest) = begun.checked_sub(1) {
            for list in ["tool-servers", "loadouts"] {
                self.rooms.client.settle_at(&self.rooms.path(&[list]), newest).await;
            }
        }
        self.workspace().await?;
        let server = self.server().await?;
        let loadout = self.loadout(&server).await?;
        let session = self.session(&loadout).await?;
        let agent = Agent::new(url_of(&session, "url")?, text_of(&session, "token"))?;
        let id = text_of(&session, "id");
        self.permitted(&agent, &id).await?;
        self.refused(&agent).await?;
        self.revocation(&id).await?;
        self.refused_after(&agent).await?;
        self.trail(begun).await
    }

    async fn workspace(&mut self) -> Result<(), Failure> {
        self.story.step("A workspace keeps a team's tool servers, loadouts, sessions and keys together.")?;
        let workspace = self.rooms.client.get(&self.rooms.path(&[]), &[]).await?;
        Story::show(&facts(&[("workspace", text_of(&workspace, "name")), ("id", text_of(&workspace, "id"))]))
    }

    /// Registers the sample, unless an earlier walk did.
    async fn server(&mut self) -> Result<String, Failure> {
        self.story.step("A tool server (any MCP server) is registered, and its tools are fetched.")?;
        let known = self.rooms.client.list(&self.rooms.path(&["tool-servers"]), &[], MOST).await?;
        let same = known.iter().find(|server| text_of(server, "url") == self.sample);
        let id = if let Some(server) = same {
            text_of(server, "id")
        } else {
            let body = json!({ "name": SERVER, "url": self.sample });
            text_of(&self.rooms.client.post(&self.rooms.path(&["tool-servers"]), &body).await?, "id")
        };
        let path = self.rooms.path(&["tool-servers", &id, "refresh-tools"]);
        let refreshed = self.rooms.client.post(&path, &json!({})).await?;
        let columns: [Column; 2] = [
            ("TOOL", |tool| text_of(tool, "name")),
            ("DESCRIPTION", |tool| short(&text_of(tool, "description"), 70)),
        ];
        Story::show(&facts(&[("tool server", SERVER.to_owned()), ("url", self.sample.clone())]))?;
        Story::show(&output::table(list_of(&refreshed, "tools"), &columns))?;
        Ok(id)
    }

    /// Makes the loadout; the next version of it, when an earlier walk made one.
    async fn loadout(&mut self, server: &str) -> Result<String, Failure> {
        self.story.step(&format!(
            "A loadout picks some of the tools, each pinned to its definition of now. `{LEFT_OUT}` stays out."
        ))?;
        let tools: Vec<Value> =
            PICKED.iter().map(|tool| json!({ "tool_server_id": server, "tool": tool })).collect();
        let known = self.rooms.client.list(&self.rooms.path(&["loadouts"]), &[], MOST).await?;
        let earlier = known.iter().find(|loadout| text_of(loadout, "name") == LOADOUT);
        let made = if let Some(earlier) = earlier {
            let id = text_of(earlier, "id");
            let path = self.rooms.path(&["loadouts", &id, "versions"]);
            self.rooms.client.post(&path, &json!({ "tools": tools })).await?
        } else {
            let body = json!({ "name": LOADOUT, "tools": tools });
            self.rooms.client.post(&self.rooms.path(&["loadouts"]), &body).await?
        };
        let version = text_of(&made, "version");
        Story::show(&facts(&[("loadout", LOADOUT.to_owned()), ("version", version)]))?;
        let columns: [Column; 2] = [
            ("TOOL", |tool| text_of(tool, "name")),
            ("PINNED TO", |tool| short(&text_of(tool, "digest"), 24)),
        ];
        Story::show(&output::table(list_of(&made, "tools"), &columns))?;
        Ok(text_of(&made, "id"))
    }

    async fn session(&mut self, loadout: &str) -> Result<Value, Failure> {
        self.story
            .step("A session on the loadout is what an agent gets: a URL, and a token that is shown once.")?;
        let body = json!({ "loadout_id": loadout, "label": "demo agent" });
        let session = self.rooms.client.post(&self.rooms.path(&["sessions"]), &body).await?;
        // This one goes into a terminal's memory, and maybe into a bug report.
        let token: String = text_of(&session, "token").chars().take(20).chain(['…']).collect();
        Story::show(&facts(&[
            ("url", text_of(&session, "url")),
            ("token", token),
            ("expires", time_of(&session, "expires_at")),
        ]))?;
        Ok(session)
    }

    async fn permitted(&mut self, agent: &Agent, session: &str) -> Result<(), Failure> {
        self.story.step("The agent calls a tool of the loadout at that URL. The permit is in the book before the call goes out.")?;
        let arguments = json!({ "a": 2, "b": 40 });
        Story::show(&format!("MCP   tools/call add {arguments}"))?;
        match agent.call("add", &arguments).await? {
            Outcome::Answered(answer) => Story::show(&format!("      {answer}"))?,
            Outcome::Refused(why) => return Err(unexpected("a tool of the loadout was refused", &why)),
        }
        let body = json!({ "tool": "word_count", "arguments": { "text": "every call is in the book" } });
        Story::show(&format!("REST  POST …/tool-calls {body}"))?;
        let called =
            self.rooms.client.post(&self.rooms.path(&["sessions", session, "tool-calls"]), &body).await?;
        Story::show(&format!("      {}", session::answer_of(called.get("result").unwrap_or(&Value::Null))))
    }

    async fn refused(&mut self, agent: &Agent) -> Result<(), Failure> {
        self.story.step("The agent tries a tool that isn't in the loadout. The tool server never hears of it; the book does.")?;
        Story::show(&format!("MCP   tools/call {LEFT_OUT} {{}}"))?;
        self.must_be_refused(agent, LEFT_OUT, &json!({})).await
    }

    async fn revocation(&mut self, session: &str) -> Result<(), Failure> {
        self.story.step(
            "Somebody revokes the session. From that position in the book on, nothing is permitted any more.",
        )?;
        let body = json!({ "reason": "end of the demo" });
        let path = self.rooms.path(&["sessions", session, "revoke"]);
        let revoked = self.rooms.client.post(&path, &body).await?;
        Story::show(&facts(&[
            ("status", text_of(&revoked, "status")),
            ("position", text_of(&revoked, "position")),
        ]))
    }

    async fn refused_after(&mut self, agent: &Agent) -> Result<(), Failure> {
        self.story.step("The agent tries once more, with the call that worked before.")?;
        Story::show(r#"MCP   tools/call add {"a":2,"b":40}"#)?;
        self.must_be_refused(agent, "add", &json!({ "a": 2, "b": 40 })).await
    }

    async fn must_be_refused(&self, agent: &Agent, tool: &str, arguments: &Value) -> Result<(), Failure> {
        match agent.call(tool, arguments).await? {
            Outcome::Refused(why) => Story::show(&format!("      refused: {why}")),
            Outcome::Answered(answer) => {
                Err(unexpected("a call that had to be refused was answered", &answer))
            }
        }
    }

    async fn trail(&mut self, begun: u64) -> Result<(), Failure> {
        self.story
            .step("The event stream is the audit trail: all of this, in the order of its positions.")?;
        let events = audit::from(&self.rooms, begun).await?;
        Story::show(&output::table(&events, &audit::COLUMNS))
    }
}

fn unexpected(what: &str, detail: &str) -> Failure {
    Failure::failed(format!("{what}: {detail}"))
}
