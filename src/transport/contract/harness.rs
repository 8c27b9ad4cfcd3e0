//! What a transport's author provides.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::contract::Guard;
use crate::event::ReceivedEvent;
use crate::transport::{TransportConsumer, TransportProducer};

/// The partitions of a harness's hub.
pub const PARTITIONS: u32 = 4;

/// A fresh hub of [`PARTITIONS`] partitions with the consumer group `$Default`,
/// and the transport under test to it.
///
/// Nothing is stored in it at first, and nobody else uses it.
#[async_trait]
pub trait Harness: fmt::Debug + Send + Sync {
    /// A producer of its own, to be closed and dropped.
    async fn producer(&self) -> Box<dyn TransportProducer>;

    /// A consumer of its own, to be closed and dropped.
    async fn consumer(&self) -> Box<dyn TransportConsumer>;

    /// All that the hub has stored, by partition, in order. Properties may be
    /// left out.
    async fn stored(&self) -> Vec<ReceivedEvent>;

    /// How many events the hub has handed to receivers. Defaults to `None`: it
    /// does not say.
    fn delivered(&self) -> Option<u64> {
        None
    }

    /// Makes a call meet an outcome, until the guard is dropped. Defaults to
    /// `None`: the hub cannot be made to, and the checks that need it are skipped.
    fn provoke(&self, outcome: Outcome) -> Option<Guard> {
        let _ = outcome;
        None
    }

    /// Why the transport cannot keep a check, such as `receiving::credit`: a gap
    /// that it states to its users. [`run`](super::run) expects the check to fail,
    /// and does not take it for a fault. Defaults to `None`: it keeps it.
    fn known_gap(&self, check: &str) -> Option<&'static str> {
        let _ = check;
        None
    }
}

/// What a call is made to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The next batch is refused for want of capacity, and is not stored.
    Throttled {
        /// The wait that the service asks for: whole seconds.
        retry_after: Duration,
    },
    /// The next batch is refused for good, and is not stored.
    Rejected,
    /// The next batch is given back (released), and is not stored.
    Released,
    /// The next batch is given back changed (modified), and is not stored.
    Modified,
    /// The connection breaks under the next batch, which is not stored.
    LostBeforeStoring,
    /// The connection breaks under the next batch, which is stored.
    LostAfterStoring,
    /// Batches get no answer; whether they are stored is open.
    Stalled,
    /// The connection of every open receiver breaks, at once.
    ReceiversLost,
}
