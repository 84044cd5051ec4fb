//! Amounts, as people say them.

use chrono::TimeDelta;

/// `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut said = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}

/// `12 ms`, `3.4 s`, `5 min`, `6 h`, `7 days`.
pub(super) fn span(span: TimeDelta) -> String {
    let ms = span.num_milliseconds().abs();
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        3_600_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

/// `12 B`, `3.4 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut whole, mut tenth, mut unit) = (bytes, 0, 0);
    while whole >= 1024 && unit + 1 < UNITS.len() {
        (whole, tenth, unit) = (whole / 1024, whole % 1024 * 10 / 1024, unit + 1);
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{whole} {name}") } else { format!("{whole}.{tenth} {name}") }
}

/// `1 thing`, `2 things`.
pub(super) fn some(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_said_as_people_say_them() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(span(TimeDelta::milliseconds(-12)), "12 ms");
        assert_eq!(span(TimeDelta::milliseconds(3_456)), "3.4 s");
        assert_eq!(span(TimeDelta::days(7)), "7 days");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(3 << 20 | 1 << 19), "3.5 MiB");
        assert_eq!(some(1, "event"), "1 event");
    }
}
