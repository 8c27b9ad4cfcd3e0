//! The state of a hub in memory, and what a test can see and do to it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::time::Instant;

use super::holders::{self, Holder, Holders};
use super::producer::MemoryProducer;
use super::receiver::MemoryConsumer;
use crate::batch::{BatchLimits, EventBatch};
use crate::error::{Error, ErrorKind};
use crate::event::ReceivedEvent;
use crate::partition::{PartitionId, Target};
use crate::sync::{Mutex, lock};
use crate::transport::{HubProperties, PartitionProperties, ReceiverOptions, StartPosition};
use crate::value::Timestamp;

/// An event hub in memory; clones share it.
#[derive(Clone)]
pub struct MemoryHub {
    inner: Arc<Inner>,
}

struct Inner {
    limits: BatchLimits,
    keeps: bool,
    created_at: SystemTime,
    /// Events' times follow tokio's clock, so that a paused one holds them too.
    started: Instant,
    state: Mutex<State>,
    /// Changes with everything that a receiver may wait for.
    changed: watch::Sender<()>,
    paused: watch::Sender<bool>,
    /// Whose turn it is to store: first come, first served, a pause included.
    turns: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    partitions: Vec<Vec<ReceivedEvent>>,
    round_robin: usize,
    events: u64,
    batches: u64,
    delivered: u64,
    failures: Option<(usize, Error)>,
    open_failures: Option<(usize, Error)>,
    holders: HashMap<(String, PartitionId), Holders>,
    next_receiver: u64,
    /// Why receivers that are still held have ended.
    ended: HashMap<u64, Error>,
}

impl MemoryHub {
    /// A hub that keeps all it is sent, with the limits of a Standard namespace.
    ///
    /// # Panics
    /// If `partitions` is 0.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        Self::build(partitions, BatchLimits::STANDARD, true)
    }

    /// A hub that counts what it is sent and keeps nothing: for benches.
    ///
    /// # Panics
    /// If `partitions` is 0.
    #[must_use]
    pub fn discarding(partitions: u32) -> Self {
        Self::build(partitions, BatchLimits::STANDARD, false)
    }

    /// A hub that keeps all it is sent and takes batches within `limits`.
    ///
    /// # Panics
    /// If `partitions` is 0.
    #[must_use]
    pub fn with_limits(partitions: u32, limits: BatchLimits) -> Self {
        Self::build(partitions, limits, true)
    }

    fn build(partitions: u32, limits: BatchLimits, keeps: bool) -> Self {
        assert!(partitions > 0, "a hub has at least one partition");
        let state = State {
            partitions: vec![Vec::new(); partitions as usize],
            ..State::default()
        };
        Self {
            inner: Arc::new(Inner {
                limits,
                keeps,
                created_at: SystemTime::now(),
                started: Instant::now(),
                state: Mutex::new(state),
                changed: watch::Sender::new(()),
                paused: watch::Sender::new(false),
                turns: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// A producer on this hub.
    #[must_use]
    pub fn producer(&self) -> MemoryProducer {
        MemoryProducer::new(self.clone())
    }

    /// A consumer on this hub.
    #[must_use]
    pub fn consumer(&self) -> MemoryConsumer {
        MemoryConsumer::new(self.clone())
    }

    /// Stalls the hub: sends wait until [`resume`](Self::resume). A test aid.
    pub fn pause(&self) {
        self.inner.paused.send_replace(true);
    }

    /// Ends a [`pause`](Self::pause).
    pub fn resume(&self) {
        self.inner.paused.send_replace(false);
    }

    /// Adds partitions, up to this many. A test aid.
    ///
    /// # Panics
    /// If the hub has more.
    pub fn set_partition_count(&self, partitions: u32) {
        let mut state = lock(&self.inner.state);
        assert!(partitions >= state.count(), "partitions never go");
        state.partitions.resize(partitions as usize, Vec::new());
    }

    /// Refuses the next `count` batches with an error. A test aid.
    pub fn fail_next(&self, count: usize, error: Error) {
        lock(&self.inner.state).failures = Some((count, error));
    }

    /// Refuses the next `count` receivers with an error. A test aid.
    pub fn fail_next_opens(&self, count: usize, error: Error) {
        lock(&self.inner.state).open_failures = Some((count, error));
    }

    /// Ends all open receivers with an error, as a lost connection does. A test
    /// aid.
    pub fn break_receivers(&self, error: &Error) {
        {
            let mut state = lock(&self.inner.state);
            let turned_out: Vec<_> = state.holders.values_mut().flat_map(Holders::take).collect();
            for receiver in turned_out {
                state.ended.insert(receiver.id, error.clone());
            }
        }
        self.inner.changed.send_replace(());
    }

    /// All events, by partition, in order.
    #[must_use]
    pub fn received(&self) -> Vec<ReceivedEvent> {
        lock(&self.inner.state).partitions.concat()
    }

    /// How many events were stored since the hub was made.
    #[must_use]
    pub fn event_count(&self) -> u64 {
        lock(&self.inner.state).events
    }

    /// How many batches were stored since the hub was made.
    #[must_use]
    pub fn batch_count(&self) -> u64 {
        lock(&self.inner.state).batches
    }

    /// How many events were handed to receivers since the hub was made.
    #[must_use]
    pub fn delivered_count(&self) -> u64 {
        lock(&self.inner.state).delivered
    }

    /// How many receivers are open.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        let state = lock(&self.inner.state);
        state.holders.values().map(Holders::len).sum()
    }

    pub(super) fn limits(&self) -> BatchLimits {
        self.inner.limits
    }

    /// Waits for its turn to store, which is kept until the guard is dropped.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        let turn = self.inner.turns.lock().await;
        let mut paused = self.inner.paused.subscribe();
        // The sender lives as long as `self`.
        let _ = paused.wait_for(|paused| !paused).await;
        turn
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.inner.changed.subscribe()
    }

    pub(super) fn store(&self, batch: EventBatch) -> Result<(), (EventBatch, Error)> {
        {
            let mut state = lock(&self.inner.state);
            if let Some(refusal) = strike(&mut state.failures) {
                return Err((batch, refusal));
            }
            let size = batch.encoded_size();
            if size > self.inner.limits.bytes {
                return Err((batch, Error::too_large(size, self.inner.limits.bytes)));
            }
            let partition = match state.place(batch.target()) {
                Ok(partition) => partition,
                Err(error) => return Err((batch, error)),
            };
            state.batches += 1;
            state.events += batch.len() as u64;
            if self.inner.keeps {
                let now = self.inner.created_at + self.inner.started.elapsed();
                state.keep(partition, batch, now);
            }
        }
        self.inner.changed.send_replace(());
        Ok(())
    }

    pub(super) fn properties(&self) -> HubProperties {
        let count = lock(&self.inner.state).count();
        HubProperties {
            name: "memory".into(),
            created_at: self.inner.created_at,
            partitions: (0..count).map(PartitionId::new).collect(),
        }
    }

    pub(super) fn partition_properties(
        &self,
        partition: PartitionId,
    ) -> Result<PartitionProperties, Error> {
        let state = lock(&self.inner.state);
        let last = state.events(partition)?.last();
        Ok(PartitionProperties {
            partition,
            beginning_sequence_number: 0,
            last_enqueued_sequence_number: last.map_or(-1, ReceivedEvent::sequence_number),
            last_enqueued_offset: last.map_or("-1", ReceivedEvent::offset).into(),
            last_enqueued_time: last.map_or(SystemTime::UNIX_EPOCH, ReceivedEvent::enqueued_time),
            is_empty: last.is_none(),
        })
    }

    /// Lets a receiver in; returns its id and the index of its first event.
    pub(super) fn attach(&self, options: &ReceiverOptions) -> Result<(u64, usize), Error> {
        let attached = {
            let mut state = lock(&self.inner.state);
            if let Some(refusal) = strike(&mut state.open_failures) {
                return Err(refusal);
            }
            let next = state.resolve(options.partition, &options.position)?;
            let id = state.next_receiver;
            state.next_receiver += 1;
            let holder = Holder {
                id,
                level: options.owner_level,
                name: options.name.clone(),
            };
            let place = (options.consumer_group.to_lowercase(), options.partition);
            let held = state.holders.entry(place).or_default();
            for loser in held.attach(holder.clone())? {
                let error = holders::displaced(&loser, &holder);
                state.ended.insert(loser.id, error);
            }
            (id, next)
        };
        self.inner.changed.send_replace(());
        Ok(attached)
    }

    pub(super) fn detach(&self, options: &ReceiverOptions, id: u64) {
        let mut state = lock(&self.inner.state);
        let place = (options.consumer_group.to_lowercase(), options.partition);
        if let Some(holders) = state.holders.get_mut(&place) {
            holders.detach(id);
        }
        state.ended.remove(&id);
    }

    /// The events from an index on, at most `most`, unless the receiver ended.
    pub(super) fn read(
        &self,
        partition: PartitionId,
        id: u64,
        from: usize,
        most: usize,
    ) -> Result<Vec<ReceivedEvent>, Error> {
        let mut state = lock(&self.inner.state);
        if let Some(ended) = state.ended.get(&id) {
            return Err(ended.clone());
        }
        let events = state.events(partition)?;
        let events: Vec<_> = events.iter().skip(from).take(most).cloned().collect();
        state.delivered += events.len() as u64;
        Ok(events)
    }
}

/// The planted failure, as long as it lasts.
fn strike(failures: &mut Option<(usize, Error)>) -> Option<Error> {
    let (left, error) = failures.take()?;
    *failures = (left > 1).then(|| (left - 1, error.clone()));
    (left > 0).then_some(error)
}

impl State {
    fn count(&self) -> u32 {
        u32::try_from(self.partitions.len()).expect("made from a u32")
    }

    fn events(&self, partition: PartitionId) -> Result<&Vec<ReceivedEvent>, Error> {
        self.partitions
            .get(partition.index())
            .ok_or_else(|| Error::invalid_partition(partition, self.count()))
    }

    /// The partition that a batch goes to: all of it to one.
    fn place(&mut self, target: &Target) -> Result<PartitionId, Error> {
        match target {
            Target::Key(key) => Ok(key.partition(self.count())),
            Target::Partition(id) => self.events(*id).map(|_| *id),
            Target::Any => {
                let index = self.round_robin % self.partitions.len();
                self.round_robin += 1;
                Ok(PartitionId::new(index as u32))
            }
        }
    }

    fn keep(&mut self, partition: PartitionId, batch: EventBatch, now: SystemTime) {
        let events = &mut self.partitions[partition.index()];
        for event in batch.into_events() {
            let number = events.len() as i64;
            // What is read names its key, and no partition.
            let target = event
                .target()
                .key()
                .cloned()
                .map_or(Target::Any, Target::Key);
            let event = event.with_target(target);
            let offset = number.to_string();
            events.push(ReceivedEvent::new(event, partition, number, offset, now));
        }
    }

    /// The index of the first event from a position on.
    fn resolve(&self, partition: PartitionId, position: &StartPosition) -> Result<usize, Error> {
        let events = self.events(partition)?;
        let from = |number: i64, inclusive: bool| {
            let next = usize::try_from(number + i64::from(!inclusive)).unwrap_or(0);
            if number >= events.len() as i64 {
                return Err(Error::new(
                    ErrorKind::InvalidPosition,
                    format!(
                        "{number} lies beyond the last event, {}",
                        events.len() as i64 - 1
                    ),
                ));
            }
            Ok(next)
        };
        match position {
            StartPosition::Earliest => Ok(0),
            StartPosition::Latest => Ok(events.len()),
            StartPosition::SequenceNumber { number, inclusive } => from(*number, *inclusive),
            StartPosition::Offset { offset, inclusive } => match offset.parse() {
                Ok(number) => from(number, *inclusive),
                Err(_) => Err(Error::new(
                    ErrorKind::InvalidPosition,
                    "this hub made no such offset",
                )),
            },
            StartPosition::EnqueuedAfter(time) => {
                Ok(events.partition_point(|event| Timestamp::from(event.enqueued_time()) <= *time))
            }
        }
    }
}

impl fmt::Debug for MemoryHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.inner.state);
        f.debug_struct("MemoryHub")
            .field("partitions", &state.partitions.len())
            .field("events", &state.events)
            .finish_non_exhaustive()
    }
}
