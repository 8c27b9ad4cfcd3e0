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
//!                 │                            │
//!                 │                            └── deadline passed: expired
//!                 └── no room: wait in turn, refuse, or drop the oldest
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
//! # When there is no room
//! [`OverflowPolicy`] says whether callers wait (first come, first served in each
//! partition), are refused, or displace the oldest events. Room is held until
//! the outcome. Partitions that are stuck cannot hold all of the total bound: half
//! of each partition's fair share is kept for it, as far as the total is twice
//! one partition's bound.
//!
//! # Where events go
//! To the partition they name; to the one that their key maps to (the key goes
//! along); else to one partition until its batch closes, then to the next,
//! passing over those without room and those that are halted. The hub is asked
//! for its partitions every 10 s; [`PartitionGrowth`] says what becomes of keys
//! when there are more.
//!
//! # Outcomes
//! Accepting an event is not delivering it. Every accepted event gets exactly
//! one outcome: a [`Delivery`] resolves to it, a [`FlushReport`] and a
//! [`CloseReport`] count it, and a stream of [`Outcomes`] tells it to whoever
//! wants to see all. A batch whose attempt failed is sent again, in its place:
//! past the throttle gate when the service is busy, after a backoff when
//! something broke, in smaller batches when it was too large. What is refused for
//! good is not; [`OnFailure`] says whether its partition goes on. An event with a
//! deadline is given up once that has passed.
//!
//! # A busy service
//! All partitions wait at one [`ThrottleGate`](crate::producer::ThrottleGate),
//! the hub's, for as long as the service asks to; then one batch probes. No event
//! fails of it, unless [a deadline](BufferedProducerOptions::with_throttle_deadline)
//! is set.
//!
//! # Order
//! First in, first out per partition, and events are accepted in the order in
//! which calls are made. That takes one batch of a partition in flight at a time,
//! which is the default; with
//! [more](BufferedProducerOptions::with_max_in_flight_per_partition) a batch that
//! is sent again arrives behind later ones.
//!
//! # Panics in code of yours
//! Wakers, drops of bodies and the transport are called with no lock held and
//! behind a shield: a panic there ends that call and nothing else. A transport
//! that panics leaves its batch [`Unknown`](UndeliveredReason::Unknown). (Built
//! with `panic = "abort"` there is no shield.)
//!
//! # When not to use it
//! Where each event must be acknowledged before the next one is made, a batch of
//! one through [`TransportProducer`](crate::transport::TransportProducer) is
//! simpler, and no slower.

mod accept;
mod account;
mod batches;
mod buffer;
mod cost;
mod delivery;
mod departures;
mod discovery;
mod fast_path;
mod handle;
#[cfg(all(test, flow_loom))]
mod interleavings;
mod journey;
mod linger;
mod metrics;
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
mod signal;
mod sink;
mod snapshot;
mod spares;
mod tags;
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
pub use snapshot::{BufferSnapshot, OutcomeCounts, PartitionSnapshot};
