//! What a session's `tools/list` shows: the definitions that its loadout's version pinned, of the tools that
//! the caller may call.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::value::RawValue;
use tollbook_journal::{Journal, Position};
use tollbook_vault::Vault;

use super::targets::TargetError;
use crate::mcp::Mirrored;
use crate::reveal::reveal_one;

/// A tool as an agent may see it.
#[derive(Debug, Clone)]
pub struct OfferedTool {
    /// The name that the agent calls it by.
    pub name: String,
    /// As its server defined it when it was pinned, byte for byte; its `name` is the server's.
    pub definition: Arc<RawValue>,
    /// Which of its parameters are to stand in headers, too.
    pub mirrored: Arc<Mirrored>,
}

/// The definitions of one loadout version, by the agent's name.
type Definitions = Arc<HashMap<String, Opened>>;

#[derive(Clone)]
struct Opened {
    definition: Arc<RawValue>,
    mirrored: Arc<Mirrored>,
}

impl Opened {
    fn new(definition: Box<RawValue>) -> Self {
        // What breaks the rules for annotations has none.
        let mirrored = Mirrored::of(definition.get()).unwrap_or_default().into();
        Self { definition: definition.into(), mirrored }
    }

    fn named(&self, name: &str) -> OfferedTool {
        let Self { definition, mirrored } = self.clone();
        OfferedTool { name: name.to_owned(), definition, mirrored }
    }
}

/// Pinned definitions never change, so they are opened once.
#[derive(Clone)]
pub(super) struct Offers {
    journal: Journal,
    vault: Arc<Vault>,
    opened: Arc<RwLock<HashMap<Position, Definitions>>>,
}

/// How many versions' definitions are kept; beyond it all are dropped and opened again as needed.
const KEPT: usize = 1_000;

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
        Ok(names.iter().filter_map(|name| Some(definitions.get(name)?.named(name))).collect())
    }

    pub(super) async fn one(
        &self,
        at: Option<Position>,
        name: &str,
    ) -> Result<Option<OfferedTool>, TargetError> {
        let definitions = self.definitions(at.ok_or(TargetError::Removed)?).await?;
        Ok(definitions.get(name).map(|opened| opened.named(name)))
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
            Arc::new(parsed.into_iter().map(|(name, definition)| (name, Opened::new(definition))).collect());
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if opened.len() >= KEPT {
            opened.clear();
        }
        opened.insert(at, Arc::clone(&definitions));
        Ok(definitions)
    }
}
