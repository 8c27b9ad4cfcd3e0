//! What the stream, its handle and the pump of one partition share.

use tokio::sync::Notify;

use super::progress::{Progress, Unsaved};
use super::snapshot::Facts;
use crate::error::Error;
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;
use crate::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use crate::sync::{Mutex, lock};

/// The user said so.
const PAUSED: u8 = 1;
/// Too much is yielded and not done.
const BEHIND: u8 = 2;
/// The consumer was stopped.
const STOPPED: u8 = 4;

/// One partition.
#[derive(Debug)]
pub(super) struct Lane {
    /// Where the buffer keeps what is fetched of it.
    pub(super) slot: usize,
    pub(super) partition: PartitionId,
    /// Why nothing is yielded now.
    blocked: AtomicU8,
    progress: Mutex<Progress>,
    /// The most that may be outstanding; `None` where nothing is acknowledged.
    most_outstanding: Option<u64>,
    pub(super) facts: Mutex<Facts>,
    /// The generation that the store has refused last, and that it has.
    refused: AtomicU64,
    is_refused: Notify,
    /// One checkpoint is written at a time.
    pub(super) writing: tokio::sync::Mutex<()>,
}

/// Whether a lane may be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Unblocked,
}

impl Lane {
    pub(super) fn new(slot: usize, partition: PartitionId, most_outstanding: Option<u64>) -> Self {
        Self {
            slot,
            partition,
            blocked: AtomicU8::new(0),
            progress: Mutex::default(),
            most_outstanding,
            facts: Mutex::default(),
            refused: AtomicU64::new(0),
            is_refused: Notify::new(),
            writing: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Acquire) != 0
    }

    pub(super) fn is_paused(&self) -> bool {
        self.blocked.load(Ordering::Acquire) & PAUSED != 0
    }

    pub(super) fn is_behind(&self) -> bool {
        self.blocked.load(Ordering::Acquire) & BEHIND != 0
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.blocked.load(Ordering::Acquire) & STOPPED != 0
    }

    pub(super) fn pause(&self) {
        self.blocked.fetch_or(PAUSED, Ordering::AcqRel);
    }

    pub(super) fn stop(&self) {
        self.blocked.fetch_or(STOPPED, Ordering::AcqRel);
    }

    pub(super) fn resume(&self) -> Change {
        self.unblock(PAUSED)
    }

    fn unblock(&self, why: u8) -> Change {
        match self.blocked.fetch_and(!why, Ordering::AcqRel) {
            before if before == why => Change::Unblocked,
            _ => Change::None,
        }
    }

    /// An event of a generation was yielded.
    pub(super) fn yielded(&self, generation: u64, sequence_number: i64) {
        let Some(most) = self.most_outstanding else {
            return;
        };
        let mut progress = lock(&self.progress);
        progress.yielded(generation, sequence_number);
        let outstanding = progress.outstanding();
        if outstanding < most {
            return;
        }
        // Under the lock: an acknowledgement in between would not see it.
        self.blocked.fetch_or(BEHIND, Ordering::AcqRel);
        let is_new = !std::mem::replace(&mut progress.is_told_behind, true);
        drop(progress);
        if is_new {
            tracing::warn!(
                partition = %self.partition,
                outstanding,
                "partition pauses: too many of its events are yielded and neither acknowledged nor written as a checkpoint"
            );
        }
    }

    /// The store has refused a generation: nothing of it is yielded or acknowledged
    /// from here on. The pump learns of it, too.
    pub(super) fn refuse(&self, generation: u64) -> Change {
        let mut facts = lock(&self.facts);
        if facts.generation == Some(generation)
            && let Some(cursor) = facts.cursor.take()
        {
            facts.yielded_before = cursor.revoke().or(facts.yielded_before);
        }
        drop(facts);
        let ended = self.progressed(|progress| {
            progress.end_of(generation);
            Ok(())
        });
        self.refused.store(generation, Ordering::Release);
        self.is_refused.notify_one();
        ended.map_or(Change::None, |((), change)| change)
    }

    /// Waits until the store has refused a generation, and tells which.
    pub(super) async fn revoked(&self) -> u64 {
        self.is_refused.notified().await;
        self.refused.load(Ordering::Acquire)
    }

    /// How many events make it worth to write a checkpoint, at most: well before the
    /// partition pauses for them.
    pub(super) fn worth_writing(&self) -> u64 {
        self.most_outstanding
            .map_or(u64::MAX, |most| most.div_ceil(2))
    }

    /// As [`Progress::ack`]; tells how many events no checkpoint covers, too.
    pub(super) fn ack(&self, event: &ReceivedEvent, through: bool) -> Result<(u64, Change), Error> {
        if self.most_outstanding.is_none() {
            return Ok((0, Change::None));
        }
        self.progressed(|progress| {
            progress.ack(event, through)?;
            Ok(progress.unsaved_events())
        })
    }

    pub(super) fn saved(&self, stored: &Unsaved) -> Change {
        let saving = self.progressed(|progress| {
            progress.save(stored);
            Ok(())
        });
        saving.map_or(Change::None, |((), change)| change)
    }

    /// Changes the progress, and tells whether that let the lane go on.
    pub(super) fn progressed<T>(
        &self,
        change: impl FnOnce(&mut Progress) -> Result<T, Error>,
    ) -> Result<(T, Change), Error> {
        let mut progress = lock(&self.progress);
        let changed = change(&mut progress)?;
        // Under the lock: who yields the next event must not block it in between.
        let outstanding = progress.outstanding();
        if outstanding <= self.worth_writing() {
            progress.is_told_behind = false;
        }
        let free = self.most_outstanding.is_none_or(|most| outstanding < most);
        let change = match free && self.is_behind() {
            true => self.unblock(BEHIND),
            false => Change::None,
        };
        Ok((changed, change))
    }

    /// Looks at the progress.
    pub(super) fn progress<T>(&self, look: impl FnOnce(&Progress) -> T) -> T {
        look(&lock(&self.progress))
    }
}
