//! Waiting for tokens, first come, first served.
//!
//! The queue is that of [`tokio::sync::Mutex`], which is fair: whoever holds the
//! lock has its turn, sleeps until the buckets let it pass, takes, and leaves.
//! All others stand behind it, so a large batch is never overtaken. Tokens are
//! taken only on leaving: a waiter that is dropped had none to give back, and its
//! place closes up.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, sleep_until};

use super::limit::{Cost, RateLimit};
use super::token_bucket::TokenBuckets;
use crate::error::Error;

/// Two token buckets, events and encoded bytes, with one fair queue.
///
/// A clone is another handle of the same buckets: producers, streams and tasks
/// that share a limiter share its rate. The buckets start full.
///
/// # Examples
/// ```
/// use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), eventhubs_flow::Error> {
/// let limiter = RateLimiter::new(RateLimit::throughput_units(1))?;
/// limiter.acquire(100, 20_000).await?; // 100 events of 20,000 bytes in all
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RateLimiter {
    shared: Arc<Shared>,
}

struct Shared {
    limit: RateLimit,
    buckets: Mutex<TokenBuckets>,
}

/// A place at the head of the queue, its tokens taken. Those behind go on when
/// it is dropped.
pub(super) struct Turn<'a> {
    _buckets: MutexGuard<'a, TokenBuckets>,
}

impl RateLimiter {
    /// A limiter with full buckets.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidOptions`](crate::ErrorKind::InvalidOptions) if a rate
    /// or a burst is 0 or above 4,294,967,295.
    pub fn new(limit: RateLimit) -> Result<Self, Error> {
        limit.validate()?;
        let buckets = Mutex::new(TokenBuckets::full(&limit, Instant::now()));
        Ok(Self {
            shared: Arc::new(Shared { limit, buckets }),
        })
    }

    /// What the limiter was made with.
    #[must_use]
    pub fn limit(&self) -> RateLimit {
        self.shared.limit
    }

    /// Waits for its turn and for the tokens, and takes them: both kinds at
    /// once. They are spent, whatever becomes of what they were taken for.
    ///
    /// # Errors
    /// [`ErrorKind::CostExceedsBurst`](crate::ErrorKind::CostExceedsBurst), at
    /// once, if no wait could be long enough.
    ///
    /// # Cancel safety
    /// Dropping the future takes nothing and gives up the place in the queue.
    pub async fn acquire(&self, events: usize, bytes: usize) -> Result<(), Error> {
        self.turn(Cost::new(events, bytes)).await.map(drop)
    }

    pub(super) async fn turn(&self, cost: Cost) -> Result<Turn<'_>, Error> {
        self.shared.limit.admit(cost)?;
        let mut buckets = match self.shared.buckets.try_lock() {
            // Free, and nobody waits: the lock is handed from waiter to waiter.
            Ok(buckets) => buckets,
            // Unconstrained: a task out of its cooperative budget would be sent
            // away before it stands in the queue, and lose its place to another.
            Err(_) => unconstrained(self.shared.buckets.lock()).await,
        };
        loop {
            let now = Instant::now();
            let Err(wait) = buckets.try_take(cost, now) else {
                return Ok(Turn { _buckets: buckets });
            };
            tracing::trace!(?cost, ?wait, "waiting for the rate limit");
            sleep_until(now + wait).await;
        }
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("limit", &self.shared.limit)
            .finish_non_exhaustive()
    }
}
