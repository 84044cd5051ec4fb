//! Durations as people write them.

/// Seconds, from numbers with units: more than none.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let malformed = || format!("`{text}` is no duration such as 8h, 30m or 1h30m");
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(malformed)?;
        let (number, unit) = rest.split_at(digits);
        let mut letters = unit.chars();
        let factor: u64 = match letters.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => return Err(malformed()),
        };
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(malformed)?;
        rest = letters.as_str();
    }
    if total == 0 { Err(malformed()) } else { Ok(total) }
}

/// The same, or `0` for none.
pub(super) fn or_none(text: &str) -> Result<u64, String> {
    if text == "0" { Ok(0) } else { seconds(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(seconds("8h"), Ok(28_800));
        assert_eq!(seconds("1h30m"), Ok(5_400));
        assert_eq!(seconds("7d"), Ok(604_800));
        for bad in ["", "8", "h", "8x", "0", "0s", "-1h", "99999999999999999999d", "1h30"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        assert_eq!((or_none("0"), or_none("1m")), (Ok(0), Ok(60)));
        assert!(or_none("").is_err());
    }
}
