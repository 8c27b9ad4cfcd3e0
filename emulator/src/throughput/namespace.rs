//! The throughput units of a namespace.

use super::egress::Egress;
use super::token_bucket::{TokenBucket, Tokens};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// What goes in per second and unit.
const INGRESS: Tokens = Tokens {
    bytes: 1_000_000,
    events: 1000,
};

/// What a namespace may take in and give out; shared by all of its hubs.
#[derive(Debug)]
pub(crate) struct Throughput {
    ingress: Mutex<Pool>,
    egress: Arc<Egress>,
    /// Whether there are units: sends are to take no lock if not.
    has_units: AtomicBool,
    throttles_partitions: AtomicBool,
}

/// What is left of the units for what goes in; `None` without units.
type Pool = Option<TokenBucket>;

impl Throughput {
    pub(crate) fn new(units: Option<NonZeroU32>, throttles_partitions: bool) -> Arc<Self> {
        let throughput = Self {
            ingress: Mutex::new(None),
            egress: Arc::default(),
            has_units: AtomicBool::new(false),
            throttles_partitions: AtomicBool::new(throttles_partitions),
        };
        throughput.set_units(units);
        Arc::new(throughput)
    }

    /// Changes the units at once, for receivers that wait, too.
    pub(crate) fn set_units(&self, units: Option<NonZeroU32>) {
        let mut pool = self.pool();
        let per_second = units.map(|units| INGRESS.times(units.get()));
        TokenBucket::set_rate_of(&mut pool, per_second, Instant::now());
        self.egress.set_units(units);
        // Still under the lock, so that of two changes the same one wins everywhere.
        self.has_units.store(units.is_some(), Ordering::Release);
    }

    pub(crate) fn set_partition_throttling(&self, on: bool) {
        self.throttles_partitions.store(on, Ordering::Release);
    }

    pub(super) fn has_units(&self) -> bool {
        self.has_units.load(Ordering::Acquire)
    }

    pub(super) fn throttles_partitions(&self) -> bool {
        self.throttles_partitions.load(Ordering::Acquire)
    }

    pub(super) fn pool(&self) -> MutexGuard<'_, Pool> {
        self.ingress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn egress(&self) -> Arc<Egress> {
        Arc::clone(&self.egress)
    }
}
