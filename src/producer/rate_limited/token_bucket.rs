//! Two token buckets, events and bytes, taken from together or not at all.
//!
//! Each bucket is a GCRA: it keeps one number, the theoretical arrival time, and
//! a take moves that time on by what was taken. [`governor`] tests and charges;
//! four things that it does not offer are built around its state store:
//!
//! - **Joint take**: `check_n` charges as it tests. Both buckets are charged; if
//!   one refuses, both arrival times are put back. The caller holds a lock.
//! - **Exact rates**: governor rounds a quota's period down to whole nanoseconds,
//!   which is 11% too fast at 300 MB/s. Its unit of time is opaque to it, so
//!   here it is not the nanosecond but a *tick*: the time in which a billionth of
//!   a token comes in. A nanosecond is as many ticks as there are tokens in a
//!   second, a token is 10⁹ of them. Nothing is ever rounded: a cell is one event
//!   or one byte, and `used <= rate × t + burst` holds without slack.
//! - **Range**: at the highest rates 64 bits of ticks last for seconds. So the
//!   arrival time is kept relative to the last look: time passes by drawing it
//!   nearer, and governor's clock stands still at zero. The time that passes is
//!   tokio's, so its paused clock works.
//! - **Changes**: a bucket whose rate or burst changes keeps the tokens that it
//!   holds, as far as they fit: there is no second burst. In every window
//!   `used <= ∫ rate dt + burst`, the burst being that of the window's begin.
//!
//! Nothing is refunded later: a refund after the bucket has refilled would let
//! more than a burst pass at once. Whoever waits takes nothing until it may go.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter as Gcra};
use tokio::time::Instant;

use super::limit::{Cost, Rate, RateLimit};

/// A tick is what a billionth of a token takes to come in.
const TICKS_PER_TOKEN: u64 = 1_000_000_000;

/// The buckets of one limit.
#[derive(Debug)]
pub(super) struct TokenBuckets {
    events: Option<TokenBucket>,
    bytes: Option<TokenBucket>,
    looked_at: Instant,
}

impl TokenBuckets {
    /// Full buckets for a validated limit.
    pub(super) fn full(limit: &RateLimit, now: Instant) -> Self {
        Self {
            events: limit.events.map(TokenBucket::full),
            bytes: limit.bytes.map(TokenBucket::full),
            looked_at: now,
        }
    }

    /// Takes a cost that the limit admits from both buckets, or nothing from
    /// either: then says how long to wait. Exact to the nanosecond.
    pub(super) fn try_take(&mut self, cost: Cost, now: Instant) -> Result<(), Duration> {
        self.pass(now);
        let take = |bucket: &Option<TokenBucket>, tokens| {
            bucket
                .as_ref()
                .map_or(Ok(()), |bucket| bucket.try_take(tokens))
        };
        let put_back = |bucket: &Option<TokenBucket>, tokens| {
            if let Some(bucket) = bucket {
                bucket.put_back(tokens);
            }
        };
        match (
            take(&self.events, cost.events),
            take(&self.bytes, cost.bytes),
        ) {
            (Ok(()), Ok(())) => Ok(()),
            (Err(events), Err(bytes)) => Err(events.max(bytes)),
            (Err(wait), Ok(())) => {
                put_back(&self.bytes, cost.bytes);
                Err(wait)
            }
            (Ok(()), Err(wait)) => {
                put_back(&self.events, cost.events);
                Err(wait)
            }
        }
    }

    /// Goes by another validated limit from now on. A unit that was not limited
    /// begins with a full bucket.
    pub(super) fn change(&mut self, limit: &RateLimit, now: Instant) {
        self.pass(now);
        let change = |bucket: Option<TokenBucket>, rate: Option<Rate>| {
            rate.map(|rate| match bucket {
                Some(bucket) => bucket.changed(rate),
                None => TokenBucket::full(rate),
            })
        };
        self.events = change(self.events.take(), limit.events);
        self.bytes = change(self.bytes.take(), limit.bytes);
    }

    /// The whole tokens that the buckets of this limit hold: events and bytes.
    pub(super) fn tokens(&mut self, limit: &RateLimit, now: Instant) -> [Option<u64>; 2] {
        self.pass(now);
        let buckets = [(&self.events, limit.events), (&self.bytes, limit.bytes)];
        buckets.map(|(bucket, rate)| Some(bucket.as_ref()?.tokens_of(rate?.burst)))
    }

    /// Loses what is in the buckets.
    pub(super) fn drain(&mut self, now: Instant) {
        self.pass(now);
        for bucket in [&self.events, &self.bytes].into_iter().flatten() {
            bucket.arrival.set(bucket.capacity());
        }
    }

    /// Lets the time pass since the last look.
    fn pass(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.looked_at);
        self.looked_at += elapsed;
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        for bucket in [&self.events, &self.bytes].into_iter().flatten() {
            bucket.pass(nanos);
        }
    }
}

#[derive(Debug)]
struct TokenBucket {
    gcra: Gcra<NotKeyed, Arrival, StandingClock, NoOpMiddleware<Nanos>>,
    arrival: Arrival,
    rate: Rate,
}

impl TokenBucket {
    fn full(rate: Rate) -> Self {
        let burst = cells(rate.burst).expect("a validated burst");
        let quota = Quota::with_period(Duration::from_nanos(TICKS_PER_TOKEN))
            .expect("a token takes its ticks")
            .allow_burst(burst);
        let arrival = Arrival::default();
        Self {
            gcra: Gcra::new(quota, arrival.clone(), StandingClock),
            arrival,
            rate,
        }
    }

    /// The same tokens in a bucket of another rate, as far as they fit.
    fn changed(self, rate: Rate) -> Self {
        let changed = Self::full(rate);
        let left = self.capacity() - self.arrival.get();
        let arrival = changed.capacity().saturating_sub(left);
        changed.arrival.set(arrival);
        changed
    }

    /// The ticks of a full burst: how far away the arrival time is when empty.
    fn capacity(&self) -> u64 {
        self.rate.burst * TICKS_PER_TOKEN
    }

    /// The whole tokens in it, if a full one holds `burst`.
    fn tokens_of(&self, burst: u64) -> u64 {
        let left = u128::from(self.capacity() - self.arrival.get());
        let tokens = u128::from(burst) * left / u128::from(self.capacity());
        u64::try_from(tokens).expect("at most a burst")
    }

    /// Lets nanoseconds pass.
    fn pass(&self, nanos: u64) {
        // Saturating loses nothing: the arrival time is at most the largest burst
        // (2³² tokens) away, a quarter of 64 bits.
        let ticks = nanos.saturating_mul(self.rate.per_second);
        self.arrival.set(self.arrival.get().saturating_sub(ticks));
    }

    fn try_take(&self, tokens: u64) -> Result<(), Duration> {
        let Some(tokens) = cells(tokens) else {
            return Ok(());
        };
        let decision = self.gcra.check_n(tokens);
        decision
            .expect("a cost within the burst")
            .map_err(|refused| {
                let ticks = refused.earliest_possible().as_u64();
                Duration::from_nanos(ticks.div_ceil(self.rate.per_second))
            })
    }

    /// Undoes a take that was made at this very instant.
    fn put_back(&self, tokens: u64) {
        let arrival = self.arrival.get() - tokens * TICKS_PER_TOKEN;
        self.arrival.set(arrival);
    }
}

/// What governor counts in; `None` for nothing.
fn cells(tokens: u64) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::try_from(tokens).expect("at most the largest burst"))
}

/// The theoretical arrival time, in ticks from now; shared since governor keeps
/// its state to itself. All access is under the caller's lock.
#[derive(Debug, Clone, Default)]
struct Arrival(Arc<AtomicU64>);

impl Arrival {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, ticks: u64) {
        self.0.store(ticks, Ordering::Relaxed);
    }
}

impl StateStore for Arrival {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (taken, arrival) = decide(Some(Nanos::new(self.get())))?;
        self.set(arrival.as_u64());
        Ok(taken)
    }
}

#[derive(Debug)]
struct StandingClock;

impl Clock for StandingClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(0)
    }
}

#[cfg(test)]
mod tests;
