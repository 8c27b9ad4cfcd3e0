//! What the work of a client took.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use tokio::time::Instant;

use super::Failure;

/// What so many events took, after others that do not count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) events: u64,
    pub(crate) warm_up: u64,
    /// Seconds on the clock.
    pub(crate) wall: f64,
    /// Seconds of CPU time of the process, user and system.
    pub(crate) cpu: f64,
}

/// Measures from its start on.
#[derive(Debug)]
pub(crate) struct Meter {
    start: Instant,
    cpu: f64,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            cpu: cpu_seconds(),
        }
    }

    /// The work is done: so many events.
    pub(crate) fn stop(&self, events: u64, warm_up: u64) -> Usage {
        Usage {
            events,
            warm_up,
            wall: self.start.elapsed().as_secs_f64(),
            cpu: cpu_seconds() - self.cpu,
        }
    }
}

/// The CPU time that this process has used.
pub(crate) fn cpu_seconds() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process knows its own usage");
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

impl Usage {
    pub(crate) fn line(&self) -> String {
        let Self {
            events,
            warm_up,
            wall,
            cpu,
        } = self;
        format!("{events} {warm_up} {wall} {cpu}")
    }

    /// # Errors
    /// If it is not what [`line`](Self::line) writes.
    pub(crate) fn parse(line: &str) -> Result<Self, Failure> {
        let words: Vec<_> = line.split_whitespace().collect();
        let [events, warm_up, wall, cpu] = words[..] else {
            return Err("no usage".into());
        };
        Ok(Self {
            events: events.parse()?,
            warm_up: warm_up.parse()?,
            wall: wall.parse()?,
            cpu: cpu.parse()?,
        })
    }
}
