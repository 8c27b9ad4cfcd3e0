//! What can be seen of a processor.

use std::time::Duration;

use crate::partition::PartitionId;

/// What an [`EventProcessor`](super::EventProcessor) knows at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessorSnapshot {
    /// The name under which this process owns partitions.
    pub owner: String,
    /// Who owns what, of all partitions of the hub: its own by what it does, those of
    /// others by what it saw last.
    pub partitions: Vec<PartitionOwnership>,
    /// What happened so far.
    pub counts: ProcessorCounts,
    /// How long ago it saw the owners; `None` if it never did.
    pub last_seen: Option<Duration>,
    /// Whether it was told to stop.
    pub is_stopping: bool,
}

/// Who owns a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionOwnership {
    /// The partition.
    pub partition: PartitionId,
    /// Where it is.
    pub state: OwnershipState,
    /// Its owner, or the last one, if that did not release it.
    pub owner: Option<String>,
    /// The generation of the last claim; 0 if there was none.
    pub generation: u64,
    /// How long ago the owner got it, or released it; for what was so before this
    /// process looked the first time, how long that is at the least.
    pub since: Option<Duration>,
    /// How long ago the owner renewed it.
    pub renewed: Option<Duration>,
}

/// Where a partition is, as one process sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnershipState {
    /// Nobody owns it, or its owner was not heard of for the expiry.
    Unowned,
    /// Another process owns it.
    Elsewhere,
    /// This process owns it and waits until the owner before has come to an end.
    Waiting,
    /// This process owns it and begins to read it.
    Opening,
    /// This process reads it.
    Owned,
    /// It is on its way to others: nothing more of it is read here.
    HandingOver,
}

/// What happened to a processor since it was started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ProcessorCounts {
    /// Partitions claimed that nobody had.
    pub claims: u64,
    /// Partitions claimed whose owner was not heard of for the expiry.
    pub claims_of_expired: u64,
    /// Partitions taken from an owner that had too many.
    pub steals: u64,
    /// Claims that others were faster at.
    pub lost_races: u64,
    /// Partitions that others took.
    pub stolen: u64,
    /// Partitions given up since they could not be renewed in time.
    pub lapsed: u64,
    /// Renewals that were made more than a third of the expiry after the one before.
    pub late_renewals: u64,
    /// Calls of the store that failed.
    pub store_errors: u64,
    /// How long the partitions that it claimed had been without an owner, in all.
    pub unowned: Duration,
    /// The longest of them.
    pub longest_unowned: Duration,
}
