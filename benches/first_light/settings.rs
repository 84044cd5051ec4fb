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
    /// Only the parts whose name has this in it (`BENCH_ONLY`).
    pub only: Option<String>,
}

impl Settings {
    pub fn from_environment() -> Self {
        let get = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let number = |name: &str| get(name).map(|value| value.parse().expect("a whole number"));
        Self {
            seconds: number("BENCH_SECONDS").unwrap_or(5).clamp(1, 60),
            rounds: usize::try_from(number("BENCH_ROUNDS").unwrap_or(3)).unwrap().clamp(1, 20),
            date: get("BENCH_DATE"),
            only: get("BENCH_ONLY"),
        }
    }

    pub fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.split(',').any(|only| part.contains(only)))
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
