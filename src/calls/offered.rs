//! What a session's `tools/list` shows: the definitions that its loadout's version pinned.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::value::RawValue;
use tollbook_aggregates::Grant;
use tollbook_aggregates::access::World as _;
use tollbook_journal::{Journal, Position};
use tollbook_vault::Vault;

use super::targets::TargetError;
use crate::authority::Live;
use crate::reveal::reveal_one;

/// A tool as an agent may see it.
#[derive(Debug, Clone)]
pub struct OfferedTool {
    /// The name that the agent calls it by.
    pub name: String,
    /// As its server defined it when it was pinned, byte for byte; its `name` is the server's.
    pub definition: Arc<RawValue>,
}

/// The definitions of one loadout version, by the agent's name.
type Definitions = Arc<HashMap<String, Arc<RawValue>>>;

/// Pinned definitions never change, so they are opened once.
#[derive(Clone)]
pub(super) struct Offers {
    journal: Journal,
    vault: Arc<Vault>,
    opened: Arc<RwLock<HashMap<Position, Definitions>>>,
}

/// How many versions' definitions are kept; beyond it all are dropped and opened again as needed.
const KEPT: usize = 1_000;

/// The names of the session's tools that could be called now, in order: tools whose server is gone
/// or has changed their definition aren't offered.
pub(super) fn callable(live: &Live, grant: &Grant) -> Vec<String> {
    let Some(version) = live.loadout(grant.loadout_id).version(grant.loadout_version) else {
        return Vec::new();
    };
    let stands = |pinned: &tollbook_aggregates::PinnedTool| {
        let registration = live.tool_server(pinned.tool_server_id).registration();
        registration.is_some_and(|server| server.tools.get(&pinned.tool) == Some(&pinned.digest))
    };
    version.tools.values().filter(|pinned| stands(pinned)).map(|pinned| pinned.name.clone()).collect()
}

impl Offers {
    pub(super) fn new(journal: Journal, vault: Arc<Vault>) -> Self {
        Self { journal, vault, opened: Arc::default() }
    }

    pub(super) async fn list(
        &self,
        at: Option<Position>,
        names: &[String],
    ) -> Result<Vec<OfferedTool>, TargetError> {
        let definitions = self.definitions(at.ok_or(TargetError::Removed)?).await?;
        let offered = names.iter().filter_map(|name| {
            Some(OfferedTool { name: name.clone(), definition: Arc::clone(definitions.get(name)?) })
        });
        Ok(offered.collect())
    }

    async fn definitions(&self, at: Position) -> Result<Definitions, TargetError> {
        if let Some(opened) = self.opened.read().unwrap_or_else(PoisonError::into_inner).get(&at) {
            return Ok(Arc::clone(opened));
        }
        let text = reveal_one(&self.journal, &self.vault, at, "definitions")
            .await
            .map_err(|error| {
                tracing::error!(%error, "pinned definitions cannot be opened");
                TargetError::Sealed
            })?
            .ok_or(TargetError::Erased)?;
        let parsed: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(&text).map_err(|_| TargetError::Erased)?;
        let definitions: Definitions =
            Arc::new(parsed.into_iter().map(|(name, definition)| (name, Arc::from(definition))).collect());
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if opened.len() >= KEPT {
            opened.clear();
        }
        opened.insert(at, Arc::clone(&definitions));
        Ok(definitions)
    }
}
