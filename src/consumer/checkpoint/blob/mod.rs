//! Checkpoints and owners in Azure Blob Storage, shared with the processors of other
//! SDKs.
//!
//! The blobs are empty; their metadata is what is stored, in the layout that .NET, Java,
//! JavaScript and Python share. All names are in lower case.
//!
//! ```text
//! ns.servicebus.windows.net/eh1/$default/checkpoint/0    offset, sequencenumber
//! ns.servicebus.windows.net/eh1/$default/ownership/0     ownerid (empty once released)
//! ns.servicebus.windows.net/eh1/$default/generation/0    ours: the last generation, the fence
//! ```
//!
//! Entries that begin with `flow`, and the last blob, are ours; other SDKs pass them by.
//! Go and the official Rust crate keep the case of names: what they store is found if
//! namespace, hub and consumer group are written in lower case there.
//!
//! # Beside other SDKs
//! They share checkpoints and owners with us, and know nothing of generations and
//! fences. So:
//!
//! - a checkpoint that they write is taken as it is, wherever it goes: it may go back,
//!   and no fence keeps it out. A fence among processes of this library stands all the
//!   same;
//! - a claim of theirs raises no generation. The owner's name and the version are
//!   others, and the hub displaces the reader;
//! - a position without an offset, which they cannot read, is `-1` to them: the start
//!   of the partition. Events always have offsets;
//! - a partition that was fenced and has no checkpoint yet has none for them, too.
//!
//! # What it costs
//! A checkpoint is two requests, and some more after another SDK's; a claim four, and a
//! fence up to six; to list the owners of a consumer group one per 5000 partitions, and
//! as many again where another SDK has claimed any. Nothing is removed but by
//! [`reset`](super::CheckpointStore::reset), and what is written replaces metadata, so
//! that soft deletion keeps no copies. Versioning does: leave it off for the account.
//!
//! # When not to use it
//! For processes of one machine alone: [`FileStore`](super::FileStore) needs no network.

mod access;
mod address;
mod answer;
mod blobs;
mod checkpoints;
mod connection_string;
mod container;
mod dial;
mod format;
mod generation;
#[cfg(test)]
mod line;
mod listing;
mod names;
mod options;
mod owners;
mod races;
mod store;

pub use options::BlobStoreOptions;
pub use store::BlobStore;
