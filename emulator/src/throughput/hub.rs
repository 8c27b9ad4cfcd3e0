//! What a hub may take in: of the namespace's units, and by limits of its own.

use super::egress::EgressShare;
use super::namespace::Throughput;
use super::token_bucket::{TokenBucket, Tokens};
use crate::texts::{self, Scope, ServiceError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// What goes into a partition per second, where that is limited. The service names no number of events.
const PARTITION: Tokens = Tokens {
    bytes: 1_000_000,
    events: Tokens::UNLIMITED,
};
/// How many management calls a hub answers per second, where there are units.
const MANAGEMENT: Tokens = Tokens {
    bytes: Tokens::UNLIMITED,
    events: 50,
};
/// A management call is one request of the namespace's thousand per second and unit.
const CALL: Tokens = Tokens {
    bytes: 0,
    events: 1,
};

/// Too much is sent.
const TOO_MUCH_TRAFFIC: u32 = 50002;
/// Too much is asked.
const TOO_MANY_CALLS: u32 = 50008;
/// What the service's text asks for, whatever the wait that is needed.
const WAIT_SECONDS: u64 = 4;

/// The limits of one hub, and its way to those of the namespace.
#[derive(Debug)]
pub(crate) struct HubThroughput {
    namespace: Arc<Throughput>,
    limits: Mutex<Limits>,
}

/// Locked before the namespace's pool, wherever both are.
#[derive(Debug)]
struct Limits {
    /// By partition; as many as were asked for yet.
    partitions: Vec<TokenBucket>,
    management: TokenBucket,
}

impl HubThroughput {
    pub(crate) fn new(namespace: &Arc<Throughput>) -> Self {
        Self {
            namespace: Arc::clone(namespace),
            limits: Mutex::new(Limits {
                partitions: Vec::new(),
                management: TokenBucket::full(MANAGEMENT, Instant::now()),
            }),
        }
    }

    /// Takes in a batch of `bytes` for a partition of the hub, or refuses it and counts nothing. `place` is that
    /// partition as texts name it.
    ///
    /// # Errors
    ///
    /// The refusal, if the namespace or the partition is over its limit.
    pub(crate) fn admit_batch(
        &self,
        bytes: usize,
        events: usize,
        partition: u32,
        hub: &Scope,
        place: impl FnOnce() -> Scope,
    ) -> Result<(), ServiceError> {
        let (units, throttled) = (
            self.namespace.has_units(),
            self.namespace.throttles_partitions(),
        );
        if !units && !throttled {
            return Ok(());
        }
        let cost = Tokens {
            bytes: bytes as u64,
            events: events as u64,
        };
        if !throttled {
            return self.admit(None, cost).map_err(|_| busy(hub));
        }
        let mut limits = self.limits();
        let own = limits.partition(partition);
        self.admit(Some(own), cost).map_err(|over| match over {
            Over::Own => busy(&place()),
            Over::Pool => busy(hub),
        })
    }

    /// Lets a management call through, or refuses it and counts nothing.
    ///
    /// # Errors
    ///
    /// The refusal, if the hub or the namespace is over its limit.
    pub(crate) fn admit_call(&self, hub: &Scope) -> Result<(), ServiceError> {
        if !self.namespace.has_units() {
            return Ok(());
        }
        let mut limits = self.limits();
        self.admit(Some(&mut limits.management), CALL)
            .map_err(|over| match over {
                Over::Own => texts::server_busy(hub, TOO_MANY_CALLS, WAIT_SECONDS),
                Over::Pool => busy(hub),
            })
    }

    /// A receiver's share of what the namespace gives out.
    pub(crate) fn egress_share(&self) -> EgressShare {
        EgressShare::new(self.namespace.egress())
    }

    /// Takes a cost from both buckets, as far as they are, or from none.
    fn admit(&self, own: Option<&mut TokenBucket>, cost: Tokens) -> Result<(), Over> {
        let mut pool = self.namespace.pool();
        // Under the locks, so that no bucket sees time run backwards.
        let now = Instant::now();
        let mut buckets = [(own, Over::Own), (pool.as_mut(), Over::Pool)];
        for (bucket, over) in &mut buckets {
            if let Some(bucket) = bucket {
                bucket.check(cost, now).map_err(|_| *over)?;
            }
        }
        for (bucket, _) in buckets {
            if let Some(bucket) = bucket {
                bucket.take(cost);
            }
        }
        Ok(())
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limits {
    fn partition(&mut self, partition: u32) -> &mut TokenBucket {
        let index = partition as usize;
        if index >= self.partitions.len() {
            let now = Instant::now();
            self.partitions
                .resize_with(index + 1, || TokenBucket::full(PARTITION, now));
        }
        &mut self.partitions[index]
    }
}

/// Whose limit was met.
#[derive(Debug, Clone, Copy)]
enum Over {
    /// That of the partition, or of the hub's management calls.
    Own,
    /// The namespace's.
    Pool,
}

fn busy(scope: &Scope) -> ServiceError {
    texts::server_busy(scope, TOO_MUCH_TRAFFIC, WAIT_SECONDS)
}

#[cfg(test)]
mod tests;
