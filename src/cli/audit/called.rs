//! Which tool an outcome is of: the book says it once, where the call was decided, and people read it with the outcome.

use std::collections::HashMap;

use serde_json::Value;

use super::find;
use crate::cli::failure::Failure;
use crate::cli::fields::text_of;
use crate::cli::resolve::Rooms;

/// Tools, by the calls of them.
#[derive(Debug, Default)]
pub(super) struct Called(HashMap<String, String>);

impl Called {
    /// The events, outcomes with the name of their tool. Calls that aren't among the events are looked up.
    pub(super) async fn name(&mut self, rooms: &Rooms, events: &[Value]) -> Result<Vec<Value>, Failure> {
        self.learn(events);
        let mut named = Vec::with_capacity(events.len());
        for event in events {
            let mut event = event.clone();
            if let Some(call) = call_of(&event).filter(|_| tool_of(&event).is_empty()) {
                if !self.0.contains_key(&call) {
                    let query = vec![("call_id", call.clone()), ("order", "oldest".to_owned())];
                    self.learn(&find(rooms, &query, 1).await?);
                }
                let data = event.get_mut("data").and_then(Value::as_object_mut);
                if let (Some(data), Some(tool)) = (data, self.0.get(&call)) {
                    data.insert("tool".to_owned(), tool.clone().into());
                }
            }
            named.push(event);
        }
        Ok(named)
    }

    fn learn(&mut self, events: &[Value]) {
        let calls = events.iter().filter_map(|event| Some((call_of(event)?, tool_of(event))));
        self.0.extend(calls.filter(|(_, tool)| !tool.is_empty()));
    }
}

fn call_of(event: &Value) -> Option<String> {
    Some(text_of(event.get("data")?, "call_id")).filter(|call| !call.is_empty())
}

fn tool_of(event: &Value) -> String {
    event.get("data").map(|data| text_of(data, "tool")).unwrap_or_default()
}
