//! What the migrations make: functions and triggers, by name and to the letter. What stands in the database and
//! in no migration was put there by somebody else.

use std::collections::BTreeSet;

use sqlx::migrate::Migrator;

/// The names that `CREATE what NAME` is followed by in the migrations, but for those dropped later.
pub(crate) fn names(migrator: &Migrator, what: &str) -> Vec<String> {
    let mut names = BTreeSet::new();
    for migration in migrator.iter() {
        for line in migration.sql.lines() {
            let words = line.trim_start().replace("OR REPLACE ", "").replace("IF EXISTS ", "");
            if let Some(name) = name_behind(&words, "CREATE", what) {
                names.insert(name);
            } else if let Some(name) = name_behind(&words, "DROP", what) {
                names.remove(&name);
            }
        }
    }
    names.into_iter().collect()
}

fn name_behind(line: &str, verb: &str, what: &str) -> Option<String> {
    let rest = line.strip_prefix(verb)?.strip_prefix(' ')?.strip_prefix(what)?.strip_prefix(' ')?;
    let name = rest.split(|letter: char| !(letter.is_alphanumeric() || "_.".contains(letter))).next()?;
    Some(name.trim_start_matches("public.").to_owned())
}

/// Does some migration say exactly this?
pub(crate) fn says(migrator: &Migrator, text: &str) -> bool {
    migrator.iter().any(|migration| migration.sql.contains(text.trim()))
}

#[cfg(test)]
mod tests {
    use crate::schema::{POSTGRES, SQLITE_BOOK};

    use super::*;

    #[test]
    fn what_the_migrations_make_is_known_by_name_and_text() {
        let functions = names(&POSTGRES, "FUNCTION");
        for name in ["append_batch", "make_partitions", "refuse_change", "refuse_changes_of"] {
            assert!(functions.iter().any(|known| known == name), "{functions:?}");
        }
        assert!(names(&SQLITE_BOOK, "TRIGGER").contains(&"events_refuse_delete".to_owned()));
        assert!(says(&POSTGRES, "PERFORM pg_advisory_xact_lock(7070, 1);"));
        assert!(!says(&POSTGRES, "RETURN NULL; -- refuse_change"));
    }
}
