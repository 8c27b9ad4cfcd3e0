//! How long an ownership may be relied on, by the own clock.

use std::time::Duration;

use tokio::time::Instant;

use crate::sync::{Mutex, lock};

/// The time until which nobody else may claim.
///
/// It counts from before a renewal was asked for: the store took it later, and so
/// others reckon from later on. A lease that is over stays over.
#[derive(Debug)]
pub(super) struct Lease {
    length: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    until: Instant,
    is_over: bool,
}

impl Lease {
    /// One that was asked for at a time, and is there.
    pub(super) fn new(asked: Instant, length: Duration) -> Self {
        let state = State {
            until: asked + length,
            is_over: false,
        };
        Self {
            length,
            state: Mutex::new(state),
        }
    }

    /// A renewal was asked for at a time, and made. Tells whether it still counts.
    pub(super) fn renewed(&self, asked: Instant) -> bool {
        let mut state = lock(&self.state);
        state.check();
        if !state.is_over {
            state.until = state.until.max(asked + self.length);
        }
        !state.is_over
    }

    pub(super) fn until(&self) -> Instant {
        lock(&self.state).until
    }

    pub(super) fn is_over(&self) -> bool {
        let mut state = lock(&self.state);
        state.check();
        state.is_over
    }
}

impl State {
    fn check(&mut self) {
        self.is_over |= Instant::now() >= self.until;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const LENGTH: Duration = Duration::from_secs(50);

    #[tokio::test(start_paused = true)]
    async fn it_counts_from_before_the_renewal_was_asked_for() {
        let lease = Lease::new(Instant::now(), LENGTH);
        let asked = Instant::now();
        advance(Duration::from_secs(20)).await;
        assert!(lease.renewed(asked));
        advance(Duration::from_secs(29)).await;
        assert!(!lease.is_over());
        advance(Duration::from_secs(1)).await;
        assert!(lease.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_comes_too_late_does_not_bring_it_back() {
        let lease = Lease::new(Instant::now(), LENGTH);
        advance(LENGTH).await;
        assert!(!lease.renewed(Instant::now()), "nobody has looked, and yet");
        assert!(lease.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn answers_in_the_wrong_order_do_not_shorten_it() {
        let first = Instant::now();
        let lease = Lease::new(first, LENGTH);
        advance(Duration::from_secs(10)).await;
        assert!(lease.renewed(Instant::now()));
        assert!(lease.renewed(first));
        assert_eq!(lease.until(), first + Duration::from_secs(60));
    }
}
