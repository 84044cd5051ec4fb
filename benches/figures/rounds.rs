//! Turns: a machine with other work on it is compared with itself a moment ago, not with this morning.

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// How many were done.
    pub count: u64,
    /// How many a second.
    pub rate: f64,
    /// Half of them took at most so many microseconds.
    p50: f64,
    /// 99 of 100 took at most so many microseconds.
    p99: f64,
}

impl Sample {
    pub fn new(count: u64, micros: u64, p50: u64, p99: u64) -> Self {
        let rate = count as f64 * 1e6 / micros.max(1) as f64;
        Self { count, rate, p50: p50 as f64, p99: p99 as f64 }
    }

    /// With a rate that somebody else has worked out.
    pub const fn at_rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    pub const fn p50(&self) -> f64 {
        self.p50
    }

    pub const fn p99(&self) -> f64 {
        self.p99
    }

    /// Of every single duration, in microseconds.
    pub fn of(mut latencies: Vec<u64>, micros: u64) -> Self {
        latencies.sort_unstable();
        let at = |share: f64| {
            let place = (latencies.len() as f64 * share) as usize;
            latencies.get(place.min(latencies.len().saturating_sub(1))).copied().unwrap_or(0)
        };
        Self::new(latencies.len() as u64, micros, at(0.5), at(0.99))
    }
}

/// The samples of one subject, one a round.
#[derive(Debug, Clone, Default)]
pub struct Series(pub Vec<Sample>);

impl Series {
    /// The median over the rounds.
    pub fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.0.iter().map(of).collect())
    }

    /// So many a second.
    pub fn rate(&self) -> f64 {
        self.median(|sample| sample.rate)
    }

    /// The median of what `of` says of each round's pair: what changed between rounds cancels out.
    pub fn against(&self, base: &Self, of: impl Fn(&Sample, &Sample) -> f64) -> f64 {
        median(self.0.iter().zip(&base.0).map(|(ours, base)| of(ours, base)).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.get(values.len().saturating_sub(1) / 2), values.get(values.len() / 2)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}

/// Measures every subject in turn, `rounds` times; a series for each, in their order.
pub async fn in_turns<S>(
    rounds: usize,
    subjects: &[S],
    mut measure: impl AsyncFnMut(&S) -> Sample,
) -> Vec<Series> {
    let mut series = vec![Series::default(); subjects.len()];
    for _ in 0..rounds {
        for (subject, series) in subjects.iter().zip(&mut series) {
            series.0.push(measure(subject).await);
        }
    }
    series
}
