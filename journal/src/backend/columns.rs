//! A batch as columns: the arguments of `append_batch`.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::append::{Expected, Write};
use crate::commitments;
use crate::event::{NewEvent, Position};
use crate::queue::Item;

/// Requests and workspaces are numbered from 1, as `PostgreSQL` numbers arrays.
#[derive(Default)]
pub(crate) struct Columns<'a> {
    pub(crate) requests: Requests<'a>,
    pub(crate) workspaces: Vec<Uuid>,
    pub(crate) expectations: Expectations<'a>,
    pub(crate) events: Events<'a>,
    pub(crate) bodies: Bodies<'a>,
}

#[derive(Default)]
pub(crate) struct Requests<'a> {
    pub(crate) fence: Vec<Option<i64>>,
    pub(crate) not_after: Vec<Option<DateTime<Utc>>>,
    pub(crate) events: Vec<i32>,
    pub(crate) scope: Vec<Option<&'a str>>,
    pub(crate) key: Vec<Option<&'a str>>,
    pub(crate) hash: Vec<Option<&'a [u8]>>,
    pub(crate) answer: Vec<Option<&'a [u8]>>,
    pub(crate) expires: Vec<Option<DateTime<Utc>>>,
    pub(crate) session: Vec<Option<Uuid>>,
    pub(crate) total: Vec<Option<i64>>,
}

#[derive(Default)]
pub(crate) struct Expectations<'a> {
    pub(crate) request: Vec<i32>,
    pub(crate) aggregate_type: Vec<&'a str>,
    pub(crate) aggregate_id: Vec<&'a str>,
    /// -1 for "never written".
    pub(crate) at: Vec<i64>,
}

#[derive(Default)]
pub(crate) struct Events<'a> {
    pub(crate) request: Vec<i32>,
    /// The how-manieth event of its request, from 0.
    pub(crate) step: Vec<i32>,
    pub(crate) workspace: Vec<i32>,
    pub(crate) id: Vec<Uuid>,
    pub(crate) aggregate_type: Vec<&'a str>,
    pub(crate) aggregate_id: Vec<&'a str>,
    pub(crate) event_type: Vec<&'a str>,
    pub(crate) event_version: Vec<&'a str>,
    pub(crate) payload: Vec<&'a str>,
    pub(crate) metadata: Vec<&'a str>,
    pub(crate) control: Vec<bool>,
    pub(crate) narrows: Vec<bool>,
    pub(crate) commitments: Vec<Option<String>>,
}

#[derive(Default)]
pub(crate) struct Bodies<'a> {
    pub(crate) request: Vec<i32>,
    pub(crate) event: Vec<Uuid>,
    pub(crate) field: Vec<&'a str>,
    pub(crate) key: Vec<Uuid>,
    pub(crate) ciphertext: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(batch: &'a [Item]) -> Self {
        let mut columns = Self::default();
        for (item, request) in batch.iter().zip(1..) {
            columns.add_request(item);
            let mut step = 0;
            for write in &item.append.writes {
                let workspace = columns.workspace(write.workspace_id);
                columns.add_expectation(request, write);
                for event in &write.events {
                    columns.add_event(request, step, workspace, write, event);
                    step += 1;
                }
            }
            columns.requests.events.push(step);
        }
        columns
    }

    fn add_request(&mut self, item: &'a Item) {
        let append = &item.append;
        let idempotency = append.idempotency.as_ref();
        let requests = &mut self.requests;
        requests.fence.push(fence(append.fence).map(|fence| number(fence.0)));
        requests.not_after.push(append.not_after);
        requests.scope.push(idempotency.map(|one| one.scope.as_str()));
        requests.key.push(idempotency.map(|one| one.key.as_str()));
        requests.hash.push(idempotency.map(|one| one.request_hash.as_slice()));
        requests.answer.push(idempotency.and_then(|one| one.answer.as_deref()));
        requests.expires.push(idempotency.map(|one| one.expires_at));
        requests.session.push(append.budget.map(|budget| budget.session_id));
        requests.total.push(append.budget.map(|budget| number(budget.total)));
    }

    /// The number of a workspace. Mostly it is that of the event before.
    fn workspace(&mut self, id: Uuid) -> i32 {
        let place = self.workspaces.iter().rposition(|known| *known == id).unwrap_or_else(|| {
            self.workspaces.push(id);
            self.workspaces.len() - 1
        });
        i32::try_from(place + 1).unwrap_or(i32::MAX)
    }

    fn add_expectation(&mut self, request: i32, write: &'a Write) {
        let at = match write.expected {
            Expected::Any => return,
            Expected::NoStream => -1,
            Expected::At(position) => number(position.0),
        };
        self.expectations.request.push(request);
        self.expectations.aggregate_type.push(&write.stream.aggregate_type);
        self.expectations.aggregate_id.push(&write.stream.aggregate_id);
        self.expectations.at.push(at);
    }

    fn add_event(&mut self, request: i32, step: i32, workspace: i32, write: &'a Write, event: &'a NewEvent) {
        let events = &mut self.events;
        events.request.push(request);
        events.step.push(step);
        events.workspace.push(workspace);
        events.id.push(event.event_id);
        events.aggregate_type.push(&write.stream.aggregate_type);
        events.aggregate_id.push(&write.stream.aggregate_id);
        events.event_type.push(&event.event_type);
        events.event_version.push(&event.event_version);
        events.payload.push(&event.payload);
        events.metadata.push(&event.metadata);
        events.control.push(event.control);
        events.narrows.push(event.narrows);
        events.commitments.push(commitments::encode(&event.sealed));
        for field in &event.sealed {
            self.bodies.request.push(request);
            self.bodies.event.push(event.event_id);
            self.bodies.field.push(&field.field);
            self.bodies.key.push(field.key_id);
            self.bodies.ciphertext.push(&field.ciphertext);
        }
    }
}

/// Positions and totals beyond `bigint` don't occur; one would behave as the largest.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The fence, unless this is the test build that shows what happens without it.
pub(crate) fn fence(fence: Option<Position>) -> Option<Position> {
    if cfg!(feature = "fence-off") { None } else { fence }
}
