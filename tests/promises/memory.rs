//! Promise 2, for reads: what is answered from memory is what would be decided for the record.
//!
//! Random histories of everything that decisions rest on: people, keys, tool servers, loadouts,
//! sessions, made and taken away. After each step every question is asked twice, once from memory and
//! once for the record, and the two must agree on yes or no, and on why not.

use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::join_all;
use tollbook::app::App;
use tollbook::book::Draft;
use tollbook::calls::CallRefused;
use tollbook::clock::Clock;
use tollbook_aggregates::access::{Caller, Denial, World as _};
use tollbook_aggregates::{
    ApiKey, ApiKeyCommand, ApiKeyId, KnownTool, Loadout, LoadoutCommand, LoadoutId, PinnedTool, Role,
    Session, SessionCommand, SessionId, ToolServer, ToolServerCommand, UserId, Workspace, WorkspaceCommand,
};
use tollbook_journal::Expected;

use super::figures::{count, print};
use super::tenant::{Made, Tenant, ask, write};
use crate::house::TestHouse;

/// So few of each that histories meet.
const EACH: usize = 3;
const TOOLS: [&str; 2] = ["echo", "fetch"];

/// Xorshift: the same seed, the same history.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % bound
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// A workspace and what happens in it.
struct History {
    app: Arc<App>,
    tenant: Tenant,
    random: Random,
    users: Vec<UserId>,
    keys: Vec<ApiKeyId>,
    loadouts: Vec<LoadoutId>,
    sessions: Vec<SessionId>,
}

impl History {
    async fn begin(app: &Arc<App>, seed: u64) -> Self {
        let tenant = Tenant::found(app).await;
        let (users, keys) = (vec![tenant.owner], vec![tenant.key]);
        let (loadouts, sessions) = (vec![tenant.loadout], vec![]);
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        Self { app: Arc::clone(app), tenant, random, users, keys, loadouts, sessions }
    }

    /// One thing more happens, if it can.
    async fn step(&mut self) {
        let draft = match self.random.below(20) {
            0..2 => self.person(),
            2..5 => self.key(),
            5..8 => self.loadout(),
            8..14 => self.session(),
            14..15 => self.drift(),
            15..17 => self.end_session(),
            17 => self.end_key(),
            18 => self.membership(),
            _ => self.end_loadout(),
        };
        if !draft.is_empty() && draft.iter().all(|draft| !draft.is_empty()) {
            write(&self.app, draft).await;
        }
    }

    fn fresh<T: From<uuid::Uuid> + Copy>(pool: &mut Vec<T>, random: &mut Random) -> T {
        let id = Clock::fresh_id();
        if pool.len() < EACH {
            pool.push(id);
        } else {
            let place = random.below(pool.len());
            pool[place] = id;
        }
        id
    }

    fn person(&mut self) -> Vec<Draft> {
        let id = Self::fresh(&mut self.users, &mut self.random);
        self.tenant.take_in(id).into()
    }

    fn key(&mut self) -> Vec<Draft> {
        let (id, user) = (Self::fresh(&mut self.keys, &mut self.random), self.random.one(&self.users));
        let ends = (self.random.below(4) == 0).then(|| self.app.clock.now() + TimeDelta::minutes(30));
        vec![self.tenant.make_key(&self.app, id, user, ends)]
    }

    fn loadout(&mut self) -> Vec<Draft> {
        let id = Self::fresh(&mut self.loadouts, &mut self.random);
        vec![self.tenant.make_loadout(id)]
    }

    fn session(&mut self) -> Vec<Draft> {
        let id = Self::fresh(&mut self.sessions, &mut self.random);
        let minutes = self.random.one(&[20, 200]);
        let made = Made {
            user: self.random.one(&self.users),
            key: self.random.one(&self.keys),
            loadout: self.random.one(&self.loadouts),
            expires_at: self.app.clock.now() + TimeDelta::minutes(minutes),
        };
        vec![self.tenant.make_session(&self.app, id, made)]
    }

    /// The tool server lists its tools anew, changed or not.
    fn drift(&mut self) -> Vec<Draft> {
        let digest = self.random.one(&["1", "1", "2"]);
        let tools = vec![KnownTool { name: TOOLS[0].into(), digest: digest.into() }];
        let refresh = ToolServerCommand::RefreshTools { tools, definitions: "{}".into() };
        let id = self.tenant.server;
        let events = self.app.authority.look(|live| live.tool_server(id).decide(refresh)).unwrap_or_default();
        vec![Draft::new::<ToolServer>(self.tenant.workspace.0, id.0, Expected::Any, &events).unwrap()]
    }

    fn end_session(&mut self) -> Vec<Draft> {
        if self.sessions.is_empty() {
            return vec![];
        }
        let id = self.random.one(&self.sessions);
        let revoke = SessionCommand::Revoke { reason: None };
        let events = self.app.authority.look(|live| live.session(id).decide(revoke)).unwrap_or_default();
        vec![Draft::new::<Session>(self.tenant.workspace.0, id.0, Expected::Any, &events).unwrap()]
    }

    fn end_key(&mut self) -> Vec<Draft> {
        let id = self.random.one(&self.keys);
        let revoke = ApiKeyCommand::Revoke { reason: None };
        let events = self.app.authority.look(|live| live.api_key(id).decide(revoke)).unwrap_or_default();
        vec![Draft::new::<ApiKey>(self.tenant.workspace.0, id.0, Expected::Any, &events).unwrap()]
    }

    fn end_loadout(&mut self) -> Vec<Draft> {
        let id = self.random.one(&self.loadouts);
        let pin = PinnedTool {
            name: TOOLS[1].into(),
            tool_server_id: self.tenant.server,
            tool: TOOLS[0].into(),
            digest: "1".into(),
        };
        let command = match self.random.below(2) {
            0 => LoadoutCommand::Remove,
            _ => LoadoutCommand::Change { tools: vec![pin], definitions: "{}".into() },
        };
        let events = self.app.authority.look(|live| live.loadout(id).decide(command)).unwrap_or_default();
        vec![Draft::new::<Loadout>(self.tenant.workspace.0, id.0, Expected::Any, &events).unwrap()]
    }

    /// Somebody goes, or becomes something else.
    fn membership(&mut self) -> Vec<Draft> {
        let user_id = self.random.one(&self.users);
        let command = match self.random.below(3) {
            0 => WorkspaceCommand::RemoveMember { user_id },
            1 => WorkspaceCommand::ChangeRole { user_id, role: Role::Auditor },
            _ => WorkspaceCommand::ChangeRole { user_id, role: Role::Member },
        };
        let id = self.tenant.workspace;
        let events = self.app.authority.look(|live| live.workspace(id).decide(command)).unwrap_or_default();
        vec![Draft::new::<Workspace>(id.0, id.0, Expected::Any, &events).unwrap()]
    }

    /// Asks everything twice, and answers with how many questions there were and how many had a yes.
    async fn compare(&self) -> (usize, usize) {
        let mut questions = Vec::new();
        for session in &self.sessions {
            let tokens = self.sessions.iter().map(|token| Caller::Session(*token));
            for caller in self.keys.iter().map(|key| Caller::ApiKey(*key)).chain(tokens) {
                questions.extend(TOOLS.map(|tool| (caller, *session, tool)));
            }
        }
        let answers = join_all(questions.iter().map(|(caller, session, tool)| async move {
            let from_memory = reason(self.app.calls.check(*caller, *session, tool).await.map(drop));
            let recorded = self.app.calls.authorize(&ask(*session, *caller, tool)).await.map(drop);
            (from_memory, reason(recorded))
        }));
        let mut yes = 0;
        for ((from_memory, recorded), question) in answers.await.into_iter().zip(&questions) {
            assert_eq!(
                from_memory, recorded,
                "checked from memory, and decided for the record: {question:?}"
            );
            yes += usize::from(recorded.is_none());
        }
        (questions.len(), yes)
    }
}

/// Why not, if not.
fn reason(answer: Result<(), CallRefused>) -> Option<Denial> {
    match answer {
        Ok(()) => None,
        Err(CallRefused::Denied { denial, .. } | CallRefused::Credential(denial)) => Some(denial),
        Err(CallRefused::UnknownSession) => Some(Denial::NotFound),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checked_from_memory_is_what_is_decided_for_the_record() {
    let histories: u64 = count("TOLLBOOK_HISTORIES", 6);
    let house = TestHouse::sqlite().await;
    let (mut asked, mut yes) = (0, 0);
    for seed in 1..=histories {
        let mut history = History::begin(&house.app, seed).await;
        for step in 0..40 {
            history.step().await;
            if step % 8 == 7 {
                house.app.clock.set_ahead(TimeDelta::minutes(i64::from(step) * 2));
            }
            let (questions, permitted) = history.compare().await;
            asked += questions;
            yes += permitted;
        }
        house.app.clock.set_ahead(TimeDelta::zero());
    }
    print("memory and record", &[("questions", asked.to_string()), ("permitted", yes.to_string())]);
    assert!(asked > 2_000 && yes > asked / 50, "too few questions, or nearly nothing was ever permitted");
    house.stop().await;
}
