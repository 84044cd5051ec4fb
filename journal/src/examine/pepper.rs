//! Which peppers credentials were made with: events of credentials say so.

use std::collections::BTreeSet;

/// The first and the newest control events that name a pepper: `?1` and `?2` of them.
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
