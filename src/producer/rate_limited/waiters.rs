//! Waiting for tokens, first come, first served.
//!
//! The queue is that of [`tokio::sync::Semaphore`], which is fair: whoever holds
//! its one permit has its turn, sleeps until the buckets let it pass, takes, and
//! leaves. All others stand behind it, so a large batch is never overtaken. Where
//! nobody stands, a take that needs no wait goes past the queue. Tokens are
//! taken only on leaving: a waiter that is dropped had none to give back, and its
//! place closes up. The buckets have a lock of their own, held for no wait, so
//! that the limit can be changed under whoever sleeps.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, sleep_until};

use super::adaptive::{Adaptive, Pace};
use super::limit::{Cost, RateLimit};
use super::meter::{Meter, Refusal};
use super::metrics::LimiterMetrics;
use super::snapshot::RateLimiterSnapshot;
use crate::batch::BatchLimits;
use crate::error::Error;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{self, lock};
use crate::telemetry::Stopwatch;

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
    /// Under the name of this handle.
    metrics: Arc<LimiterMetrics>,
}

struct Shared {
    /// One permit, held by whoever has its turn.
    queue: Semaphore,
    meter: sync::Mutex<Meter>,
    /// Tells whoever has its turn to look again.
    limit_changed: Notify,
    waiting: AtomicUsize,
    throttled: AtomicU64,
}

/// Someone who waits, counted and timed until dropped.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    _wait: Stopwatch<'a>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place at the head of the queue, its tokens taken. Those behind go on when
/// it is dropped.
pub(super) struct Turn<'a> {
    _place: SemaphorePermit<'a>,
}

impl RateLimiter {
    /// A limiter with full buckets.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidOptions`](crate::ErrorKind::InvalidOptions) if a rate
    /// or a burst is 0 or above 4,294,967,295.
    pub fn new(limit: RateLimit) -> Result<Self, Error> {
        limit.validate()?;
        Ok(Self::with_meter(Meter::new(limit, None, Instant::now())))
    }

    /// A limiter whose rate falls when the service throttles, and recovers; the
    /// limit is its ceiling, where it begins. See [`Adaptive`] for the rule.
    ///
    /// The bursts stay what they are, but a refusal empties the buckets, and
    /// [`batch_limits`](Self::batch_limits) asks for small batches.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidOptions`](crate::ErrorKind::InvalidOptions) as for
    /// [`new`](Self::new), or if an option of `adaptive` is out of its range.
    pub fn adaptive(limit: RateLimit, adaptive: Adaptive) -> Result<Self, Error> {
        limit.validate()?;
        let now = Instant::now();
        let pace = Pace::new(adaptive, now)?;
        Ok(Self::with_meter(Meter::new(limit, Some(pace), now)))
    }

    fn with_meter(meter: Meter) -> Self {
        Self {
            shared: Arc::new(Shared {
                queue: Semaphore::new(1),
                meter: sync::Mutex::new(meter),
                limit_changed: Notify::new(),
                waiting: AtomicUsize::new(0),
                throttled: AtomicU64::new(0),
            }),
            metrics: Arc::new(LimiterMetrics::new(Arc::from("default"))),
        }
    }

    /// A handle of the same buckets that goes by another name in its
    /// [metrics](crate::telemetry), as do its clones: to tell apart the limiters
    /// of one program. Without one it is `default`.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        let metrics = Arc::new(LimiterMetrics::new(name.into()));
        Self { metrics, ..self }
    }

    /// What it lets pass now, and who waits.
    #[must_use]
    pub fn snapshot(&self) -> RateLimiterSnapshot {
        let (current_limit, [event_tokens, byte_tokens]) =
            self.at_once(|meter, now| (meter.limit_at(now), meter.tokens(now)));
        RateLimiterSnapshot {
            current_limit,
            event_tokens,
            byte_tokens,
            waiting: self.shared.waiting.load(Ordering::Relaxed),
            throttled: self.shared.throttled.load(Ordering::Relaxed),
        }
    }

    fn sample(&self) {
        self.metrics.sample(&self.snapshot());
    }

    fn wait(&self) -> Waiting<'_> {
        let count = &self.shared.waiting;
        count.fetch_add(1, Ordering::Relaxed);
        let _wait = Stopwatch::start(&self.metrics.wait);
        Waiting { count, _wait }
    }

    /// The limit as it was set: the ceiling of an adaptive limiter.
    #[must_use]
    pub fn limit(&self) -> RateLimit {
        lock(&self.shared.meter).limit()
    }

    /// The limit in force now: lower than [`limit`](Self::limit) while an
    /// adaptive limiter gives way.
    #[must_use]
    pub fn current_limit(&self) -> RateLimit {
        self.at_once(Meter::limit_at)
    }

    /// Changes the limit, the ceiling of an adaptive limiter, for those who wait
    /// too.
    ///
    /// The tokens that are there stay, as far as the new bursts hold them: a
    /// change hands out no second burst. What was not limited before begins with
    /// a full bucket. A waiter whose cost exceeds the new burst is refused when
    /// its turn comes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidOptions`](crate::ErrorKind::InvalidOptions) as for
    /// [`new`](Self::new); the limit stays as it was.
    ///
    /// # Examples
    /// ```
    /// use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
    ///
    /// # fn main() -> Result<(), eventhubs_flow::Error> {
    /// let limiter = RateLimiter::new(RateLimit::throughput_units(1))?;
    /// limiter.set_limit(RateLimit::throughput_units(4))?; // the namespace grew
    /// assert_eq!(limiter.limit(), RateLimit::throughput_units(4));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_limit(&self, limit: RateLimit) -> Result<(), Error> {
        limit.validate()?;
        self.at_once(|meter, now| meter.set_limit(limit, now));
        self.shared.limit_changed.notify_waiters();
        self.sample();
        Ok(())
    }

    /// Tells that the service refused an attempt and asked for a wait. The rate
    /// of an adaptive limiter falls, once per episode; any other takes no notice.
    ///
    /// A [`RateLimitedProducer`](super::RateLimitedProducer) tells it by itself.
    /// It is for those who use a limiter without one.
    pub fn throttled(&self, retry_after: Duration) {
        self.shared.throttled.fetch_add(1, Ordering::Relaxed);
        self.metrics.throttled();
        let lowered = self.at_once(|meter, now| meter.throttled(retry_after, now));
        self.sample();
        if let Some(limit) = lowered {
            tracing::warn!(
                events_per_second = limit.events_rate(),
                bytes_per_second = limit.bytes_rate(),
                ?retry_after,
                "throttled: the rate falls"
            );
        }
    }

    /// The largest batch to build for this limiter.
    ///
    /// It holds the bursts. An adaptive limiter asks for no more events than a
    /// twentieth of a second's, so that other writers do not keep a batch from
    /// finding room and a refusal costs little; larger ones pass all the same.
    #[must_use]
    pub fn batch_limits(&self) -> BatchLimits {
        self.at_once(Meter::batch_limits)
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
        let cost = Cost::new(events, bytes);
        // Free, and nobody waits: the permit is handed from waiter to waiter.
        if self.shared.queue.available_permits() > 0 {
            match self.at_once(|meter, now| meter.try_take(cost, now)) {
                Ok(()) => return Ok(()),
                Err(Refusal::Never(error)) => return Err(error),
                Err(Refusal::Until(_)) => {}
            }
        }
        self.turn(cost).await.map(drop)
    }

    pub(super) async fn turn(&self, cost: Cost) -> Result<Turn<'_>, Error> {
        let mut waiting = None;
        let place = match self.shared.queue.try_acquire() {
            Ok(place) => place,
            Err(_) => {
                // Before the wait, which would be for nothing.
                self.limit().admit(cost)?;
                waiting = Some(self.wait());
                // Unconstrained: a task out of its cooperative budget would be sent
                // away before it stands in the queue, and lose its place to another.
                let place = unconstrained(self.shared.queue.acquire()).await;
                place.expect("a semaphore that is never closed")
            }
        };
        loop {
            // Before the look, so that no change is missed.
            let limit_changed = self.shared.limit_changed.notified();
            let look_again = match self.at_once(|meter, now| meter.try_take(cost, now)) {
                Ok(()) => {
                    self.sample();
                    return Ok(Turn { _place: place });
                }
                Err(Refusal::Never(error)) => return Err(error),
                Err(Refusal::Until(then)) => then,
            };
            waiting.get_or_insert_with(|| self.wait());
            tracing::trace!(?cost, "waiting for the rate limit");
            tokio::select! {
                () = sleep_until(look_again) => {}
                () = limit_changed => {}
            }
        }
    }

    /// Uses the meter. The clock is read under the lock, so that it sees no time
    /// run backwards.
    fn at_once<T>(&self, use_meter: impl FnOnce(&mut Meter, Instant) -> T) -> T {
        let mut meter = lock(&self.shared.meter);
        use_meter(&mut meter, Instant::now())
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("limit", &self.limit())
            .finish_non_exhaustive()
    }
}
