//! A tool call through the gateway, decided and recorded, beside the same call made directly.

use serde_json::{Value, json};

use crate::report::{Figure, Goal, Report};
use crate::rounds::in_turns;
use crate::service::{Service, Session};
use crate::settings::{Cores, Settings};
use crate::wrk::Request;

/// At a few connections what is added shows; at many, what is left.
const FEW: u32 = 1;
const MANY: u32 = 32;

/// A tool server, and a tool of it.
#[derive(Debug)]
pub struct Upstream<'a> {
    /// For the table.
    pub name: &'a str,
    pub url: &'a str,
    pub tool: &'a str,
    pub arguments: Value,
    /// What of the direct calls a second has to be left at 32 connections.
    pub left: f64,
}

/// A service with a session on that tool, and what may be added at one connection, in milliseconds.
#[derive(Debug)]
pub struct Through<'a> {
    pub service: &'a Service,
    pub session: &'a Session,
    pub may_add: Option<f64>,
}

/// `tools/call` of revision 2026-07-28.
fn call(url: &str, token: Option<&str>, tool: &str, arguments: &Value) -> Request {
    let message = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": tool,
            "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let headers = [
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", tool),
    ];
    Request::new(url, token, &headers, &message.to_string())
}

pub async fn measure(
    upstream: &Upstream<'_>,
    ways: &[Through<'_>],
    settings: &Settings,
    report: &mut Report,
) {
    let mut requests = vec![call(upstream.url, None, upstream.tool, &upstream.arguments)];
    requests.extend(
        ways.iter().map(|way| {
            call(&way.session.url, Some(&way.session.token), &way.session.tool, &upstream.arguments)
        }),
    );
    for request in &requests {
        let (status, answer) = request.send().await;
        assert!(
            status == 200 && answer.contains("\"result\"") && !answer.contains("\"isError\":true"),
            "{status}: {answer}"
        );
    }
    let places: Vec<usize> = (0..requests.len()).collect();
    let mut measured = Vec::new();
    for connections in [FEW, MANY] {
        let series = in_turns(settings.rounds, &places, async |place| {
            let request = &requests[*place];
            let way = place.checked_sub(1).map(|place| &ways[place]);
            let Some(way) = way else { return request.repeat(connections, settings.seconds, Cores::All) };
            let question = way.service.question(way.session, "record");
            let before = way.service.head(&question).await;
            let sample = request.repeat(connections, settings.seconds, Cores::All);
            let after = way.service.head(&question).await;
            assert!(
                after - before > 2 * sample.count - u64::from(connections),
                "a call and its outcome are two events"
            );
            way.service.settle(after).await;
            sample
        });
        measured.push(series.await);
    }
    let [few, many] = measured.as_slice() else { unreachable!() };

    report.part(format!("Tool calls through the gateway, beside direct calls to {}", upstream.name));
    for (place, way) in ways.iter().enumerate() {
        let what = format!("p50 at 1 connection, {}", way.service.name);
        report.add(Figure::added(&what, &few[place + 1], &few[0], way.may_add.map(Goal::AtMost)));
    }
    for (place, way) in ways.iter().enumerate() {
        let (ours, base) = (&many[place + 1], &many[0]);
        let name = way.service.name;
        report.add(Figure::added(&format!("p50 at {MANY} connections, {name}"), ours, base, None));
        let goal = Some(Goal::AtLeast(upstream.left));
        report.add(Figure::rates(&format!("calls, {MANY} connections, {name}"), ours, base, goal));
    }
}
