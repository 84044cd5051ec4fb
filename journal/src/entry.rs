//! The canonical entry of an event, version 1: what the log's Merkle tree is built over.
//!
//! `docs/entry-format.md` describes it; `tests/vectors/` has examples. It can't be changed: every
//! event that was ever recorded is proved by it.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use sha2::{Digest, Sha256};

use crate::event::Recorded;

/// The entry of `event`: lines of ASCII, each ended by one line feed.
pub fn entry(event: &Recorded) -> String {
    let effect = match (event.narrows, event.control) {
        (true, _) => "narrows",
        (false, true) => "controls",
        (false, false) => "none",
    };
    let mut text = format!(
        "tollbook-entry/1\n\
         position {}\n\
         event {}\n\
         workspace {} {}\n\
         stream {} {} {}\n\
         type {} {}\n\
         effect {effect}\n\
         recorded {}\n\
         payload {}\n\
         metadata {}\n",
        event.position,
        event.event_id,
        event.workspace_id,
        event.workspace_sequence,
        event.stream.aggregate_type,
        event.stream.aggregate_id,
        event.sequence,
        event.event_type,
        event.event_version,
        time(event.recorded_at),
        digest(&event.payload),
        digest(&event.metadata),
    );
    for (field, commitment) in &event.commitments {
        // Writing to a string can't fail.
        let _ = writeln!(text, "sealed {field} {}", hex::encode(commitment));
    }
    text
}

/// The hash of an entry as a leaf of the tree: `SHA-256(0x00 ‖ entry)`, RFC 6962 section 2.1.
pub fn leaf_hash(entry: &str) -> [u8; 32] {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// RFC 3339 in UTC with exactly six digits of a second.
fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
