//! The names under which an agent sees the tools of a loadout.
//!
//! Decided once, when a version is made, and stable for that version, so that routing a call is a
//! look-up. A tool keeps its own name where that is unique; on a collision, each of those that
//! collide is prefixed with a short alias of its server's name.

use std::collections::BTreeMap;

/// A tool that wants a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The name of its server, as people call it.
    pub server: &'a str,
    /// The server's own name for the tool.
    pub tool: &'a str,
    /// The name that somebody asked for, if anybody did.
    pub wanted: Option<&'a str>,
}

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameRefused {
    /// See [`NAME_MAX`].
    #[error("`as` must have 1 to 60 characters of `A-Za-z0-9_-`, which `{0}` has not")]
    Malformed(String),
    /// Two tools were asked to be called the same.
    #[error("two tools of the loadout are asked to be called `{0}`")]
    Taken(String),
}

/// The longest name, in characters of `[A-Za-z0-9_-]`: what every client in the field accepts.
pub const NAME_MAX: usize = 60;
const ALIAS_MAX: usize = 16;

/// A name for each candidate, in the same order.
///
/// # Errors
/// When a wanted name is malformed or wanted twice.
pub fn agent_names(candidates: &[Candidate<'_>]) -> Result<Vec<String>, NameRefused> {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for candidate in candidates {
        *uses.entry(first_choice(candidate)?).or_default() += 1;
    }
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for candidate in candidates {
        if let Some(wanted) = candidate.wanted
            && taken.insert(wanted.to_owned(), 1).is_some()
        {
            return Err(NameRefused::Taken(wanted.to_owned()));
        }
    }
    candidates.iter().map(|candidate| settle(candidate, &uses, &mut taken)).collect()
}

fn first_choice(candidate: &Candidate<'_>) -> Result<String, NameRefused> {
    match candidate.wanted {
        None => Ok(cleaned(candidate.tool, NAME_MAX)),
        Some(wanted) if !wanted.is_empty() && cleaned(wanted, NAME_MAX) == wanted => Ok(wanted.to_owned()),
        Some(wanted) => Err(NameRefused::Malformed(wanted.to_owned())),
    }
}

fn settle(
    candidate: &Candidate<'_>,
    uses: &BTreeMap<String, usize>,
    taken: &mut BTreeMap<String, usize>,
) -> Result<String, NameRefused> {
    let first = first_choice(candidate)?;
    if candidate.wanted.is_some() {
        return Ok(first);
    }
    let alone = uses.get(&first) == Some(&1);
    let base = if alone {
        first
    } else {
        let alias = cleaned(&candidate.server.to_lowercase(), ALIAS_MAX);
        cleaned(&format!("{alias}_{}", candidate.tool), NAME_MAX)
    };
    let mut name = base.clone();
    let mut count = 1_usize;
    while taken.contains_key(&name) {
        count += 1;
        let suffix = format!("_{count}");
        name = cleaned(&base, NAME_MAX - suffix.len()) + &suffix;
    }
    taken.insert(name.clone(), 1);
    Ok(name)
}

/// Other characters become `_`; what is empty becomes `tool`.
fn cleaned(text: &str, max: usize) -> String {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    let clean: String =
        text.chars().map(|character| if fits(character) { character } else { '_' }).take(max).collect();
    if clean.is_empty() { "tool".to_owned() } else { clean }
}
