//! The throttle gate: where producers wait while the service is busy.
//!
//! The service answers a batch over the limit with `server-busy` and asks to
//! wait, four seconds as a rule. Producers that each find that out alone keep a
//! busy service busy. Behind one gate they find it out together: the first
//! refusal pauses its partition, a second one elsewhere pauses all, and when the
//! wait is over one batch goes first to see whether there is room again.

mod snapshot;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::partition::{PartitionId, Target};
use crate::retry::Backoff;
use crate::sync::{Mutex, lock};
pub use snapshot::ThrottleGateSnapshot;
use state::{Closed, Fate, Place, State, Ticket};

/// Where producers of one event hub wait while the service is busy.
///
/// An [`EventHub`](crate::EventHub) has one and hands it to its producers; a
/// [`BufferedProducer`](super::buffered::BufferedProducer) waits at the gate of
/// the transport it sends through. A clone is the same gate.
///
/// # What it does
/// A batch that is refused with `server-busy` pauses its partition for the wait
/// that the service asks for and up to 0.8 s more, drawn at random. If a second
/// partition is refused within the wait, or a batch that names no partition, all
/// pause. Then one batch goes as a probe; what waits goes once it is accepted,
/// and pauses again if it is refused.
#[derive(Debug, Clone, Default)]
pub struct ThrottleGate {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

impl ThrottleGate {
    /// A gate that is open.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells that the service refused a batch and asks to wait: for those who
    /// send without passing the gate.
    pub fn refused(&self, target: &Target, retry_after: Duration) {
        let wait = jittered(retry_after);
        lock(&self.shared.state).refuse(place(target), wait, Instant::now());
        self.shared.changed.notify_waiters();
    }

    /// How long a partition is still paused, alone or with all others; `None` if
    /// it is not.
    #[must_use]
    pub fn paused_for(&self, partition: PartitionId) -> Option<Duration> {
        lock(&self.shared.state).paused_for(Some(partition.number()), Instant::now())
    }

    /// What it holds up now.
    #[must_use]
    pub fn snapshot(&self) -> ThrottleGateSnapshot {
        lock(&self.shared.state).snapshot(Instant::now())
    }

    /// Leave to send a batch to a partition, if it may go now.
    pub(crate) fn try_pass(&self, partition: u32) -> Option<Pass> {
        let ticket = lock(&self.shared.state).ask(Some(partition), Instant::now());
        ticket.ok().map(|ticket| Pass {
            shared: Arc::clone(&self.shared),
            ticket,
            told: false,
        })
    }

    /// Waits until a batch may go to a partition, as far as is known then.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn wait(&self, partition: u32) {
        loop {
            // Registered before the question, so that no change is missed.
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            let closed = lock(&self.shared.state).closed(Some(partition), Instant::now());
            match closed {
                None => return,
                Some(Closed::Until(until)) => {
                    tokio::select! {
                        () = sleep_until(until) => {}
                        () = changed => {}
                    }
                }
                Some(Closed::Probing) => changed.await,
            }
        }
    }
}

/// Leave to send one batch; dropped untold, whether the service is busy was not
/// learned.
#[derive(Debug)]
pub(crate) struct Pass {
    shared: Arc<Shared>,
    ticket: Ticket,
    told: bool,
}

impl Pass {
    /// The service took the batch.
    pub(crate) fn accepted(self) {
        self.tell(Fate::Accepted);
    }

    /// The service refused the batch, and asks to wait.
    pub(crate) fn throttled(self, retry_after: Duration) {
        self.tell(Fate::Throttled(jittered(retry_after)));
    }

    fn tell(mut self, fate: Fate) {
        self.told = true;
        self.settle(fate);
    }

    fn settle(&self, fate: Fate) {
        let changed = lock(&self.shared.state).tell(self.ticket, fate, Instant::now());
        if changed {
            self.shared.changed.notify_waiters();
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.told {
            self.settle(Fate::Other);
        }
    }
}

fn place(target: &Target) -> Place {
    match target {
        Target::Partition(id) => Some(id.number()),
        Target::Key(_) | Target::Any => None,
    }
}

/// Processes that were refused together do not come back together.
fn jittered(retry_after: Duration) -> Duration {
    Backoff::default().delay(1, Some(retry_after))
}
