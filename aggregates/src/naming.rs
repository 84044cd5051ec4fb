//! The names under which an agent sees the tools of a loadout.
//!
//! Decided once, when a version is made, and stable for that version, so that routing a call is a
//! look-up. A tool keeps its own name where that is unique; on a collision, each of those that
//! collide is prefixed with a short alias of its server's name.

use std::collections::{BTreeMap, BTreeSet};

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
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for candidate in candidates {
        if let Some(wanted) = candidate.wanted
            && !taken.insert(wanted.to_owned())
        {
            return Err(NameRefused::Taken(wanted.to_owned()));
        }
    }
    // Before any name is made up, so that none of those takes a tool's own.
    taken.extend(uses.iter().filter(|(_, count)| **count == 1).map(|(name, _)| name.clone()));
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
    taken: &mut BTreeSet<String>,
) -> Result<String, NameRefused> {
    let first = first_choice(candidate)?;
    if candidate.wanted.is_some() || uses.get(&first) == Some(&1) {
        return Ok(first);
    }
    let alias = cleaned(&candidate.server.to_lowercase(), ALIAS_MAX);
    let base = cleaned(&format!("{alias}_{}", candidate.tool), NAME_MAX);
    let mut name = base.clone();
    let mut count = 1_usize;
    while taken.contains(&name) {
        count += 1;
        let suffix = format!("_{count}");
        name = cleaned(&base, NAME_MAX - suffix.len()) + &suffix;
    }
    taken.insert(name.clone());
    Ok(name)
}

/// Other characters become `_`; what is empty becomes `tool`.
fn cleaned(text: &str, max: usize) -> String {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    let clean: String =
        text.chars().map(|character| if fits(character) { character } else { '_' }).take(max).collect();
    if clean.is_empty() { "tool".to_owned() } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool<'a>(server: &'a str, tool: &'a str) -> Candidate<'a> {
        Candidate { server, tool, wanted: None }
    }

    fn wanted<'a>(server: &'a str, tool: &'a str, wanted: &'a str) -> Candidate<'a> {
        Candidate { server, tool, wanted: Some(wanted) }
    }

    #[test]
    fn unique_name_is_kept() {
        assert_eq!(
            agent_names(&[tool("Wiki", "search"), tool("Git", "clone")]).unwrap(),
            ["search", "clone"]
        );
    }

    #[test]
    fn each_that_collides_is_prefixed_with_its_servers_alias() {
        assert_eq!(
            agent_names(&[tool("My Wiki", "search"), tool("Git", "search")]).unwrap(),
            ["my_wiki_search", "git_search"]
        );
    }

    #[test]
    fn servers_of_one_name_are_numbered() {
        assert_eq!(
            agent_names(&[tool("Wiki", "search"), tool("Wiki", "search"), tool("Wiki", "search")]).unwrap(),
            ["wiki_search", "wiki_search_2", "wiki_search_3"]
        );
    }

    #[test]
    fn prefixed_name_never_takes_a_tools_own() {
        let names = agent_names(&[tool("x", "search"), tool("y", "search"), tool("z", "x_search")]).unwrap();
        assert_eq!(names, ["x_search_2", "y_search", "x_search"]);
    }

    #[test]
    fn wanted_name_is_given_and_others_make_way() {
        let names = agent_names(&[tool("Wiki", "search"), wanted("Git", "grep", "search")]).unwrap();
        assert_eq!(names, ["wiki_search", "search"]);
    }

    #[test]
    fn one_name_wanted_twice_is_refused() {
        let twice = [wanted("Wiki", "search", "find"), wanted("Git", "grep", "find")];
        assert_eq!(agent_names(&twice), Err(NameRefused::Taken("find".into())));
    }

    #[test]
    fn malformed_wanted_name_is_refused() {
        for name in ["", "with space", "ä", &"x".repeat(NAME_MAX + 1)] {
            let candidates = [wanted("Wiki", "search", name)];
            assert_eq!(agent_names(&candidates), Err(NameRefused::Malformed(name.to_owned())));
        }
    }

    #[test]
    fn every_name_is_one_that_every_client_accepts() {
        let (long, server) = ("l".repeat(90), "A server, with a rather long name");
        let candidates = [
            tool(server, &long),
            tool(server, &long),
            tool("w", "look.up/thing"),
            tool("w", ""),
            tool("ä", "ü"),
        ];
        let names = agent_names(&candidates).unwrap();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for name in names {
            assert!((1..=NAME_MAX).contains(&name.len()), "{name}");
            assert_eq!(cleaned(&name, NAME_MAX), name);
        }
    }
}
