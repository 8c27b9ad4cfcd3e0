//! Who takes part in a contest, what came of it, and what is asked of them.

use super::{Load, Usage};

/// A client, and what its rounds took.
#[derive(Debug)]
pub(crate) struct Contestant {
    /// By which its process knows it.
    pub(crate) name: &'static str,
    pub(crate) options: String,
    /// Events in a round.
    pub(crate) events: u64,
    /// `None` where it failed.
    pub(crate) rounds: Vec<Option<Round>>,
}

/// What one round took, per event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Microseconds on the clock.
    pub(crate) wall: f64,
    /// Microseconds of the client's CPU time.
    pub(crate) cpu: f64,
    /// Microseconds of the emulator's CPU time; connecting and warming up count.
    pub(crate) emulator: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// How many times as fast it is at least.
    Rate,
    /// What part of the CPU time it uses at most.
    Cpu,
}

/// What is asked of a client beside others.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) of: &'static str,
    /// The best of them counts.
    pub(crate) beside: &'static [&'static str],
    pub(crate) measure: Measure,
    pub(crate) bound: f64,
}

/// Clients that do the same.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) bytes: usize,
    pub(crate) delay: u64,
    /// Whether they send, each as many events as take it about a second.
    pub(crate) sends: bool,
    /// The one that the others are compared with.
    pub(crate) ours: &'static str,
    pub(crate) contestants: Vec<Contestant>,
    pub(crate) bars: Vec<Bar>,
}

impl Contestant {
    pub(crate) fn new(name: &'static str, options: String, events: u64) -> Self {
        Self {
            name,
            options,
            events,
            rounds: Vec::new(),
        }
    }

    /// Takes about a second in rounds like the last.
    pub(super) fn fit(&mut self) {
        if let Some(Some(round)) = self.rounds.last() {
            let events = 1e6 / round.wall;
            // Whole shares of the partitions, warm-up and all.
            let step = f64::from(Load::PARTITIONS) * 4.0;
            self.events = ((events / step).ceil() * step) as u64;
        }
    }

    pub(super) fn median(&self, part: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().flatten().map(part))
    }
}

impl Round {
    /// `emulator` is the seconds of CPU time that it used.
    pub(super) fn new(usage: Usage, emulator: f64) -> Self {
        let of = |seconds: f64, events: u64| seconds * 1e6 / events as f64;
        Self {
            wall: of(usage.wall, usage.events),
            cpu: of(usage.cpu, usage.events),
            emulator: of(emulator, usage.events + usage.warm_up),
        }
    }
}

impl Group {
    pub(super) fn named(&self, name: &str) -> Option<&Contestant> {
        self.contestants.iter().find(|one| one.name == name)
    }

    /// The median of the ratios of each round, beside the best of the others in it.
    pub(super) fn ratio(&self, of: &str, beside: &[&str], measure: Measure) -> f64 {
        let Some(one) = self.named(of) else {
            return f64::NAN;
        };
        let ratios = one.rounds.iter().enumerate().filter_map(|(number, round)| {
            let round = (*round)?;
            let others = beside.iter().filter_map(|other| {
                let other = (*self.named(other)?.rounds.get(number)?)?;
                Some(match measure {
                    Measure::Rate => other.wall / round.wall,
                    Measure::Cpu => round.cpu / other.cpu,
                })
            });
            match measure {
                Measure::Rate => others.reduce(f64::min),
                Measure::Cpu => others.reduce(f64::max),
            }
        });
        median(ratios)
    }

    pub(super) fn is_met(&self, bar: &Bar) -> (f64, bool) {
        let ratio = self.ratio(bar.of, bar.beside, bar.measure);
        match bar.measure {
            Measure::Rate => (ratio, ratio >= bar.bound),
            Measure::Cpu => (ratio, ratio <= bar.bound),
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
