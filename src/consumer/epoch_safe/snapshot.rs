//! What can be seen of a consumer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::credit::Load;
use super::cursor::Cursor;
use super::lane::Lane;
use crate::partition::PartitionId;
use crate::sync::lock;

/// What an [`EpochSafeConsumer`](super::EpochSafeConsumer) does at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerSnapshot {
    /// Its partitions, those that ended included.
    pub partitions: Vec<PartitionSnapshot>,
}

/// What one of its partitions does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionSnapshot {
    /// The partition.
    pub partition: PartitionId,
    /// Where it is.
    pub state: PartitionState,
    /// Whether it was [paused](super::ConsumerHandle::pause).
    pub paused: bool,
    /// Whether it pauses since too much of it is yielded and not done.
    pub behind: bool,
    /// Who owns it, as far as it is known: this consumer's name while it reads with an
    /// owner level, else who was met last.
    pub owner: Option<String>,
    /// The owner level (epoch) that it is read at.
    pub owner_level: Option<i64>,
    /// The generation that owns it.
    pub generation: Option<u64>,
    /// The events that may be under way or received and not buffered yet.
    pub credit: u32,
    /// Events fetched and not yielded yet.
    pub buffered_events: u64,
    /// Their encoded bytes.
    pub buffered_bytes: u64,
    /// The last event that was yielded.
    pub last_yielded: Option<i64>,
    /// Events in the hub after the last one that was yielded, as far as it is
    /// known: asked for twice in each liveness time-out. `None` before the first
    /// answer.
    pub lag_events: Option<u64>,
    /// How long ago the service stored the events that are being yielded; zero if
    /// there is no lag, `None` if nothing was yielded.
    pub lag: Option<Duration>,
    /// Events that were yielded, from the first that is not acknowledged on.
    pub unacknowledged: u64,
    /// The last checkpoint that is known to be stored.
    pub checkpoint: Option<i64>,
    /// How long ago it was stored, or found.
    pub checkpoint_age: Option<Duration>,
    /// How often another receiver took it.
    pub thefts: u64,
    /// How often another receiver stood in the way.
    pub refusals: u64,
    /// How often it was opened again after a fault.
    pub reopened: u64,
}

/// Where a partition of a consumer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PartitionState {
    /// A receiver is being opened.
    #[default]
    Opening,
    /// It has another owner, whose release is waited for.
    Waiting,
    /// It is read.
    Reading,
    /// A fault passes before it is opened again.
    BackingOff,
    /// Nothing more comes.
    Ended,
}

/// What the pump of a partition tells.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) state: PartitionState,
    pub(super) owner: Option<String>,
    pub(super) level: Option<i64>,
    pub(super) generation: Option<u64>,
    pub(super) credit: u32,
    pub(super) cursor: Option<Arc<Cursor>>,
    /// The newest event that the hub is known to have.
    pub(super) last_enqueued: Option<i64>,
    /// When the service stored the events that are being yielded.
    pub(super) stored: Option<SystemTime>,
    pub(super) thefts: u64,
    pub(super) refusals: u64,
    pub(super) reopened: u64,
    /// Yielded by receivers before this one.
    pub(super) yielded_before: Option<i64>,
}

impl Facts {
    fn last_yielded(&self) -> Option<i64> {
        let last = self.cursor.as_ref().and_then(|cursor| cursor.last());
        last.or(self.yielded_before)
    }

    /// The events after the last yielded, where the end is known.
    pub(super) fn lag_events(&self) -> Option<u64> {
        let last = self.last_yielded()?;
        let end = self.last_enqueued?;
        Some(u64::try_from(end.saturating_sub(last)).unwrap_or(0))
    }

    pub(super) fn lag(&self) -> Option<Duration> {
        let stored = self.stored?;
        match self.lag_events() {
            Some(0) => Some(Duration::ZERO),
            // A clock that stands behind the service's tells no lag.
            _ => Some(stored.elapsed().unwrap_or_default()),
        }
    }
}

impl PartitionSnapshot {
    pub(super) fn of(lane: &Lane, held: Load) -> Self {
        let facts = lock(&lane.facts).clone();
        let (saved, unacknowledged) =
            lane.progress(|progress| (progress.saved(), progress.unacknowledged()));
        Self {
            partition: lane.partition,
            state: facts.state,
            paused: lane.is_paused(),
            behind: lane.is_behind(),
            owner: facts.owner.clone(),
            owner_level: facts.level,
            generation: facts.generation,
            credit: facts.credit,
            buffered_events: held.events,
            buffered_bytes: held.bytes,
            last_yielded: facts.last_yielded(),
            lag_events: facts.lag_events(),
            lag: facts.lag(),
            unacknowledged,
            checkpoint: saved.map(|saved| saved.sequence_number),
            checkpoint_age: saved.map(|saved| saved.at.elapsed()),
            thefts: facts.thefts,
            refusals: facts.refusals,
            reopened: facts.reopened,
        }
    }
}
