//! Keeps `docs/refusals.md`: every test that it names is there, and every refusal that holds is named.

use std::path::{Path, PathBuf};

use super::root;

/// What holds so far, at least in part.
const NUMBERS: [&str; 31] = [
    "19", "20", "21", "22", "25", "26", "28", "29", "30", "31", "32", "33", "34", "35", "36", "37", "38",
    "39", "40", "41", "61", "62", "63", "64", "65", "66", "68", "69", "71", "72", "73",
];

/// Number, and the tests that are named for it.
fn rows(page: &str) -> Vec<(&str, Vec<&str>)> {
    let rows = page.lines().filter_map(|line| {
        let mut columns = line.strip_prefix("| ")?.split(" | ");
        let number = columns.next().filter(|number| number.chars().all(|digit| digit.is_ascii_digit()))?;
        Some((number, columns.next()?.split('`').skip(1).step_by(2).collect()))
    });
    rows.collect()
}

/// `main::promises::panics::name` → the file in which it has to stand, and its name. Tests of a file may stand in a
/// module `tests` within it.
fn place(test: &str) -> Option<(Vec<PathBuf>, &str)> {
    let (path, name) = test.rsplit_once("::")?;
    let (first, modules) = path.split_once("::")?;
    let base = match first {
        "main" => "tests",
        "lib" => "src",
        "aggregates" => "aggregates/src",
        _ => return None,
    };
    let file = |modules: &str| root().join(base).join(modules.replace("::", "/"));
    let own = [file(modules).with_extension("rs"), file(modules).join("mod.rs")];
    let within = modules.strip_suffix("::tests").map(|parent| file(parent).with_extension("rs"));
    Some((own.into_iter().chain(within).filter(|file| file.exists()).collect(), name))
}

/// Is there a function of this name which is run as a test: by its attribute, or by being listed for both books?
fn is_test(source: &str, name: &str) -> bool {
    let definition = format!("fn {name}(");
    let lines: Vec<&str> = source.lines().collect();
    let Some(at) = lines.iter().position(|line| line.contains(&definition)) else { return false };
    let above = lines[..at].iter().rev().map(|line| line.trim());
    let mut above = above.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    let listed =
        |list: &str| list.split('}').next().unwrap_or_default().lines().any(|line| line.trim() == name);
    above.any(|line| line.ends_with("test]") || line.contains("test("))
        || source.split("on_both_books! {").skip(1).any(listed)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_refusal_is_shown_by_a_test_that_is_there() {
    let page = read(&root().join("docs/refusals.md"));
    let rows = rows(&page);
    assert_eq!(rows.iter().map(|(number, _)| *number).collect::<Vec<_>>(), NUMBERS);
    let mut missing = Vec::new();
    for (number, tests) in rows {
        assert!(!tests.is_empty(), "nothing shows {number}");
        for test in tests {
            let found =
                place(test).is_some_and(|(files, name)| files.iter().any(|file| is_test(&read(file), name)));
            if !found {
                missing.push(format!("{number}: {test}"));
            }
        }
    }
    assert!(missing.is_empty(), "docs/refusals.md names tests that aren't there:\n{}", missing.join("\n"));
}

#[test]
fn test_that_is_not_run_is_none() {
    let source = "on_both_books! {\n    listed\n}\n#[test]\n/// Words.\nfn by_attribute() {}\nasync fn listed() {}\nfn helper() {}";
    assert!(is_test(source, "by_attribute") && is_test(source, "listed"));
    assert!(!is_test(source, "helper") && !is_test(source, "absent"));
}
