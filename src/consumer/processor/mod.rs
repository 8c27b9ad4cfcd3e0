//! A hub's partitions, shared among the processes of a consumer group.
//!
//! Where one machine is outgrown, more of them read the same consumer group, and each
//! partition is to be read by one at a time. [`EventProcessor`] sees to that through an
//! [`OwnershipStore`](super::checkpoint::OwnershipStore) that all of them share: no
//! process leads, none knows of the others but by what they own there.
//!
//! ```text
//!   process a                     store                      process b
//!   claims 0..8 ───────────▶ 0 1 2 3 4 5 6 7 : a
//!                                                  ◀──────── sees it, claims 7
//!   renews, sees that 7 is b's
//!   stops reading 7, drains its handlers,
//!   writes its checkpoint, lets go ─ ─ ─ ─ service ─ ─ ─ ─ ▶ sees it free, reads on
//!                                                  ◀──────── claims 4 5 6, and so on
//! ```
//!
//! # Cycles
//! At each [interval](EventProcessorOptions::with_load_balancing_interval) a process
//! lists the owners and works out its share: with `n` owners, itself included, the
//! `P` partitions are `P / n` for each, and one more for `P mod n` of them. What it lacks
//! it takes from what nobody has or whose owner has
//! [expired](EventProcessorOptions::with_ownership_expiry), else from those that have more
//! than their share; [`LoadBalancing`] says how fast. Each claim is made only if nothing
//! has changed since the listing. New partitions of the hub are found in the same cycle,
//! and read from their first event.
//!
//! A partition that is given back within a minute of its claim, since it cannot be read,
//! say, may be claimed in the next cycle; if that happens again it is left alone for a
//! while, twice as long each time, up to a minute. Others may claim it meanwhile.
//!
//! Nothing goes to and fro: a steal always goes from one that has at least two more to one
//! that has less. Three cycles after the last process came or went all partitions are
//! owned and no two processes differ by more than one
//! ([`Balanced`](LoadBalancing::Balanced) takes as many cycles as one lacks partitions).
//!
//! # Hand-over
//! A steal is a claim in the store and disturbs nobody yet. The owner before sees it
//! when it renews, reads nothing more, lets its handlers come to an end within the
//! [hand-over time-out](EventProcessorOptions::with_hand_over_timeout), writes its
//! checkpoint, and lets go of the partition at the service. The new owner looks there, by a
//! receiver without a level, which displaces nobody, and then reads on from that
//! checkpoint: no event is handled twice. Where the other does not let go in that time
//! it is displaced. A process that stops hands over what it has in the same way, and then
//! releases it.
//!
//! # A process that dies or stands still
//! Its ownerships expire, and others claim them: no partition is unowned for longer than
//! the expiry and one cycle. What it handled after its last checkpoint is handled again.
//! A process that lives and cannot renew yields nothing more once five sixths of the
//! expiry have passed since it asked for its last renewal, by its own clock, and so
//! before anybody may claim. Each event is preceded by a look at that clock, so that a
//! process that was frozen yields nothing late. Clocks of processes need not agree: an
//! age is told by the store, and counted on by the clock of whoever was told.
//!
//! # A store that fails
//! Never ends a processor. What is owned is read on until its lease is over; claims
//! wait for the next cycle; nobody yields on a claim that it did not hear to be its own.
//!
//! # Generations and owner levels
//! Each claim has a generation. It is the fence of the checkpoints, is stamped on each
//! event, and by default is the owner level (epoch) at the service, too: so the service
//! lets a later owner displace an earlier one, and refuses an earlier one that comes late.
//! In a group that is shared with processors of other SDKs, which all read at level 0, use
//! [`OwnerLevel::Fixed(0)`](OwnerLevel::Fixed): else those wait, when they have claimed a
//! partition, until this process has noticed.
//!
//! # Seeing it
//! [`snapshot`](EventProcessor::snapshot) tells who owns what since when, and counts
//! claims, steals, losses, late renewals, and the time that partitions were without an
//! owner; the metrics of [`telemetry`](crate::telemetry#metrics) tell the same.
//!
//! # Bounds
//! Those of an [`EpochSafeConsumer`](super::epoch_safe::EpochSafeConsumer) for each
//! partition that is owned; its prefetched bytes are divided by the partitions of the hub.
//!
//! # When not to use it
//! For partitions that an operator assigns, and for one process alone:
//! [`EpochSafeConsumer`](super::epoch_safe::EpochSafeConsumer) needs no cycles.

mod balance;
mod core;
mod courtesy;
mod cycle;
mod event_processor;
mod handler;
mod keeping;
mod lease;
mod meters;
mod options;
mod owned;
mod registry;
mod rests;
mod sightings;
mod snapshot;
mod task;

pub use event_processor::{EventProcessor, ProcessorHandle};
pub use handler::ProcessorReport;
pub use options::{EventProcessorOptions, LoadBalancing, OwnerLevel};
pub use owned::OwnedPartition;
pub use snapshot::{OwnershipState, PartitionOwnership, ProcessorCounts, ProcessorSnapshot};
