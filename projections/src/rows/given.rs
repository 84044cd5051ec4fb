//! Given these events, then these rows: how folds are tested.

use std::collections::BTreeMap;
use std::fmt::Debug;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::{Aggregate, DomainEvent};
use tollbook_aggregates::{
    ApiKey, Device, Event, Fact, Instance, Loadout, OneTimeLink, Operator, Session, SignIn, Token,
    ToolServer, User, Workspace,
};
use tollbook_journal::{Position, Recorded, Stream};
use uuid::Uuid;

use crate::happening::{Happening, Metadata};
use crate::model::folding::Fold;
use crate::model::{Posting, Rows};
use crate::projection::{Projection, Sealed};

/// The workspace in which everything happens.
pub(crate) const WORKSPACE: u128 = 900;

pub(crate) fn id<T: From<Uuid>>(number: u128) -> T {
    Uuid::from_u128(number).into()
}

/// When the event at a position was recorded.
pub(crate) fn time(position: u64) -> DateTime<Utc> {
    let noon: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
    noon + TimeDelta::seconds(i64::try_from(position).unwrap())
}

fn event_id(position: u64) -> Uuid {
    Uuid::from_u128(0xeeee_0000 + u128::from(position))
}

/// A pointer to a field of the event at a position, as rows hold it.
#[expect(clippy::unnecessary_wraps, reason = "rows hold none where there is no text")]
pub(crate) fn sealed(position: u64, field: &str) -> Option<Sealed> {
    Some(Sealed { position: Position(position), event_id: event_id(position), field: field.into() })
}

/// The event at a position, of the aggregate of this number, as it comes back from the book.
pub(crate) fn happening(position: u64, aggregate: u128, event: &Event) -> Happening {
    fn say<A: Aggregate>(event: &A::Event) -> (&'static str, String, String, bool, bool, Vec<String>)
    where
        A::Event: Fact,
    {
        let fields = event.private().into_iter().map(|(field, _)| field.to_owned()).collect();
        let payload = serde_json::to_string(event).unwrap();
        (A::TYPE, event.event_type(), payload, event.control(), event.narrows(), fields)
    }
    let (aggregate_type, event_type, payload, control, narrows, fields) = match event {
        Event::Instance(event) => say::<Instance>(event),
        Event::Operator(event) => say::<Operator>(event),
        Event::User(event) => say::<User>(event),
        Event::Workspace(event) => say::<Workspace>(event),
        Event::ToolServer(event) => say::<ToolServer>(event),
        Event::Token(event) => say::<Token>(event),
        Event::Loadout(event) => say::<Loadout>(event),
        Event::Session(event) => say::<Session>(event),
        Event::ApiKey(event) => say::<ApiKey>(event),
        Event::Device(event) => say::<Device>(event),
        Event::SignIn(event) => say::<SignIn>(event),
        Event::OneTimeLink(event) => say::<OneTimeLink>(event),
    };
    let recorded = Recorded {
        position: Position(position),
        event_id: event_id(position),
        stream: Stream {
            aggregate_type: aggregate_type.into(),
            aggregate_id: id::<Uuid>(aggregate).to_string(),
        },
        sequence: position + 1,
        event_type,
        event_version: "1.0".into(),
        payload,
        metadata: format!(
            r#"{{"actor":"user:{0}","credential":"api_key:{0}","role":"admin","request_id":"r{position}"}}"#,
            id::<Uuid>(77)
        ),
        workspace_id: id(WORKSPACE),
        workspace_sequence: position + 1,
        control,
        narrows,
        commitments: fields.into_iter().map(|field| (field, [0; 32])).collect(),
        recorded_at: time(position),
    };
    let happening = Happening::decode(recorded).unwrap();
    assert_ne!(happening.metadata, Metadata::default());
    happening
}

/// The rows that a history makes, each with its ordinal.
pub(crate) struct Then<P: Projection> {
    rows: BTreeMap<String, P::Row>,
    misfit: Option<u64>,
}

/// Folds a history of (aggregate, event), from position 0 on; one event a page and the whole in one
/// page must make the same.
pub(crate) fn given<P: Projection>(history: impl IntoIterator<Item = (u128, Event)>) -> Then<P>
where
    P::Row: PartialEq + Debug,
{
    let page: Vec<_> =
        (0..).zip(history).map(|(at, (aggregate, event))| happening(at, aggregate, &event)).collect();
    let whole = fold::<P>(std::slice::from_ref(&page.as_slice()));
    let single: Vec<&[Happening]> = page.chunks(1).collect();
    let singly = fold::<P>(&single);
    assert_eq!(whole.rows, singly.rows, "the size of pages makes no difference");
    whole
}

fn fold<P: Projection>(pages: &[&[Happening]]) -> Then<P> {
    let (model, mut stored, mut misfit) = (Rows::<P>::new(), BTreeMap::new(), None);
    let mut postings = std::collections::BTreeSet::new();
    for page in pages {
        let rows = model.keys(page).iter().filter_map(|key| stored.get(key).cloned()).collect();
        let folded = model.fold(page, rows);
        for key in folded.deletes {
            assert!(stored.remove(&key).is_some(), "{key} was there");
        }
        for row in folded.inserts {
            assert!(stored.insert(row.key.clone(), row).is_none(), "it was not there");
        }
        for update in folded.updates {
            stored.get_mut(&update.key).expect("it was there").data = update.data;
        }
        for posting in folded.removed {
            assert!(postings.remove(&posting), "{posting:?} was there");
        }
        for posting in folded.added {
            assert!(postings.insert(posting), "{posting:?} was not there");
        }
        for block in folded.blocks {
            for offset in block.offsets {
                let posting = Posting { term: block.term, ordinal: block.first + i64::from(offset) };
                assert!(postings.insert(posting), "{posting:?} was not there");
            }
        }
        if let Some((position, _)) = folded.poison {
            misfit = Some(position.0);
            break;
        }
    }
    let rows: BTreeMap<String, P::Row> =
        stored.values().map(|row| (row.key.clone(), serde_json::from_str(&row.data).unwrap())).collect();
    // Each row is found by its terms, and nothing else is.
    let found: usize = rows.values().map(|row| P::terms(row).len()).sum();
    assert_eq!(postings.len(), found);
    Then { rows, misfit }
}

impl<P: Projection> Then<P>
where
    P::Row: PartialEq + Debug,
{
    #[track_caller]
    pub(crate) fn then_expect<const N: usize>(&self, rows: [(&str, P::Row); N]) {
        assert_eq!(self.misfit, None);
        assert_eq!(self.rows, rows.map(|(key, row)| (key.to_owned(), row)).into());
    }

    /// The one row that there is.
    #[track_caller]
    pub(crate) fn only(&self) -> &P::Row {
        assert_eq!((self.misfit, self.rows.len()), (None, 1), "{:?}", self.rows);
        self.rows.values().next().unwrap()
    }

    #[track_caller]
    pub(crate) fn then_expect_misfit_at(&self, position: u64) {
        assert_eq!(self.misfit, Some(position));
    }

    /// The terms of the one row.
    #[track_caller]
    pub(crate) fn terms(&self) -> Vec<String> {
        let mut terms: Vec<_> = P::terms(self.only()).iter().map(ToString::to_string).collect();
        terms.sort();
        terms
    }
}
