//! How long to wait before the next attempt.

use std::time::Duration;

/// Waits that double up to a limit, each a random part of it ("full jitter"):
/// clients that failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    first: Duration,
    limit: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(800),
            limit: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// Waits up to `first`, doubling up to `limit`.
    pub(crate) fn new(first: Duration, limit: Duration) -> Self {
        Self { first, limit }
    }

    /// The wait after so many failures in a row, but not less than the service
    /// asked for.
    pub(crate) fn delay(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let drawn = self.ceiling(failures).mul_f64(fastrand::f64());
        asked.map_or(drawn, |asked| asked + drawn)
    }

    /// A wait that is never short: half of the ceiling, and a random part of the
    /// other half.
    pub(crate) fn long_delay(&self, failures: u32) -> Duration {
        let half = self.ceiling(failures) / 2;
        half + half.mul_f64(fastrand::f64())
    }

    fn ceiling(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_the_limit() {
        let backoff = Backoff::default();
        for (failures, millis) in [
            (1, 800),
            (2, 1600),
            (7, 51_200),
            (8, 60_000),
            (33, 60_000),
            (u32::MAX, 60_000),
        ] {
            assert_eq!(backoff.ceiling(failures), Duration::from_millis(millis));
        }
    }

    #[test]
    fn a_long_wait_is_at_least_half_of_the_ceiling() {
        let backoff = Backoff::default();
        let half = backoff.ceiling(3) / 2;
        let delays: Vec<_> = (0..100).map(|_| backoff.long_delay(3)).collect();
        assert!(delays.iter().all(|delay| (half..2 * half).contains(delay)));
        assert!(delays.iter().any(|delay| delay != &delays[0]), "random");
    }

    #[test]
    fn a_wait_is_a_part_of_the_ceiling_after_what_was_asked_for() {
        let backoff = Backoff::default();
        let asked = Duration::from_secs(4);
        let delays: Vec<_> = (0..100).map(|_| backoff.delay(3, Some(asked))).collect();
        let most = asked + backoff.ceiling(3);
        assert!(delays.iter().all(|delay| (asked..most).contains(delay)));
        assert!(delays.iter().any(|delay| delay != &delays[0]), "random");
        assert!(backoff.delay(3, None) < backoff.ceiling(3));
    }
}
