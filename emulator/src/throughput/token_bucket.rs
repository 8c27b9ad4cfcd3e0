//! A token bucket of bytes and events: pure, exact, its time given.

use std::time::Duration;
use tokio::time::Instant;

/// Levels are kept in billionths of a token, so that a nanosecond's worth is a whole number at any rate.
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// An amount of bytes and events: a cost, or what a second allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) bytes: u64,
    pub(super) events: u64,
}

impl Tokens {
    /// As a second's worth: no limit.
    pub(super) const UNLIMITED: u64 = u64::MAX;

    /// The same, `factor` times.
    pub(super) fn times(self, factor: u32) -> Self {
        Self {
            bytes: self.bytes.saturating_mul(factor.into()),
            events: self.events.saturating_mul(factor.into()),
        }
    }
}

/// A token bucket that holds one second's worth of bytes and events, taken together or not at all.
///
/// A cost above what the bucket can hold is admitted when the bucket is full; the bucket then goes into debt for the
/// rest. So nothing is refused for ever, and over any time `t` at most `rate × t` and one second's worth are taken,
/// plus what the largest cost has above a second's worth.
#[derive(Debug)]
pub(super) struct TokenBucket {
    bytes: Level,
    events: Level,
    filled_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub(super) fn full(per_second: Tokens, now: Instant) -> Self {
        Self {
            bytes: Level::full(per_second.bytes),
            events: Level::full(per_second.events),
            filled_at: now,
        }
    }

    /// Changes the rate from now on. What is in the bucket stays, as far as it still can; a debt stays, too.
    pub(super) fn set_rate(&mut self, per_second: Tokens, now: Instant) {
        self.fill(now);
        self.bytes.set_rate(per_second.bytes);
        self.events.set_rate(per_second.events);
    }

    /// The same for a bucket that is there only while there is a rate.
    pub(super) fn set_rate_of(bucket: &mut Option<Self>, per_second: Option<Tokens>, now: Instant) {
        match (bucket.as_mut(), per_second) {
            (Some(bucket), Some(per_second)) => bucket.set_rate(per_second, now),
            (None, Some(per_second)) => *bucket = Some(Self::full(per_second, now)),
            (_, None) => *bucket = None,
        }
    }

    /// Takes a cost, or nothing.
    ///
    /// # Errors
    ///
    /// When it could be taken, should nobody take anything before.
    pub(super) fn try_take(&mut self, cost: Tokens, now: Instant) -> Result<(), Instant> {
        self.check(cost, now)?;
        self.take(cost);
        Ok(())
    }

    /// Whether [`TokenBucket::take`] may be called at this very moment.
    ///
    /// # Errors
    ///
    /// As [`TokenBucket::try_take`].
    pub(super) fn check(&mut self, cost: Tokens, now: Instant) -> Result<(), Instant> {
        self.fill(now);
        let wait = self
            .bytes
            .wait(cost.bytes)
            .max(self.events.wait(cost.events));
        if wait.is_zero() {
            Ok(())
        } else {
            Err(now + wait)
        }
    }

    /// Takes a cost that was checked.
    pub(super) fn take(&mut self, cost: Tokens) {
        self.bytes.take(cost.bytes);
        self.events.take(cost.events);
    }

    fn fill(&mut self, now: Instant) {
        // Somebody else may have looked at the clock later but come first.
        let passed = now.saturating_duration_since(self.filled_at);
        self.filled_at += passed;
        self.bytes.fill(passed);
        self.events.fill(passed);
    }
}

#[derive(Debug)]
struct Level {
    per_second: i128,
    /// In billionths; negative is debt.
    left: i128,
}

impl Level {
    fn full(per_second: u64) -> Self {
        let per_second = i128::from(per_second);
        Self {
            per_second,
            left: per_second * NANOS_PER_SECOND,
        }
    }

    fn capacity(&self) -> i128 {
        self.per_second * NANOS_PER_SECOND
    }

    fn set_rate(&mut self, per_second: u64) {
        self.per_second = per_second.into();
        self.left = self.left.min(self.capacity());
    }

    fn fill(&mut self, passed: Duration) {
        let nanos = i128::try_from(passed.as_nanos()).unwrap_or(i128::MAX);
        let gained = nanos.saturating_mul(self.per_second);
        self.left = self.left.saturating_add(gained).min(self.capacity());
    }

    fn wait(&self, tokens: u64) -> Duration {
        let needed = (i128::from(tokens) * NANOS_PER_SECOND).min(self.capacity());
        let missing = (needed - self.left).max(0).unsigned_abs();
        let nanos = missing.div_ceil(self.per_second.unsigned_abs().max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn take(&mut self, tokens: u64) {
        self.left -= i128::from(tokens) * NANOS_PER_SECOND;
    }
}

#[cfg(test)]
mod tests;
