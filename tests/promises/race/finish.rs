//! What the book says of the races.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tollbook_journal::{Journal, Recorded};

use super::super::{book, figures};
use super::course::{Narrowing, Round};

/// Counted from the book, and from what callers were told.
#[derive(Debug, Default)]
pub(super) struct Finish {
    rounds: usize,
    pub(super) calls: usize,
    permits: usize,
    denials: usize,
    /// Rounds whose narrowing stands in the book, where the replica said.
    pub(super) narrowed: usize,
    /// Rounds in which a call and the narrowing were in flight at the same moment.
    pub(super) together: usize,
    /// Appends that the fence refused.
    pub(super) stale: u64,
    /// Permits in the book behind the narrowing that should have stopped them.
    pub(super) behind: usize,
    /// Of those, calls that would have been forwarded.
    pub(super) forwarded_behind: usize,
    /// Permits given to calls that were asked after the narrowing had been acknowledged.
    pub(super) after_acknowledgement: usize,
    took: Duration,
}

impl Finish {
    pub(super) async fn read(journal: &Journal, rounds: &[Round], stale: u64, took: Duration) -> Self {
        let mut finish = Self { rounds: rounds.len(), stale, took, ..Self::default() };
        for round in rounds {
            finish.count(round);
        }
        let events = book::whole(journal).await;
        let mut ends: HashMap<String, &Round> = rounds.iter().map(|round| (end_of(round), round)).collect();
        let mut ended = HashSet::new();
        for event in &events {
            if event.narrows
                && let Some(round) = ends.remove(&name_of(event))
            {
                assert_eq!(event.position, round.position, "acknowledged where it stands");
                ended.insert(round.session.to_string());
                finish.narrowed += 1;
            }
            if event.event_type == "session.tool_denied" {
                finish.denials += 1;
            }
            if book::is_permit(event) {
                finish.permits += 1;
                finish.behind += usize::from(ended.contains(&event.stream.aggregate_id));
            }
        }
        finish
    }

    fn count(&mut self, round: &Round) {
        self.calls += round.calls.len();
        let met = |asked, answered| asked < round.acknowledged && answered > round.asked;
        self.together += usize::from(round.calls.iter().any(|call| met(call.asked, call.answered)));
        for call in &round.calls {
            let Some(position) = call.permitted else { continue };
            self.after_acknowledgement += usize::from(call.asked > round.acknowledged);
            self.forwarded_behind += usize::from(call.forwarded && position > round.position);
        }
    }

    pub(super) fn print(&self, replicas: usize) {
        figures::print(
            if cfg!(feature = "fence-off") { "race without the fence" } else { "race" },
            &[
                ("replicas", replicas.to_string()),
                ("rounds", self.rounds.to_string()),
                ("calls", self.calls.to_string()),
                ("permits", self.permits.to_string()),
                ("denials", self.denials.to_string()),
                ("rounds in flight together", self.together.to_string()),
                ("appends answered Stale", self.stale.to_string()),
                ("permits behind their revocation", self.behind.to_string()),
                ("after its acknowledgement", self.after_acknowledgement.to_string()),
                ("took", figures::ms(self.took)),
            ],
        );
    }
}

/// The narrowing of a round, by what its event says.
fn end_of(round: &Round) -> String {
    match round.narrowing {
        Narrowing::Session(id) => format!("session.revoked {id}"),
        Narrowing::Key(id) => format!("api_key.revoked {id}"),
        Narrowing::Loadout(id) => format!("loadout.removed {id}"),
        Narrowing::Member(id) => format!("workspace.member_removed {id}"),
    }
}

fn name_of(event: &Recorded) -> String {
    let id = match event.event_type.as_str() {
        "workspace.member_removed" => {
            let payload = book::payload(event);
            let removed = payload.pointer("/member_removed/user_id").and_then(|id| id.as_str());
            removed.expect("it says who").to_owned()
        }
        _ => event.stream.aggregate_id.clone(),
    };
    format!("{} {id}", event.event_type)
}
