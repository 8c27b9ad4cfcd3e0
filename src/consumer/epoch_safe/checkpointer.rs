//! Who writes the checkpoints.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tracing::Instrument;

use super::buffer::Buffer;
use super::lane::Lane;
use super::meters::Meters;
use super::records::{Records, Stores};
use crate::error::{Error, ErrorKind};
use crate::retry::Backoff;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Checkpoints that are written beside each other.
const AT_ONCE: usize = 32;

#[derive(Debug)]
pub(super) struct Checkpointer {
    buffer: Arc<Buffer>,
    stores: Option<Stores>,
    meters: Meters,
    /// From so many events on the writer is told; 0 without one.
    every: AtomicU64,
    news: Notify,
}

impl Checkpointer {
    pub(super) fn new(buffer: Arc<Buffer>, stores: Option<Stores>, meters: Meters) -> Self {
        Self {
            buffer,
            stores,
            meters,
            every: AtomicU64::new(0),
            news: Notify::new(),
        }
    }

    /// A partition has so many acknowledged events that no checkpoint covers.
    pub(super) fn acknowledged(&self, lane: &Lane, unsaved: u64) {
        let every = self.every.load(Ordering::Relaxed);
        if every > 0 && unsaved >= every.min(lane.worth_writing()) {
            self.news.notify_one();
        }
    }

    /// Writes what is acknowledged of all partitions, once.
    pub(super) async fn write_all(&self) -> Result<(), Error> {
        let lanes = futures::stream::iter(self.buffer.lanes());
        let writes = lanes.map(|lane| async move { self.write(&lane).await });
        let written = writes.buffer_unordered(AT_ONCE).collect::<Vec<_>>();
        written.await.into_iter().collect()
    }

    /// Writes what is acknowledged of a slot's partition, once.
    pub(super) async fn write_slot(&self, slot: usize) -> Result<(), Error> {
        self.write(&self.buffer.lane(slot)).await
    }

    /// Writes what is acknowledged of a partition, once.
    async fn write(&self, lane: &Lane) -> Result<(), Error> {
        let _turn = lane.writing.lock().await;
        let Some(unsaved) = lane.progress(|progress| progress.unsaved()) else {
            return Ok(());
        };
        let records = Records {
            stores: self.stores.clone(),
            partition: lane.partition,
        };
        let watch = self.meters.checkpointing(lane.partition);
        let storing = records.store(unsaved.generation, &unsaved.checkpoint);
        let stored = storing.instrument(watch.span.clone()).await;
        watch.stop(&stored);
        match stored {
            Ok(()) => {
                let change = lane.saved(&unsaved);
                self.buffer.unblocked(lane, change);
                tracing::debug!(
                    partition = %lane.partition,
                    generation = unsaved.generation,
                    sequence_number = unsaved.checkpoint.sequence_number,
                    "checkpoint stored"
                );
                Ok(())
            }
            Err(error) => {
                if *error.kind() == ErrorKind::Fenced {
                    let change = lane.refuse(unsaved.generation);
                    self.buffer.unblocked(lane, change);
                }
                tracing::warn!(
                    partition = %lane.partition,
                    generation = unsaved.generation,
                    sequence_number = unsaved.checkpoint.sequence_number,
                    %error,
                    "checkpoint not stored"
                );
                Err(error)
            }
        }
    }

    /// Writes for ever: a partition after so many acknowledged events, and all of
    /// them at an interval. A partition whose write fails or hangs holds none of
    /// the others up.
    pub(super) async fn keep_writing(&self, events: NonZeroU32, interval: Duration) {
        self.every.store(events.get().into(), Ordering::Relaxed);
        for lane in self.buffer.lanes() {
            self.count_unsaved(&lane);
        }
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut busy = HashSet::new();
        let mut writing = FuturesUnordered::new();
        loop {
            let is_due = tokio::select! {
                () = self.news.notified() => false,
                _ = ticks.tick() => true,
                Some(partition) = writing.next(), if !writing.is_empty() => {
                    busy.remove(&partition);
                    false
                }
            };
            for lane in self.buffer.lanes() {
                let unsaved = lane.progress(|progress| progress.unsaved_events());
                let least = match is_due {
                    true => 1,
                    false => lane.worth_writing().min(events.get().into()),
                };
                if unsaved >= least && busy.insert(lane.partition) {
                    writing.push(async move {
                        self.write_until_stored(&lane).await;
                        lane.partition
                    });
                }
            }
        }
    }

    /// What is acknowledged counts as outstanding until it is written: a store that
    /// fails stops the partition in the end.
    pub(super) fn count_unsaved(&self, lane: &Lane) {
        if self.every.load(Ordering::Relaxed) > 0 {
            let counting = lane.progressed(|progress| {
                progress.counts_unsaved = true;
                Ok(())
            });
            if let Ok(((), change)) = counting {
                self.buffer.unblocked(lane, change);
            }
        }
    }

    /// Tries until it is written, or there is nothing more of it to write.
    async fn write_until_stored(&self, lane: &Lane) {
        let backoff = Backoff::default();
        let mut failures = 0;
        while let Err(error) = self.write(lane).await {
            failures += 1;
            tokio::time::sleep(backoff.delay(failures, error.retry_after())).await;
        }
    }
}
