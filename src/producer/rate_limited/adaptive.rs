//! A rate that gives way when the service throttles, and comes back.
//!
//! Additive increase, multiplicative decrease (AIMD), the rule by which TCP
//! shares a line among strangers: D.-M. Chiu and R. Jain, *Analysis of the
//! Increase and Decrease Algorithms for Congestion Avoidance in Computer
//! Networks*, 1989. Writers that each follow it converge to equal shares without
//! knowing of each other.
//!
//! ```text
//!  share of the ceiling
//!  1 ┤╲                 a refusal:  share = max(floor, decrease × share)
//!    │ ╲    ╱│    ╱     then:       share as it is while the episode lasts
//!    │  │  ╱ │  ╱                   share = min(1, share + elapsed / recovery)
//!    │  └─╱  └─╱
//!    └──────────────▶ time
//! ```
//!
//! An *episode* is the wait that the service asked for with its refusal (4 s as
//! a rule): refusals within it are the echo of one shortage and lower the rate
//! once. The share moves in thousandths of the ceiling, so that the buckets
//! change their rate only so often; all here are whole numbers.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;

/// The ceiling, in steps of the share.
const WHOLE: u32 = 1000;
/// What counts as an episode at least and at most, whatever the service asks for.
const EPISODE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How a limiter's rate follows the service's throttling: see
/// [`RateLimiter::adaptive`](super::RateLimiter::adaptive).
///
/// The limit that the limiter was made with is the ceiling. The first refusal of
/// an episode multiplies the rate by `decrease`; after the episode it grows by
/// `ceiling / recovery` per second until the next refusal or the ceiling. It
/// never falls below `floor × ceiling`. An episode is the wait that the service
/// asked for, at least 1 s and at most 60 s.
///
/// # How to choose
/// The rate swings between `decrease` and the whole of what the service takes,
/// three quarters of it on the average by default. Where the service saves up
/// what is unused, a second's worth on the emulator, that makes up for the rest.
/// A longer `recovery` means fewer refusals, and more time to take up capacity
/// that another writer left. A higher `decrease` gives less way, and is refused
/// more often.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use eventhubs_flow::producer::rate_limited::{Adaptive, RateLimit, RateLimiter};
///
/// # fn main() -> Result<(), eventhubs_flow::Error> {
/// let calm = Adaptive::default().with_recovery(Duration::from_secs(300));
/// let limiter = RateLimiter::adaptive(RateLimit::throughput_units(4), calm)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adaptive {
    decrease: f64,
    recovery: Duration,
    floor: f64,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self {
            decrease: 0.5,
            recovery: Duration::from_secs(60),
            floor: 0.01,
        }
    }
}

impl Adaptive {
    /// What is left of the rate after a throttle episode began: above 0, below 1,
    /// to a thousandth.
    ///
    /// Defaults to 0.5, as in TCP (RFC 5681); CUBIC (RFC 9438) takes 0.7.
    #[must_use]
    pub const fn with_decrease(mut self, factor: f64) -> Self {
        self.decrease = factor;
        self
    }

    /// How long the rate takes to grow by the whole ceiling: 1 ms at least.
    ///
    /// Defaults to 60 s.
    #[must_use]
    pub const fn with_recovery(mut self, time: Duration) -> Self {
        self.recovery = time;
        self
    }

    /// The least rate, as a share of the ceiling: 0.001 to 1, to a thousandth.
    ///
    /// Defaults to 0.01. A rate is never less than 1 per second.
    #[must_use]
    pub const fn with_floor(mut self, share: f64) -> Self {
        self.floor = share;
        self
    }
}

/// The rate now, as a share of the ceiling. Its clock is the caller's.
#[derive(Debug)]
pub(super) struct Pace {
    decrease: u32,
    floor: u32,
    /// How long the share takes to grow by a thousandth.
    step: Duration,
    /// The share at `since`, from when on it grows. Until then there is an
    /// episode.
    share: u32,
    since: Instant,
}

impl Pace {
    /// Begins at the ceiling.
    pub(super) fn new(options: Adaptive, now: Instant) -> Result<Self, Error> {
        let decrease = thousandths(options.decrease);
        let floor = thousandths(options.floor);
        let step = options.recovery / WHOLE;
        if !(1..WHOLE).contains(&decrease) {
            return Err(Error::invalid_options(format!(
                "a decrease to {} of the rate is not above 0 and below 1",
                options.decrease
            )));
        }
        if !(1..=WHOLE).contains(&floor) {
            return Err(Error::invalid_options(format!(
                "a floor of {} of the rate is not between 0.001 and 1",
                options.floor
            )));
        }
        if step < Duration::from_micros(1) {
            return Err(Error::invalid_options(format!(
                "a recovery in {:?} is shorter than 1 ms",
                options.recovery
            )));
        }
        Ok(Self {
            decrease,
            floor,
            step,
            share: WHOLE,
            since: now,
        })
    }

    /// The service refused, and asked for a wait. Whether that lowered the rate:
    /// it does once per episode.
    pub(super) fn throttled(&mut self, retry_after: Duration, now: Instant) -> bool {
        if now < self.since {
            return false;
        }
        self.share = (self.share(now) * self.decrease / WHOLE).max(self.floor);
        let (least, most) = EPISODE;
        self.since = now + retry_after.clamp(least, most);
        true
    }

    /// The share now, in thousandths.
    pub(super) fn share(&self, now: Instant) -> u32 {
        let room = WHOLE - self.share;
        let steps = self.steps(now).min(room.into());
        self.share + u32::try_from(steps).expect("at most a thousand")
    }

    /// How long the share stays as it is; `None` for ever, as at the ceiling.
    pub(super) fn next_step(&self, now: Instant) -> Option<Duration> {
        if self.share(now) == WHOLE {
            return None;
        }
        let steps = u32::try_from(self.steps(now)).expect("below a thousand");
        let at = self.since.checked_add(self.step * (steps + 1))?;
        Some(at.saturating_duration_since(now))
    }

    fn steps(&self, now: Instant) -> u128 {
        let grown = now.saturating_duration_since(self.since);
        grown.as_nanos() / self.step.as_nanos()
    }
}

/// A share of a whole rate of something, rounded up: never nothing.
pub(super) fn share_of(share: u32, whole: u64) -> u64 {
    // At most 2³² thousandths.
    (whole * u64::from(share)).div_ceil(WHOLE.into())
}

fn thousandths(share: f64) -> u32 {
    // Saturating, and zero for what is no number: refused by its range.
    (share * f64::from(WHOLE)).round() as u32
}

#[cfg(test)]
mod tests;
