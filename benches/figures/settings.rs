//! How long to measure, and on which cores; from the environment, so that `make bench` needs no flags.

/// What is in force.
#[derive(Debug, Clone)]
pub struct Settings {
    /// One measurement takes so long (`BENCH_SECONDS`).
    pub seconds: u64,
    /// So often each measurement is made, in turns with what it is compared to (`BENCH_ROUNDS`).
    pub rounds: usize,
    /// The day, for the record (`BENCH_DATE`); without one, nothing is written down.
    pub date: Option<String>,
    /// So many events are rebuilt from, and started on (`BENCH_EVENTS`).
    pub events: u64,
    /// So many events lie behind the appends of a grown book (`BENCH_GROWTH`).
    pub growth: u64,
    /// Only the parts of these names (`BENCH_ONLY`).
    pub only: Option<String>,
}

impl Settings {
    pub fn from_environment() -> Self {
        let get = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let number = |name: &str| get(name).map(|value| value.parse().expect("a whole number"));
        Self {
            seconds: number("BENCH_SECONDS").unwrap_or(5).clamp(1, 60),
            rounds: usize::try_from(number("BENCH_ROUNDS").unwrap_or(3)).unwrap().clamp(1, 20),
            events: number("BENCH_EVENTS").unwrap_or(1_000_000).clamp(1_000, 100_000_000),
            growth: number("BENCH_GROWTH").unwrap_or(20_000_000).clamp(1_000, 1_000_000_000),
            date: get("BENCH_DATE"),
            only: get("BENCH_ONLY"),
        }
    }

    /// Is any of these parts to be measured?
    pub fn wants(&self, parts: &[&str]) -> bool {
        let only = self.only.as_deref();
        only.is_none_or(|only| only.split(',').any(|only| parts.contains(&only.trim())))
    }
}

/// Where a process may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cores {
    /// Wherever the kernel likes.
    All,
    /// On the first only: what is measured, while the load has the others.
    First,
    /// On all but the first: the load.
    Others,
}

impl Cores {
    /// As `taskset --cpu-list` takes it. A number too high is no error there, as long as one is not.
    pub const fn list(self) -> &'static str {
        match self {
            Self::All => "0-1023",
            Self::First => "0",
            Self::Others => "1-1023",
        }
    }
}
