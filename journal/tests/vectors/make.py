"""Makes entry-v1.json from docs/entry-format.md alone: a second implementation, in another language.

Run it here: python3 make.py > entry-v1.json
"""

import hashlib
import json

EVENTS = [
    {
        "position": 0,
        "event_id": "019ab5c2-7e00-7000-8000-000000000001",
        "aggregate_type": "workspace",
        "aggregate_id": "019ab5c2-7e00-7000-8000-00000000000a",
        "sequence": 1,
        "event_type": "workspace.created",
        "event_version": "1.0",
        "payload": '{"Created":{"name":"Acme"}}',
        "metadata": "{}",
        "workspace_id": "019ab5c2-7e00-7000-8000-00000000000a",
        "workspace_sequence": 1,
        "control": True,
        "narrows": False,
        "commitments": [],
        "recorded_at": "2026-11-22T12:00:00.000000Z",
    },
    {
        # Not canonical JSON, not ASCII: the bytes as stored are what is hashed.
        "position": 41,
        "event_id": "019ab5c2-7e00-7000-8000-000000000002",
        "aggregate_type": "session",
        "aggregate_id": "019ab5c2-7e00-7000-8000-00000000000b",
        "sequence": 42,
        "event_type": "session.tool_called",
        "event_version": "1.0",
        "payload": '{ "n": 1.50,\n  "tool":"gr\u00fc\u00dfe \u2603 \\u2603"}',
        "metadata": '{"request_id":"r-1","request_id":"r-2"}',
        "workspace_id": "019ab5c2-7e00-7000-8000-00000000000a",
        "workspace_sequence": 17,
        "control": False,
        "narrows": False,
        "commitments": [["reason", "11" * 32], ["arguments", "ab" * 32]],
        "recorded_at": "2026-11-22T12:00:00.000001Z",
    },
    {
        "position": 18446744073709551614,
        "event_id": "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "aggregate_type": "user",
        "aggregate_id": "u/1:2",
        "sequence": 18446744073709551615,
        "event_type": "user.removed",
        "event_version": "2.1",
        "payload": "null",
        "metadata": "{}",
        "workspace_id": "00000000-0000-0000-0000-000000000000",
        "workspace_sequence": 9,
        "control": True,
        "narrows": True,
        "commitments": [["name", "00" * 32]],
        "recorded_at": "1969-12-31T23:59:59.999999Z",
    },
]


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def entry(event):
    effect = "narrows" if event["narrows"] else "controls" if event["control"] else "none"
    lines = [
        "tollbook-entry/1",
        f"position {event['position']}",
        f"event {event['event_id']}",
        f"workspace {event['workspace_id']} {event['workspace_sequence']}",
        f"stream {event['aggregate_type']} {event['aggregate_id']} {event['sequence']}",
        f"type {event['event_type']} {event['event_version']}",
        f"effect {effect}",
        f"recorded {event['recorded_at']}",
        f"payload {digest(event['payload'])}",
        f"metadata {digest(event['metadata'])}",
    ]
    lines += [f"sealed {field} {commitment}" for field, commitment in event["commitments"]]
    return "".join(line + "\n" for line in lines)


vectors = []
for event in EVENTS:
    text = entry(event)
    leaf = hashlib.sha256(b"\x00" + text.encode("ascii")).hexdigest()
    vectors.append({"event": event, "entry": text, "leaf": leaf})
print(json.dumps(vectors, indent=2))
