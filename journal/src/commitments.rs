//! How the commitments of an event's sealed fields are stored: `[["field","hex"], …]`, in the order
//! in which they were appended, which is the order in the entry.

use crate::event::SealedField;

/// `None` where nothing is sealed, which is most events.
pub(crate) fn encode(sealed: &[SealedField]) -> Option<String> {
    let pairs: Vec<_> =
        sealed.iter().map(|field| (field.field.as_ref(), hex::encode(field.commitment))).collect();
    if pairs.is_empty() { None } else { serde_json::to_string(&pairs).ok() }
}

pub(crate) fn decode(stored: Option<&str>) -> Result<Vec<(String, [u8; 32])>, String> {
    let Some(stored) = stored else { return Ok(Vec::new()) };
    let pairs: Vec<(String, String)> = serde_json::from_str(stored).map_err(|error| error.to_string())?;
    let decoded = pairs.into_iter().map(|(field, hex)| {
        let mut commitment = [0; 32];
        hex::decode_to_slice(&hex, &mut commitment).map(|()| (field, commitment))
    });
    decoded.collect::<Result<_, _>>().map_err(|error| format!("commitment: {error}"))
}
