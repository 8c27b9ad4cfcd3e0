//! The partitions of the hub, as many as are known, and which one a target means.

use std::sync::Arc;

use tokio::sync::Notify;

use super::fast_path::FastQueue;
use super::queue::{PartitionQueue, QueueOptions};
use super::report::Tally;
use super::signal::Signal;
use super::spares::Spares;
use crate::error::Error;
use crate::partition::Target;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::sync::{Mutex, lock};

// Its own cache lines, the first of which has all that changes with each event,
// the lock included: threads that share a partition hand over no more than that.
#[repr(C, align(64))]
pub(super) struct Partition {
    pub(super) queue: Mutex<FastQueue>,
    /// Something is due, or the queue was closed.
    pub(super) wake: Notify,
    /// The first deadline became an earlier one.
    pub(super) alarm: Notify,
    /// A halt ended.
    pub(super) resumed: Notify,
    /// As the queue says, to be read without its lock.
    halted: AtomicBool,
}

/// A growing list, read without a lock.
pub(super) struct Partitions {
    /// Those that were there from the start.
    first: Box<[Partition]>,
    later: boxcar::Vec<Partition>,
    /// How many there are; never more than are in the lists.
    count: AtomicU32,
    /// Over how many of them keys are spread; 0 while that changes.
    keys: AtomicU32,
    placed: Signal,
    halted: AtomicU32,
    queues: QueueOptions,
    pub(super) spares: Arc<Spares>,
}

/// Where an event may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Any,
    One(Place),
    /// Nowhere before keys have their places again.
    Held,
}

/// A partition, and why it is this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) partition: u32,
    /// Among how many partitions a key chose it; 0 where no key did.
    pub(super) keys: u32,
}

impl Place {
    pub(super) fn unkeyed(partition: u32) -> Self {
        Self { partition, keys: 0 }
    }
}

impl Partition {
    fn new(number: u32, options: QueueOptions, tally: &Arc<Tally>, spares: &Arc<Spares>) -> Self {
        let (tally, spares) = (Arc::clone(tally), Arc::clone(spares));
        let queue = PartitionQueue::new(number, options, tally, spares);
        Self {
            queue: Mutex::new(FastQueue::new(queue)),
            wake: Notify::new(),
            alarm: Notify::new(),
            resumed: Notify::new(),
            halted: AtomicBool::new(false),
        }
    }

    pub(super) fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed)
    }

    /// Waits until it is not halted.
    pub(super) async fn open(&self) {
        loop {
            let resumed = self.resumed.notified();
            if !lock(&self.queue).is_halted() {
                return;
            }
            resumed.await;
        }
    }
}

impl Partitions {
    pub(super) fn new(count: u32, queues: QueueOptions, tally: &Arc<Tally>) -> Self {
        let spares = Arc::default();
        let partition = |number| Partition::new(number, queues, tally, &spares);
        Self {
            first: (0..count).map(partition).collect(),
            later: boxcar::Vec::new(),
            count: AtomicU32::new(count),
            keys: AtomicU32::new(count),
            placed: Signal::default(),
            halted: AtomicU32::new(0),
            queues,
            spares,
        }
    }

    /// Adds partitions up to this many. Not to be called twice at once.
    pub(super) fn grow(&self, count: u32, tally: &Arc<Tally>) {
        for number in self.count()..count {
            let partition = Partition::new(number, self.queues, tally, &self.spares);
            self.later.push(partition);
            self.count.store(number + 1, Ordering::Release);
        }
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> &Partition {
        let number = number as usize;
        let first = self.first.get(number);
        first.unwrap_or_else(|| &self.later[number - self.first.len()])
    }

    #[inline]
    pub(super) fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    /// Holds a partition back until it is resumed.
    pub(super) fn halt(&self, number: u32) {
        let partition = self.get(number);
        let mut queue = lock(&partition.queue);
        if queue.halt() {
            partition.halted.store(true, Ordering::Relaxed);
            self.halted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ends a halt; says whether there was one.
    pub(super) fn resume(&self, number: u32) -> bool {
        let partition = self.get(number);
        {
            let mut queue = lock(&partition.queue);
            if !queue.resume() {
                return false;
            }
            partition.halted.store(false, Ordering::Relaxed);
            self.halted.fetch_sub(1, Ordering::Relaxed);
        }
        partition.resumed.notify_waiters();
        partition.wake.notify_one();
        true
    }

    /// How many of them are halted.
    #[inline]
    pub(super) fn halted(&self) -> u32 {
        self.halted.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn route(&self, target: &Target) -> Result<Route, Error> {
        match target {
            Target::Any => Ok(Route::Any),
            Target::Partition(id) if id.number() < self.count() => {
                Ok(Route::One(Place::unkeyed(id.number())))
            }
            Target::Partition(id) => Err(Error::invalid_partition(*id, self.count())),
            Target::Key(key) => Ok(match self.keys.load(Ordering::Relaxed) {
                0 => Route::Held,
                keys => Route::One(Place {
                    partition: key.partition(keys).number(),
                    keys,
                }),
            }),
        }
    }

    /// Whether a place is still where its key belongs. To be asked under the lock
    /// of its queue.
    #[inline]
    pub(super) fn is_current(&self, place: Place) -> bool {
        place.keys == 0 || place.keys == self.keys.load(Ordering::Relaxed)
    }

    /// Lets no key have a place any more. Whoever locks a queue after this call
    /// did so sees it.
    pub(super) fn hold_keys(&self) {
        self.keys.store(0, Ordering::Relaxed);
    }

    /// Spreads keys over the first `keys` partitions.
    pub(super) fn place_keys(&self, keys: u32) {
        self.keys.store(keys, Ordering::Relaxed);
        self.wake_held();
    }

    /// Wakes those who wait for their key's place.
    pub(super) fn wake_held(&self) {
        self.placed.give();
    }

    /// Waits until keys may have places, or until there is another reason to
    /// look again, such as a close.
    pub(super) async fn placed(&self) {
        let signal = self.placed.subscribe();
        let is_closed = lock(&self.get(0).queue).is_closed();
        if self.keys.load(Ordering::Relaxed) == 0 && !is_closed {
            // Resolves, given or not, only when the signal was.
            let _ = signal.await;
        }
    }
}
