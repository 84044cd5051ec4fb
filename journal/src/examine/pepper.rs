//! Which peppers credentials were made with: events of credentials say so.

use std::collections::BTreeSet;

/// What the first fifty and the newest five hundred control events say, if they name a pepper.
pub(crate) const NAMING: &str = "
    SELECT payload FROM (SELECT CAST(payload AS text) AS payload FROM events WHERE control ORDER BY position LIMIT 50) f
    WHERE payload LIKE '%\"pepper_id\"%'
    UNION ALL
    SELECT payload FROM (SELECT CAST(payload AS text) AS payload FROM events WHERE control ORDER BY position DESC LIMIT 500) n
    WHERE payload LIKE '%\"pepper_id\"%'";

/// The peppers that these payloads name.
pub(crate) fn named(payloads: &[String]) -> Vec<String> {
    let ids = payloads.iter().flat_map(|payload| payload.split("\"pepper_id\":").skip(1));
    let ids = ids.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    ids.map(ToOwned::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
}
