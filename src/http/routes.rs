//! Which methods a path has, for those that it hasn't.

use std::sync::LazyLock;

use utoipa::openapi::path::PathItem;

/// Every documented path, its segments, and its methods as the header `Allow` names them.
static ROUTES: LazyLock<Vec<(Vec<String>, String)>> = LazyLock::new(|| {
    let document = super::openapi::document();
    let segments = |path: &str| path.split('/').map(ToOwned::to_owned).collect();
    document.paths.paths.iter().map(|(path, item)| (segments(path), methods(item))).collect()
});

fn methods(item: &PathItem) -> String {
    let all = [("GET", &item.get), ("POST", &item.post), ("PATCH", &item.patch), ("DELETE", &item.delete)];
    let there: Vec<&str> =
        all.into_iter().filter(|(_, operation)| operation.is_some()).map(|(method, _)| method).collect();
    there.join(", ")
}

/// What is allowed at `path`, if there is anything.
pub(super) fn allowed(path: &str) -> Option<&'static str> {
    let asked: Vec<&str> = path.split('/').collect();
    let fits = |segments: &[String]| {
        segments.len() == asked.len()
            && segments
                .iter()
                .zip(&asked)
                .all(|(segment, asked)| segment == asked || (segment.starts_with('{') && !asked.is_empty()))
    };
    ROUTES.iter().find(|(segments, _)| fits(segments)).map(|(_, methods)| methods.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_known_with_their_methods() {
        assert_eq!(allowed("/v1/workspaces"), Some("GET, POST"));
        assert_eq!(allowed("/v1/workspaces/7"), Some("GET, PATCH"));
        assert_eq!(allowed("/v1/workspaces/7/tool-servers/8"), Some("GET, PATCH, DELETE"));
        for path in ["/v1/workspaces/", "/v1", "/", "/v1/workspaces/7/8"] {
            assert_eq!(allowed(path), None, "{path}");
        }
    }
}
