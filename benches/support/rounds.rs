//! Rounds in which every contestant runs once, and the table of their ratios.
//!
//! What else the machine does hits all contestants of a round alike, so each is
//! compared with the baseline of its own round; the median of these ratios counts.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::pipelines::Pipeline;

/// One way to move events, and what it took so far.
pub struct Contestant {
    pub name: String,
    pub pipeline: Pipeline,
    /// Which contestant it is compared with.
    pub baseline: usize,
    /// The ratio it is not to exceed.
    pub bar: Option<f64>,
    /// Whether it runs once before it is measured, to find its own data in the caches
    /// and not that of the others.
    warmed: bool,
    rounds: Vec<Duration>,
}

impl Contestant {
    pub fn new(name: impl Into<String>, pipeline: Pipeline) -> Self {
        Self {
            name: name.into(),
            pipeline,
            baseline: 0,
            bar: None,
            warmed: false,
            rounds: Vec::new(),
        }
    }

    /// Compares it with another than the first, up to a bar.
    #[must_use]
    pub fn at_most(mut self, bar: f64, baseline: usize) -> Self {
        (self.bar, self.baseline) = (Some(bar), baseline);
        self
    }

    /// Lets it run once before it is measured.
    #[must_use]
    pub fn warmed(mut self) -> Self {
        self.warmed = true;
        self
    }
}

/// Lets each contestant run once; who begins changes from round to round.
pub fn round(runtime: &Runtime, contestants: &mut [Contestant], number: usize) -> Duration {
    let mut sum = Duration::ZERO;
    let first = number % contestants.len();
    for index in (first..contestants.len()).chain(0..first) {
        let contestant = &mut contestants[index];
        if contestant.warmed {
            runtime.block_on(contestant.pipeline.run());
        }
        let start = Instant::now();
        runtime.block_on(contestant.pipeline.run());
        let time = start.elapsed();
        contestant.rounds.push(time);
        sum += time;
    }
    sum
}

pub fn print(title: &str, contestants: &[Contestant], events: u64) {
    // Left out by a filter.
    if contestants
        .iter()
        .any(|contestant| contestant.rounds.is_empty())
    {
        return;
    }
    println!("\n{title:<38} {:>8} {:>7}  bar", "ns/event", "ratio");
    for contestant in contestants {
        let base = &contestants[contestant.baseline].rounds;
        let ratios = contestant.rounds.iter().zip(base);
        let ratio = median(ratios.map(|(time, base)| time.as_secs_f64() / base.as_secs_f64()));
        let nanos = median(contestant.rounds.iter().map(Duration::as_secs_f64));
        let nanos = nanos * 1e9 / events as f64;
        let bar = contestant.bar.map_or(String::new(), |bar| {
            let verdict = if ratio <= bar { "met" } else { "MISSED" };
            format!("<= {bar:.1} {verdict}")
        });
        println!("{:<38} {nanos:>8.1} {ratio:>7.2}  {bar}", contestant.name);
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
