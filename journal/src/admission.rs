//! What can't be stored is refused before it is queued, so that it never costs a batch its
//! transaction.

use crate::append::{Append, Refused, Write};
use crate::event::NewEvent;
use crate::settings::Settings;

/// Names and ids: they are lines of the entry, so they hold no spaces and no control characters.
const NAME_BYTES: usize = 256;
/// Idempotency scopes and keys.
const KEY_BYTES: usize = 1024;

/// Can `append` be stored?
pub(crate) fn check(append: &Append, settings: &Settings) -> Result<(), Refused> {
    if append.writes.is_empty() {
        return invalid("an append needs a write");
    }
    for write in &append.writes {
        check_write(write, settings)?;
    }
    if let Some(idempotency) = &append.idempotency {
        for text in [&idempotency.scope, &idempotency.key] {
            if text.is_empty() || text.len() > KEY_BYTES || text.contains('\0') {
                return invalid("an idempotency key is empty, too long, or holds U+0000");
            }
        }
    }
    Ok(())
}

fn check_write(write: &Write, settings: &Settings) -> Result<(), Refused> {
    if write.events.is_empty() {
        return invalid("a write needs an event");
    }
    check_name("aggregate type", &write.stream.aggregate_type)?;
    check_name("aggregate id", &write.stream.aggregate_id)?;
    write.events.iter().try_for_each(|event| check_event(event, settings))
}

fn check_event(event: &NewEvent, settings: &Settings) -> Result<(), Refused> {
    check_name("event type", &event.event_type)?;
    check_name("event version", &event.event_version)?;
    if event.narrows && !event.control {
        return invalid("only control events narrow");
    }
    check_json("payload", &event.payload, settings)?;
    check_json("metadata", &event.metadata, settings)?;
    for sealed in &event.sealed {
        check_name("sealed field", &sealed.field)?;
        if sealed.ciphertext.len() > settings.item_bytes {
            return invalid("a sealed field is too large");
        }
    }
    Ok(())
}

fn check_name(what: &str, name: &str) -> Result<(), Refused> {
    let plain = name.bytes().all(|byte| byte.is_ascii_graphic());
    if plain && (1..=NAME_BYTES).contains(&name.len()) {
        Ok(())
    } else {
        invalid(format!("the {what} isn't 1 to {NAME_BYTES} printable ASCII characters without spaces"))
    }
}

/// Parsed as the stock readers parse it, because what they can't read they panic on.
fn check_json(what: &str, json: &str, settings: &Settings) -> Result<(), Refused> {
    if json.len() > settings.item_bytes {
        return invalid(format!("the {what} is too large"));
    }
    if let Err(error) = serde_json::from_str::<serde_json::Value>(json) {
        return invalid(format!("the {what} is malformed JSON: {error}"));
    }
    if holds_null(json) { invalid(format!("the {what} holds U+0000")) } else { Ok(()) }
}

/// Is there an escaped U+0000 in it? (An unescaped one is malformed JSON.) `PostgreSQL` would store
/// it, and then fail whenever it looks inside.
fn holds_null(json: &str) -> bool {
    json.match_indices("\\u0000").any(|(start, _)| {
        let before = json.get(..start).unwrap_or_default();
        let backslashes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
        backslashes % 2 == 0
    })
}

fn invalid(reason: impl Into<String>) -> Result<(), Refused> {
    Err(Refused::Invalid(reason.into()))
}
