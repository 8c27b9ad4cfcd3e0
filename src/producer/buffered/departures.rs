//! When a batch may leave: within the bound on batches in flight, and past the
//! throttle gate.

use std::sync::Arc;

use metrics::Histogram;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::producer::throttle_gate::{Pass, ThrottleGate};
use crate::telemetry::Stopwatch;

pub(super) struct Departures {
    in_flight: Arc<Semaphore>,
    gate: ThrottleGate,
}

/// Leave for one attempt, held until its outcome.
pub(super) struct Clearance {
    pub(super) pass: Pass,
    _slot: OwnedSemaphorePermit,
}

impl Departures {
    pub(super) fn new(max_in_flight: usize, gate: ThrottleGate) -> Self {
        Self {
            in_flight: Arc::new(Semaphore::new(max_in_flight)),
            gate,
        }
    }

    pub(super) fn gate(&self) -> &ThrottleGate {
        &self.gate
    }

    /// Waits until a batch may go to a partition; waits at the gate are told.
    pub(super) async fn clear(&self, partition: u32, waits: &Histogram) -> Clearance {
        loop {
            let slot = Arc::clone(&self.in_flight).acquire_owned().await;
            let slot = slot.expect("it is never closed");
            // Asked last: who waited for a place must not leave into a busy
            // service, and who waits for the gate must not hold a place.
            if let Some(pass) = self.gate.try_pass(partition) {
                return Clearance { pass, _slot: slot };
            }
            drop(slot);
            let _wait = Stopwatch::start(waits);
            self.gate.wait(partition).await;
        }
    }
}
