//! How much may be sent in how much time.

use super::adaptive::share_of;
use crate::batch::{BatchLimits, EventBatch};
use crate::error::{Error, ErrorKind};

/// The largest rate and the largest burst of either bucket.
const MAX: u64 = u32::MAX as u64;

/// A limit on events per second, on encoded bytes per second, or on both.
///
/// Each comes with a burst: the most that may pass at once after a pause. In
/// every window of length `t` at most `rate × t + burst` passes.
///
/// # How to choose
/// One throughput unit takes 1000 events/s **and** 1,000,000 bytes/s, whichever
/// is reached first, for the whole namespace. The limit is per process: divide
/// it among the processes that write to the namespace. A burst bounds the size
/// of a batch, so it should hold a few full batches; where it is worth less than
/// some milliseconds of the rate, the timer's granularity of 1 ms costs rate.
///
/// What leaves at an even pace arrives unevenly. Where the limit is the very rate
/// that the service takes, a burst of less than the second that the service saves
/// up leaves room for that: half a second, say.
///
/// # Examples
/// ```
/// use eventhubs_flow::producer::rate_limited::RateLimit;
///
/// let two_units = RateLimit::throughput_units(2);
/// let own = RateLimit::events_per_second(500).with_bytes_per_second(250_000);
/// let smooth = RateLimit::throughput_units(20).with_events_burst(2000);
/// # let _ = (two_units, own, smooth);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    pub(super) events: Option<Rate>,
    pub(super) bytes: Option<Rate>,
}

/// What one bucket refills with, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) per_second: u64,
    pub(super) burst: u64,
}

/// What a batch takes out of the buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(super) events: u64,
    pub(super) bytes: u64,
}

impl Cost {
    pub(crate) fn new(events: usize, bytes: usize) -> Self {
        Self {
            events: events as u64,
            bytes: bytes as u64,
        }
    }

    pub(crate) fn of(batch: &EventBatch) -> Self {
        Self::new(batch.len(), batch.encoded_size())
    }
}

impl RateLimit {
    const NONE: Self = Self {
        events: None,
        bytes: None,
    };

    /// What a number of throughput units takes in: 1000 events/s and
    /// 1,000,000 bytes/s each, each with a burst of one second.
    #[must_use]
    pub const fn throughput_units(units: u32) -> Self {
        let units = units as u64;
        Self::events_per_second(1000 * units).with_bytes_per_second(1_000_000 * units)
    }

    /// A limit on events alone, with a burst of one second.
    #[must_use]
    pub const fn events_per_second(events: u64) -> Self {
        Self::NONE.with_events_per_second(events)
    }

    /// A limit on encoded bytes alone, with a burst of one second.
    #[must_use]
    pub const fn bytes_per_second(bytes: u64) -> Self {
        Self::NONE.with_bytes_per_second(bytes)
    }

    /// Limits the events per second; sets their burst to one second of it.
    #[must_use]
    pub const fn with_events_per_second(mut self, events: u64) -> Self {
        self.events = Some(Rate::of(events));
        self
    }

    /// Limits the encoded bytes per second; sets their burst to one second of it.
    #[must_use]
    pub const fn with_bytes_per_second(mut self, bytes: u64) -> Self {
        self.bytes = Some(Rate::of(bytes));
        self
    }

    /// The most events that pass at once; nothing where events are not limited.
    ///
    /// Defaults to one second of the rate.
    #[must_use]
    pub const fn with_events_burst(mut self, events: u64) -> Self {
        if let Some(rate) = &mut self.events {
            rate.burst = events;
        }
        self
    }

    /// The most encoded bytes that pass at once; nothing where bytes are not
    /// limited.
    ///
    /// Defaults to one second of the rate.
    #[must_use]
    pub const fn with_bytes_burst(mut self, bytes: u64) -> Self {
        if let Some(rate) = &mut self.bytes {
            rate.burst = bytes;
        }
        self
    }

    /// The events per second, where they are limited.
    #[must_use]
    pub const fn events_rate(&self) -> Option<u64> {
        match self.events {
            Some(rate) => Some(rate.per_second),
            None => None,
        }
    }

    /// The encoded bytes per second, where they are limited.
    #[must_use]
    pub const fn bytes_rate(&self) -> Option<u64> {
        match self.bytes {
            Some(rate) => Some(rate.per_second),
            None => None,
        }
    }

    /// The same limit with a share of its rates, in thousandths, and its bursts.
    pub(super) fn scaled(self, share: u32) -> Self {
        let scaled = |rate: Rate| Rate {
            per_second: share_of(share, rate.per_second),
            ..rate
        };
        Self {
            events: self.events.map(scaled),
            bytes: self.bytes.map(scaled),
        }
    }

    /// The largest batch that can pass: the bursts.
    #[must_use]
    pub fn batch_limits(&self) -> BatchLimits {
        BatchLimits {
            bytes: largest(self.bytes),
            events: largest(self.events),
        }
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        for (unit, rate) in [("events", self.events), ("bytes", self.bytes)] {
            let Some(rate) = rate else { continue };
            for (what, value) in [("per second", rate.per_second), ("in a burst", rate.burst)] {
                if !(1..=MAX).contains(&value) {
                    return Err(Error::invalid_options(format!(
                        "a rate limit of {value} {unit} {what} is not between 1 and {MAX}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Refuses what no wait could let pass.
    pub(super) fn admit(&self, cost: Cost) -> Result<(), Error> {
        let units = [
            ("events", self.events, cost.events),
            ("bytes", self.bytes, cost.bytes),
        ];
        for (unit, rate, cost) in units {
            if let Some(Rate { burst, .. }) = rate.filter(|rate| cost > rate.burst) {
                return Err(Error::new(
                    ErrorKind::CostExceedsBurst { cost, burst },
                    format!(
                        "{cost} {unit} never pass a burst of {burst}: send less at once or raise the burst"
                    ),
                ));
            }
        }
        Ok(())
    }
}

impl Rate {
    const fn of(per_second: u64) -> Self {
        Self {
            per_second,
            burst: per_second,
        }
    }
}

fn largest(rate: Option<Rate>) -> usize {
    rate.map_or(usize::MAX, |rate| {
        usize::try_from(rate.burst).unwrap_or(usize::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throughput_unit_is_a_thousand_events_and_a_million_bytes() {
        let limit = RateLimit::throughput_units(20);
        assert_eq!(limit.events, Some(Rate::of(20_000)));
        assert_eq!(limit.bytes, Some(Rate::of(20_000_000)));
        assert_eq!(limit.validate().map_err(|error| error.to_string()), Ok(()));
    }

    #[test]
    fn a_zero_or_oversized_value_is_refused_by_name() {
        let refused = [
            (RateLimit::throughput_units(0), "0 events per second"),
            (
                RateLimit::throughput_units(5000),
                "5000000000 bytes per second",
            ),
            (
                RateLimit::events_per_second(1).with_events_burst(0),
                "0 events in a burst",
            ),
            (RateLimit::bytes_per_second(u64::MAX), "bytes per second"),
            (
                RateLimit::bytes_per_second(1).with_bytes_burst(MAX + 1),
                "bytes in a burst",
            ),
        ];
        for (limit, words) in refused {
            let error = limit.validate().unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::InvalidOptions);
            assert!(error.message().contains(words), "{error}");
        }
        let largest = RateLimit::bytes_per_second(MAX).with_events_per_second(MAX);
        assert!(largest.validate().is_ok());
    }

    #[test]
    fn what_exceeds_a_burst_is_refused_in_its_own_unit() {
        let limit = RateLimit::throughput_units(1).with_events_burst(10);
        assert!(limit.admit(Cost::new(10, 1_000_000)).is_ok());
        for (cost, kind) in [
            (
                Cost::new(11, 1),
                ErrorKind::CostExceedsBurst {
                    cost: 11,
                    burst: 10,
                },
            ),
            (
                Cost::new(1, 1_000_001),
                ErrorKind::CostExceedsBurst {
                    cost: 1_000_001,
                    burst: 1_000_000,
                },
            ),
        ] {
            assert_eq!(limit.admit(cost).unwrap_err().kind(), &kind);
        }
    }
}
