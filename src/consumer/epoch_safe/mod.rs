//! A stream of events that owns its partitions and knows when it has lost one.
//!
//! Event Hubs lets one receiver with an owner level (epoch) read a partition in
//! a consumer group; a newcomer at the same or a higher level displaces it, and
//! one at a lower level, or without any, is refused. Clients that treat this as
//! one more broken link steal from each other for ever, or go on yielding what
//! is no longer theirs. [`EpochSafeConsumer`] does neither.
//!
//! ```text
//!  TransportConsumer                     bounds: 300 events each, 8 MiB
//!   partition 0 ──credit──▶ pump ──┐
//!   partition 1 ──credit──▶ pump ──┼─▶ buffer ──in turn──▶ Stream of Result<ReceivedEvent, Error>
//!   partition 2 ──credit──▶ pump ──┘                                 │
//!                            │                                      ack
//!                     OwnershipStore                                 ▼
//!                     CheckpointStore ◀──────── watermark of each partition
//! ```
//!
//! # What ends a partition
//! Being displaced, being refused (what of it a policy bears, see [`EpochPolicy`]),
//! a later owner in the store, and any error that waiting does not heal.
//! Each ends its partition with **one** error item that names the partition
//! ([`Error::partition`](crate::Error::partition)) and says in one sentence what
//! happened, what would win, and what the policy does; the service's own words
//! are its source. From the moment a theft is known no event of that ownership
//! is yielded any more, buffered ones included, and no checkpoint of it is written.
//! The stream goes on with the other partitions and ends when none is left. The
//! `try_*` combinators of `futures` stop at the first error, and so lose the other
//! partitions: match on the items instead.
//!
//! # What does not
//! A lost connection, a time-out, a throttle, and a partition that is silent
//! although the hub has events of it
//! ([`with_liveness_timeout`](EpochSafeConsumerOptions::with_liveness_timeout)). The
//! partition is opened again after a wait (0.8 s doubling to 60 s, a random part of
//! it, and never less than the service asked for), right after the last event that
//! was yielded. Nothing is lost or repeated by that. With a store the record of
//! owners is read first: a later owner ends the partition. Without one there is no
//! telling, and this open displaces whoever came in between at the same or a lower
//! level; that one ends, unless it escalates.
//!
//! # Generations
//! Every ownership gets a number that rises, stamped on its events: a fencing
//! token for side effects. With a [store](EpochSafeConsumerOptions::with_store) it
//! comes from there and orders owners of all processes that use it; the receiver is
//! attached first and claims then, so that the later claim is the later owner. Where
//! others claimed meanwhile, it waits 10 s for word that it was displaced before it
//! fences them. Other clients of the hub claim nothing in it: against those it is the service's
//! detach alone that tells. Without a store it counts this process only
//! ([`is_fencing`](EpochSafeConsumer::is_fencing) is `false`). Events read without
//! an owner level have generation 0: nobody owns them.
//!
//! # Checkpoints
//! With a store a partition starts right after its checkpoint. What is
//! [acknowledged](ConsumerHandle::ack), in any order, moves a watermark up to the
//! first event that is not; [`checkpoint_every`](EpochSafeConsumer::checkpoint_every)
//! or [`checkpoint`](ConsumerHandle::checkpoint) writes it. The store refuses what a
//! lost owner writes, however late. So after a crash or a theft an event is read
//! again if it was not covered, and none is skipped.
//!
//! # Backpressure
//! A partition asks for no more than it has room for: its events, and its equal
//! share of the bytes, divided anew when a partition comes or ends, less what is
//! buffered and not yielded yet. A stopped reader stops the wire, and so does a
//! reader that yields and acknowledges nothing
//! ([`with_max_unacknowledged`](EpochSafeConsumerOptions::with_max_unacknowledged)).
//! Bytes are an estimate before an event has come: room in bytes is divided by the
//! largest recent event, or by 1 MiB (the largest that a Standard namespace takes)
//! before the first one. If events grow suddenly, one grant can exceed the share by
//! its events times the growth; and each partition may hold one event, however
//! large.
//!
//! Events are bounded for each partition and not in total: a total shared by many
//! partitions would leave each a credit of a few events, and a frame for each. The
//! total is what the bytes bound.
//!
//! How to choose a bound: events per second and partition, times the time of a
//! round trip, times two.
//!
//! # When not to use it
//! To share partitions among processes: each partition read here is read by one
//! process, and which one is for the operator to say, by level. An
//! [`EventProcessor`](super::processor::EventProcessor) shares them, with a consumer of
//! this kind for each partition that it owns.

mod buffer;
mod checkpointer;
mod consumer;
mod contest;
mod credit;
mod crew;
mod cursor;
mod explain;
mod generation;
mod handle;
mod lane;
mod liveness;
mod look;
mod meters;
mod opening;
mod options;
mod policy;
mod progress;
mod pump;
mod pumps;
mod reading;
mod records;
mod snapshot;
mod split;
mod start;
mod state;
mod yielding;

pub(in crate::consumer) use consumer::Closer;
pub use consumer::EpochSafeConsumer;
pub use handle::ConsumerHandle;
pub use options::EpochSafeConsumerOptions;
pub use policy::EpochPolicy;
pub(in crate::consumer) use records::Stores;
pub use snapshot::{ConsumerSnapshot, PartitionSnapshot, PartitionState};
pub use split::{PartitionEvents, Partitions};
pub use start::MissingPosition;
