//! A stream of events that owns its partitions and knows when it lost one.
//!
//! Event Hubs lets one receiver with an owner level (epoch) read a partition of
//! a consumer group. A later one at the same or a higher level displaces it, a
//! lower one is refused, and a receiver without a level is refused while one
//! with a level reads:
//!
//! ```text
//! At least one receiver for the endpoint is created with epoch of '0', and so
//! non-epoch receiver is not allowed. ...
//! ```
//!
//! [`EpochSafeConsumer`] attaches by an [`EpochPolicy`], tells in one sentence
//! who stands in its way and what would win, and never goes on reading, or
//! takes a partition back, after it was displaced.
//!
//! ```text
//! partition 0 ─ receiver ─ pump ─▶ ┐
//! partition 1 ─ receiver ─ pump ─▶ ├ inbox (bounded) ─▶ Stream
//! partition 2 ─ receiver ─ pump ─▶ ┘      │
//!                   ▲                     │
//!                   └── credit: what the inbox has room for
//! ```
//!
//! # Losing a partition
//! The stream yields one error that names the partition and the reason; what was
//! buffered of a stolen partition is discarded. It goes on with the others and
//! ends when none is left. The `try_*` combinators of `futures` stop at the first
//! error, which is rarely what one wants here.
//!
//! # A broken connection
//! The pump attaches again behind the last event that it received. Without a
//! shared store nobody can know whether another reader owned the partition
//! meanwhile: attaching again may displace it.
//!
//! # Generations
//! Each ownership of a partition has a number, stamped on its events. The number
//! counts the ownerships of this process only: it orders them here, and fences
//! nothing elsewhere ([`EpochSafeConsumer::is_fencing`] is false).
//!
//! # When not to use it
//! To read beside other readers without owning anything, use
//! [`EpochPolicy::NonEpoch`] or a bare
//! [`TransportConsumer`](crate::transport::TransportConsumer).

mod consumer;
mod credit;
mod explain;
mod inbox;
mod options;
mod policy;
mod pump;
mod state;

pub use consumer::EpochSafeConsumer;
pub use options::EpochSafeConsumerOptions;
pub use policy::EpochPolicy;
