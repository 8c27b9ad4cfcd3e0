//! A bounded buffer that turns single events into full batches.
//!
//! One event per transfer wastes a round trip each; unbounded batching wastes
//! memory. This buffer gathers the events of each partition into batches and
//! sends them in the background, within bounds in events **and** bytes, per
//! partition **and** in total.
//!
//! ```text
//!              route                 full · linger · pressure · flush · close
//! enqueue ──▶ partition 0: [open batch] ──▶ [ready] ──▶ worker ──▶ transport
//!  send   ──▶ partition 1: [open batch] ──▶ [ready] ──▶ worker ──▶ transport
//!                 │
//!                 └── no room: wait in turn (`enqueue`), refuse (`try_enqueue`)
//! ```
//!
//! # What closes a batch
//! - it is full: the transport's limit, an option, or half of its partition's bound;
//! - it lingered, counted from its first event (50 ms by default);
//! - pressure: a bound is reached or someone waits for room. An idle link never
//!   waits beside a full buffer;
//! - flush and close.
//!
//! While a batch is in flight the next one fills.
//!
//! # Where events go
//! To the partition they name; to the one that their key maps to (the key goes
//! along); else to one partition until its batch closes, then to the next,
//! passing over those without room.
//!
//! # Outcomes
//! Accepting an event is not delivering it. Every accepted event gets exactly
//! one outcome, and room is held until then: a [`Delivery`] resolves to it, a
//! [`FlushReport`] and a [`CloseReport`] count it. A batch whose attempt
//! failed is sent again, in its place: past the throttle gate when the service is
//! busy, after a backoff when something broke, in smaller batches when it was too
//! large. What is refused for good is not.
//!
//! # A busy service
//! All partitions wait at one [`ThrottleGate`](crate::producer::ThrottleGate),
//! the hub's, for as long as the service asks to; then one batch probes. No event
//! fails of it, unless [a deadline](BufferedProducerOptions::with_throttle_deadline)
//! is set.
//!
//! # Order
//! First in, first out per partition: one batch of a partition is in flight at a
//! time, and events are accepted in the order in which calls are made.
//!
//! # When not to use it
//! Where each event must be acknowledged before the next one is made, a batch of
//! one through [`TransportProducer`](crate::transport::TransportProducer) is
//! simpler, and no slower.

mod account;
mod buffer;
mod cost;
mod delivery;
mod departures;
mod discovery;
mod handle;
mod journey;
mod linger;
mod options;
mod outcomes;
mod overflow;
mod part;
mod partitions;
mod permit;
mod policy;
mod queue;
mod queued;
mod report;
mod shield;
mod signal;
mod sink;
mod tasks;
mod total;
mod verdict;
mod wait;
mod worker;

pub use delivery::{Delivery, Undelivered, UndeliveredReason};
pub use handle::BufferedProducer;
pub use options::BufferedProducerOptions;
pub use outcomes::{EventOutcome, LostOutcomes, Outcomes};
pub use permit::Permit;
pub use policy::{OnFailure, OverflowPolicy, PartitionGrowth};
pub use report::{CloseReport, FlushReport};
pub use sink::{BufferedSink, SinkError};
