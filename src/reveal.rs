//! Opening what stands sealed beside events: names, labels, addresses, definitions.
//!
//! Read models hold no private text, only where it stands (a position and a field). Whoever answers a
//! person opens it here, at that moment; what was erased isn't there any more, everywhere at once.

use std::collections::HashMap;

use tollbook_journal::{Body, Journal, Position, ReadError, Recorded};
use tollbook_vault::{SealedBody, Vault, VaultError};
use uuid::Uuid;

/// Why something couldn't be opened. What was erased is no error.
#[derive(Debug, thiserror::Error)]
pub enum RevealError {
    /// The book can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The vault is closed, or the body isn't the one that the event committed to.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// We only ever seal text.
    #[error("a sealed body is not text")]
    NotText,
}

/// Texts by position and field.
#[derive(Debug, Default)]
pub struct Revealed(HashMap<(Position, String), String>);

impl Revealed {
    /// The text, unless it was erased.
    pub fn get(&self, position: Position, field: &str) -> Option<&str> {
        self.0.get(&(position, field.to_owned())).map(String::as_str)
    }
}

/// Opens every field of the events at these positions, and checks each against what its event
/// committed to.
///
/// # Errors
/// When the book or the vault can't be used.
pub async fn reveal(
    journal: &Journal,
    vault: &Vault,
    positions: &[Position],
) -> Result<Revealed, RevealError> {
    let mut revealed = HashMap::new();
    if positions.is_empty() {
        return Ok(Revealed(revealed));
    }
    let events = journal.events(positions).await?;
    let by_id: HashMap<Uuid, &Recorded> = events.iter().map(|event| (event.event_id, event)).collect();
    let ids: Vec<Uuid> = by_id.keys().copied().collect();
    for body in journal.bodies(&ids).await? {
        if let Some(event) = by_id.get(&body.event_id)
            && let Some(text) = open(vault, event, &body).await?
        {
            revealed.insert((event.position, body.field), text);
        }
    }
    Ok(Revealed(revealed))
}

/// Opens one field of one event; `None` when it was erased.
///
/// # Errors
/// When the book or the vault can't be used.
pub async fn reveal_one(
    journal: &Journal,
    vault: &Vault,
    position: Position,
    field: &str,
) -> Result<Option<String>, RevealError> {
    Ok(reveal(journal, vault, &[position]).await?.get(position, field).map(ToOwned::to_owned))
}

async fn open(vault: &Vault, event: &Recorded, body: &Body) -> Result<Option<String>, RevealError> {
    let commitment =
        event.commitments.iter().find(|(field, _)| *field == body.field).map(|(_, commitment)| *commitment);
    let Some(commitment) = commitment else { return Err(VaultError::NotAsCommitted.into()) };
    let sealed = SealedBody { commitment, key_id: body.key_id.into(), ciphertext: body.ciphertext.clone() };
    match vault.open_field(event.workspace_id, event.event_id, &body.field, &sealed).await {
        Ok(text) => Ok(Some(text.expose_str().ok_or(RevealError::NotText)?.to_owned())),
        Err(VaultError::Destroyed(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
