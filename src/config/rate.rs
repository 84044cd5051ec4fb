//! How often something may happen, as settings write it.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// So many within such a time, evenly spread, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many within the window.
    pub count: NonZeroU32,
    /// The window: a second, a minute or an hour.
    pub window: Duration,
    /// How many may come at once; as many as in a window, unless it is said.
    pub burst: NonZeroU32,
}

/// A rate, or none: `100/s`, `300/m`, `5000/h`, `100/s burst 500`, `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub Option<Rate>);

/// What a limit must look like.
pub(super) const WANTED: &str = "off, or a rate such as 100/s, 300/m or 100/s burst 500";

impl FromStr for Limit {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "off" {
            return Ok(Self(None));
        }
        let mut words = text.split_whitespace();
        let (count, unit) = words.next().and_then(|rate| rate.split_once('/')).ok_or(())?;
        let count: NonZeroU32 = count.parse().map_err(drop)?;
        let window = Duration::from_secs(match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(()),
        });
        let burst = match (words.next(), words.next(), words.next()) {
            (None, _, _) => count,
            (Some("burst"), Some(burst), None) => burst.parse().map_err(drop)?,
            _ => return Err(()),
        };
        Ok(Self(Some(Rate { count, window, burst })))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Rate { count, window, burst }) = self.0 else { return formatter.write_str("off") };
        let unit = match window.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(formatter, "{count}/{unit}")?;
        if burst == count { Ok(()) } else { write!(formatter, " burst {burst}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_read_as_it_is_written() {
        for text in ["off", "100/s", "300/m", "5000/h", "100/s burst 500"] {
            assert_eq!(text.parse::<Limit>().unwrap().to_string(), text);
        }
        for wrong in ["", "0/s", "-1/s", "1/d", "1", "1/s burst", "1/s burst 0", "1/s burst 2 3", "on"] {
            assert_eq!(wrong.parse::<Limit>(), Err(()), "{wrong}");
        }
    }
}
