//! What may pass now: the limit, the buckets, and the pace. Pure: its clock is
//! the caller's.

use std::time::Duration;

use tokio::time::Instant;

use super::adaptive::Pace;
use super::limit::{Cost, RateLimit};
use super::token_bucket::TokenBuckets;
use crate::batch::BatchLimits;
use crate::error::Error;

/// Of a second's worth, the most events that an adaptive limiter asks to have in
/// one batch: see [`Meter::batch_limits`].
const BATCHES_PER_SECOND: u64 = 20;

#[derive(Debug)]
pub(super) struct Meter {
    /// As configured: the ceiling of an adaptive one.
    limit: RateLimit,
    buckets: TokenBuckets,
    adaptation: Option<Adaptation>,
}

#[derive(Debug)]
struct Adaptation {
    pace: Pace,
    /// The share that the buckets go by.
    share: u32,
}

/// Why a cost did not pass.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Not yet: look again then.
    Until(Instant),
    /// It never will.
    Never(Error),
}

impl Meter {
    /// Full buckets for a validated limit.
    pub(super) fn new(limit: RateLimit, pace: Option<Pace>, now: Instant) -> Self {
        let adaptation = pace.map(|pace| Adaptation {
            share: pace.share(now),
            pace,
        });
        Self {
            limit,
            buckets: TokenBuckets::full(&limit, now),
            adaptation,
        }
    }

    /// Takes a cost, or nothing.
    pub(super) fn try_take(&mut self, cost: Cost, now: Instant) -> Result<(), Refusal> {
        self.limit.admit(cost).map_err(Refusal::Never)?;
        self.follow(now);
        self.buckets.try_take(cost, now).map_err(|wait| {
            // The rate may grow in the meantime.
            let step = self.adaptation.as_ref();
            let step = step.and_then(|it| it.pace.next_step(now));
            Refusal::Until(now + step.map_or(wait, |step| wait.min(step)))
        })
    }

    /// Goes by another validated limit from now on.
    pub(super) fn set_limit(&mut self, limit: RateLimit, now: Instant) {
        self.follow(now);
        self.limit = limit;
        self.buckets.change(&self.current(), now);
    }

    /// The service refused. Returns the rates that this led to, if it did.
    ///
    /// The buckets lose what they held: the service has none of it. So what
    /// comes next comes at the new rate.
    pub(super) fn throttled(&mut self, retry_after: Duration, now: Instant) -> Option<RateLimit> {
        let lowered = self.adaptation.as_mut()?.pace.throttled(retry_after, now);
        if !lowered {
            return None;
        }
        self.follow(now);
        self.buckets.drain(now);
        Some(self.current())
    }

    /// The limit that is in force.
    pub(super) fn limit_at(&mut self, now: Instant) -> RateLimit {
        self.follow(now);
        self.current()
    }

    /// The whole tokens that may pass at once: events and bytes.
    pub(super) fn tokens(&mut self, now: Instant) -> [Option<u64>; 2] {
        let limit = self.limit_at(now);
        self.buckets.tokens(&limit, now)
    }

    /// As configured.
    pub(super) fn limit(&self) -> RateLimit {
        self.limit
    }

    /// What a batch may hold that is to be sent.
    ///
    /// Below an adaptive rate a batch of a whole second would be refused until
    /// no other writer takes anything for a second, so batches are kept to a
    /// twentieth of that. Their bytes are not: a large event must fit.
    pub(super) fn batch_limits(&mut self, now: Instant) -> BatchLimits {
        let mut limits = self.limit.batch_limits();
        if self.adaptation.is_some()
            && let Some(rate) = self.limit_at(now).events_rate()
        {
            let events = (rate / BATCHES_PER_SECOND).max(1);
            limits.events = limits.events.min(events as usize);
        }
        limits
    }

    fn current(&self) -> RateLimit {
        match &self.adaptation {
            Some(adaptation) => self.limit.scaled(adaptation.share),
            None => self.limit,
        }
    }

    /// Sets the buckets to the share of now.
    fn follow(&mut self, now: Instant) {
        let Some(Adaptation { pace, share }) = &mut self.adaptation else {
            return;
        };
        let due = pace.share(now);
        if *share != due {
            *share = due;
            self.buckets.change(&self.limit.scaled(due), now);
        }
    }
}

#[cfg(test)]
mod tests;
