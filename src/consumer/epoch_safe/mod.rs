//! A stream of events that owns its partitions and knows when it has lost one.
//!
//! Event Hubs lets one receiver with an owner level (epoch) read a partition in
//! a consumer group; a newcomer at the same or a higher level displaces it, and
//! one at a lower level, or without any, is refused. Clients that treat this as
//! one more broken link steal from each other for ever, or go on yielding what
//! is no longer theirs. [`EpochSafeConsumer`] does neither.
//!
//! ```text
//!  TransportConsumer                     bounds: 300 events, 8 MiB
//!   partition 0 ──credit──▶ pump ──┐
//!   partition 1 ──credit──▶ pump ──┼─▶ buffer ──in turn──▶ Stream of Result<ReceivedEvent, Error>
//!   partition 2 ──credit──▶ pump ──┘
//! ```
//!
//! # What ends a partition
//! Being displaced, being refused, and any error that waiting does not heal.
//! Each ends its partition with **one** error item that names the partition
//! ([`Error::partition`](crate::Error::partition)) and says in one sentence what
//! happened, what would win, and what the policy does; the service's own words
//! are its source. From the moment a theft is known no event of that ownership
//! is yielded any more, buffered ones included. The stream goes on with the other
//! partitions and ends when none is left. The `try_*` combinators of `futures`
//! stop at the first error, and so lose the other partitions: match on the items
//! instead.
//!
//! # What does not
//! A lost connection, a time-out and a throttle. The partition is opened again
//! after a wait (0.8 s doubling to 60 s, a random part of it, and never less than
//! the service asked for), right after the last event that was yielded. Nothing is
//! lost or repeated by that. With [`EpochPolicy::TakeOver`] this open displaces
//! whoever came in between at the same or a lower level: without a shared store
//! of owners there is no telling.
//!
//! # Generations
//! Every ownership gets a number that rises, stamped on its events: a fencing
//! token for side effects. It counts this process only
//! ([`is_fencing`](EpochSafeConsumer::is_fencing) is `false`): it orders owners
//! within a process, not between two. Events read without an owner level have
//! generation 0: nobody owns them.
//!
//! # Backpressure
//! A partition asks for no more than it has room for: its equal share of both
//! bounds, divided anew when a partition ends, less what is buffered and not
//! yielded yet. A stopped reader stops the wire. Bytes are an estimate before an
//! event has come: room in bytes is divided by the largest recent event, or by
//! 1 MiB (the largest that a Standard namespace takes) before the first one. If
//! events grow suddenly, one grant can exceed the share by its events times the
//! growth; and each partition may hold one event, however large.
//!
//! How to choose a bound: events per second and partition, times the time of a
//! round trip, times the partitions, times two.
//!
//! # When not to use it
//! To share partitions among processes: each partition read here is read by one
//! process, and which one is for the operator to say, by level.

mod buffer;
mod consumer;
mod credit;
mod cursor;
mod generation;
mod options;
mod policy;
mod pump;
mod state;

pub use consumer::EpochSafeConsumer;
pub use options::EpochSafeConsumerOptions;
pub use policy::EpochPolicy;
