//! Waiting for room: in one partition's queue, or for whichever has some first.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::buffer::Buffer;
use super::cost::Cost;
use super::overflow::take_room;
use super::partitions::{Place, Route};
use super::permit::Room;
use super::policy::OverflowPolicy;
use super::queue::{Todo, Waiter};
use crate::error::Error;
use crate::partition::Target;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, lock};
use crate::telemetry::Stopwatch;

/// Those who wait for room in any partition, first come first served.
#[derive(Default)]
pub(super) struct AnyWaiters {
    queue: Mutex<AnyQueue>,
    /// The length of the queue, to be read without its lock.
    count: AtomicUsize,
}

#[derive(Default)]
struct AnyQueue {
    waiters: BTreeMap<u64, Waiter>,
    next_ticket: u64,
    closed: bool,
}

impl AnyWaiters {
    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting() > 0
    }

    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn wait(&self, waiter: Waiter) -> Result<u64, Error> {
        let mut queue = lock(&self.queue);
        if queue.closed {
            return Err(Error::closed("producer"));
        }
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        queue.waiters.insert(ticket, waiter);
        self.count.store(queue.waiters.len(), Ordering::Relaxed);
        Ok(ticket)
    }

    /// Ends a wait; what is left of it is to be dropped without the lock.
    fn cancel(&self, ticket: u64) -> Option<Waiter> {
        let mut queue = lock(&self.queue);
        let waiter = queue.waiters.remove(&ticket);
        self.count.store(queue.waiters.len(), Ordering::Relaxed);
        waiter
    }

    /// Admits those who wait into a partition, as far as it has room and is not
    /// to be passed over.
    pub(super) fn serve(&self, buffer: &Arc<Buffer>, partition: u32) {
        while self.is_waiting() && buffer.takes_any(partition) {
            let mut todo = Todo::default();
            let served = {
                let mut any = lock(&self.queue);
                let Some(cost) = any.waiters.first_entry().map(|first| first.get().cost) else {
                    return;
                };
                let admitted = lock(&buffer.partition(partition).queue)
                    .reserve(cost, buffer.total(), &mut todo)
                    .is_ok();
                let first = admitted.then(|| any.waiters.pop_first()).flatten();
                self.count.store(any.waiters.len(), Ordering::Relaxed);
                first
            };
            buffer.finish(partition, todo);
            match served {
                Some((_, waiter)) => buffer.grant(partition, waiter),
                None => return,
            }
        }
    }

    /// Admits nobody any more; returns those who wait.
    pub(super) fn close(&self) -> impl Iterator<Item = Waiter> + use<> {
        let mut queue = lock(&self.queue);
        queue.closed = true;
        self.count.store(0, Ordering::Relaxed);
        std::mem::take(&mut queue.waiters).into_values()
    }
}

/// A place in a queue of waiters, given up when dropped.
struct Ticket<'a> {
    buffer: &'a Arc<Buffer>,
    /// `None`: any partition.
    partition: Option<u32>,
    ticket: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let Some(partition) = self.partition else {
            let waiter = self.buffer.any.cancel(self.ticket);
            drop(waiter);
            return;
        };
        let waiter = lock(&self.buffer.partition(partition).queue).cancel(self.ticket);
        drop(waiter);
        // A smaller one may fit where this one did not.
        self.buffer.serve(partition);
    }
}

/// Room for one event, as the overflow policy says: waited for, refused, or taken
/// from older events.
///
/// Dropping the future gives up the place, and room that was just granted.
pub(super) async fn room(
    buffer: &Arc<Buffer>,
    target: &Target,
    encoded_size: usize,
) -> Result<Room, Error> {
    if buffer.overflow != OverflowPolicy::Wait {
        return take_room(buffer, target, encoded_size);
    }
    loop {
        lock(&buffer.partition(0).queue).check(encoded_size)?;
        let room = match buffer.partitions.route(target)? {
            Route::Any => any(buffer, encoded_size).await?,
            Route::One(place) => one(buffer, place, encoded_size).await?,
            Route::Held => {
                buffer.partitions.placed().await;
                continue;
            }
        };
        // Its key may belong elsewhere by now.
        if buffer.partitions.is_current(room.place()) {
            return Ok(room);
        }
    }
}

async fn one(buffer: &Arc<Buffer>, place: Place, encoded_size: usize) -> Result<Room, Error> {
    let Place { partition, keys } = place;
    let cost = Cost::of_event(encoded_size);
    let (grant, granted) = oneshot::channel();
    let waiter = Waiter { cost, keys, grant };
    let mut todo = Todo::default();
    let result = {
        let mut queue = lock(&buffer.partition(partition).queue);
        queue.check(encoded_size)?;
        queue.reserve_or_wait(waiter, buffer.total(), &mut todo)
    };
    buffer.finish(partition, todo);
    let ticket = match result {
        Ok(_) => return Ok(Room::new(Arc::clone(buffer), place, cost)),
        Err(ticket) => ticket,
    };
    let _ticket = Ticket {
        buffer,
        partition: Some(partition),
        ticket,
    };
    let _wait = Stopwatch::start(&buffer.metrics.wait);
    granted.await.map_err(|_| Error::closed("producer"))
}

async fn any(buffer: &Arc<Buffer>, encoded_size: usize) -> Result<Room, Error> {
    let (grant, mut granted) = oneshot::channel();
    let waiter = Waiter {
        cost: Cost::of_event(encoded_size),
        keys: 0,
        grant,
    };
    let ticket = buffer.any.wait(waiter)?;
    let _ticket = Ticket {
        buffer,
        partition: None,
        ticket,
    };
    // Room that came free before this one queued would else go unnoticed.
    (0..buffer.count()).for_each(|partition| buffer.any.serve(buffer, partition));
    if let Ok(room) = granted.try_recv() {
        return Ok(room);
    }
    let _wait = Stopwatch::start(&buffer.metrics.wait);
    granted.await.map_err(|_| Error::closed("producer"))
}
