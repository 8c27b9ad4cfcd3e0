//! The buffer: every partition's queue, the total bound, and who waits.
//!
//! What the handles, the workers and the timer share. Locks are taken in the
//! order *waiters for any partition*, *ledger*, *queue*, *total*, and nothing of
//! the user's runs under them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::account::Account;
use super::cost::Cost;
use super::departures::Departures;
use super::fast_path::FastQueue;
use super::linger::{OpenBatches, Opened};
use super::metrics::{BufferMetrics, ClosedBy};
use super::options::BufferedProducerOptions;
use super::outcomes::OutcomeQueue;
use super::partitions::{Partition, Partitions, Place, Route};
use super::permit::Room;
use super::policy::OverflowPolicy;
use super::queue::{Full, Pressure, QueueOptions, Todo, Waiter};
use super::queued::{Arrival, Batch};
use super::report::{Ledger, Tally};
use super::snapshot::BufferSnapshot;
use super::total::TotalBudget;
use super::wait::AnyWaiters;
use crate::batch::BatchLimits;
use crate::error::Error;
use crate::producer::ThrottleGate;
use crate::shield::shielded;
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use crate::sync::{Mutex, lock, lock_in_turns};

/// As many as are added in some tens of microseconds: a turn costs a few.
const EVENTS_PER_TURN: usize = 512;

pub(super) struct Buffer {
    pub(super) partitions: Partitions,
    total: Mutex<TotalBudget>,
    partition_bound: Cost,
    total_bound: Cost,
    pub(super) any: AnyWaiters,
    open_batches: OpenBatches,
    lingers: bool,
    pub(super) overflow: OverflowPolicy,
    deadline: Option<Duration>,
    /// The partition that takes events without a target, until its batch closes.
    sticky: AtomicU32,
    /// Events in batches that were closed since someone let the workers run.
    unseen: AtomicUsize,
    pub(super) departures: Departures,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) account: Account,
    pub(super) outcomes: Option<Arc<OutcomeQueue>>,
    pub(super) metrics: BufferMetrics,
    /// A batch was opened.
    pub(super) stirred: Notify,
}

/// Why an event was not accepted now.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There is no room now.
    Full,
    /// Its key belongs to another partition by now.
    Moved,
    /// It will never be accepted.
    Final(Error),
}

impl From<Full> for Refusal {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

impl Refusal {
    /// `Ok` if there is a use in trying again.
    pub(super) fn of_now(self) -> Result<(), Error> {
        match self {
            Self::Full | Self::Moved => Ok(()),
            Self::Final(error) => Err(error),
        }
    }
}

impl Buffer {
    pub(super) fn new(
        partitions: u32,
        options: &BufferedProducerOptions,
        gate: ThrottleGate,
        metrics: BufferMetrics,
    ) -> Self {
        let tally = Arc::new(Tally::default());
        let lingers = options.linger().is_none_or(|linger| !linger.is_zero());
        let queues = QueueOptions {
            bound: options.partition_bound(),
            batch_limits: options.batch_limits(),
            lingers,
        };
        Self {
            partitions: Partitions::new(partitions, queues, &tally),
            total: Mutex::new(TotalBudget::new(
                options.total_bound(),
                options.partition_bound(),
                partitions as usize,
            )),
            partition_bound: options.partition_bound(),
            total_bound: options.total_bound(),
            any: AnyWaiters::default(),
            open_batches: OpenBatches::default(),
            lingers,
            overflow: options.overflow(),
            deadline: options.deadline(),
            sticky: AtomicU32::new(0),
            unseen: AtomicUsize::new(0),
            departures: Departures::new(options.max_in_flight(), gate),
            ledger: Mutex::new(Ledger::new(tally)),
            account: Account::default(),
            outcomes: options.outcome_queue().map(Arc::new),
            metrics,
            stirred: Notify::new(),
        }
    }

    #[inline]
    pub(super) fn partition(&self, number: u32) -> &Partition {
        self.partitions.get(number)
    }

    pub(super) fn open_batches(&self) -> &OpenBatches {
        &self.open_batches
    }

    pub(super) fn total(&self) -> &Mutex<TotalBudget> {
        &self.total
    }

    /// What all partitions can hold together.
    pub(super) fn bound(&self) -> Cost {
        let each = self.partition_bound.times(self.count() as usize);
        self.total_bound.min(each)
    }

    pub(super) fn count(&self) -> u32 {
        self.partitions.count()
    }

    /// Whether whoever adds events should first let the workers run, which may be
    /// queued behind it on the same thread: batches would pile up, cold. Asked before
    /// each event, and true once for so many.
    #[inline]
    pub(super) fn workers_wait(&self) -> bool {
        self.unseen.load(Ordering::Relaxed) >= EVENTS_PER_TURN
            && self.unseen.swap(0, Ordering::Relaxed) >= EVENTS_PER_TURN
    }

    /// Takes an event if there is room now.
    #[inline]
    pub(super) fn try_accept(&self, arrival: &mut Arrival) -> Result<(), Refusal> {
        loop {
            let result = match self.partitions.route(arrival.target()) {
                Err(error) => Err(Refusal::Final(error)),
                Ok(Route::One(place)) => self.try_push(place, arrival),
                Ok(Route::Any) => self.try_push_sticky(arrival),
                Ok(Route::Held) => Err(Refusal::Full),
            };
            if !matches!(result, Err(Refusal::Moved)) {
                return result;
            }
        }
    }

    /// The partitions that an event without a target tries in turn: the sticky
    /// one first, and none that is halted, unless all are.
    pub(super) fn turn(&self) -> impl Iterator<Item = u32> {
        let count = self.count();
        let first = self.sticky.load(Ordering::Relaxed);
        (first..count)
            .chain(0..first)
            .filter(|number| self.takes_any(*number))
    }

    /// Whether events without a target may go to a partition.
    #[inline]
    pub(super) fn takes_any(&self, partition: u32) -> bool {
        let halted = self.partitions.halted();
        halted == 0 || halted >= self.count() || !self.partition(partition).is_halted()
    }

    /// Tries the sticky partition first and skips those without room.
    #[inline]
    fn try_push_sticky(&self, arrival: &mut Arrival) -> Result<(), Refusal> {
        if self.any.is_waiting() {
            return Err(Refusal::Full);
        }
        let sticky = self.sticky.load(Ordering::Relaxed);
        // Nearly always it has room.
        if self.takes_any(sticky) {
            // Where a batch was just closed, by this event or by another while this one
            // waited for the lock, it would stay behind alone.
            let stays = || self.sticky.load(Ordering::Relaxed) == sticky;
            let place = Place::unkeyed(sticky);
            let result = self.push(place, arrival, stays, |queue, arrival, todo| {
                if !stays() || queue.make_way(arrival, todo) {
                    return Err(Refusal::Moved);
                }
                queue.accept(arrival, &self.total, todo)?;
                Ok(())
            });
            if !matches!(result, Err(Refusal::Full)) {
                return result;
            }
        }
        for partition in self.turn().filter(|partition| *partition != sticky) {
            let result = self.try_push(Place::unkeyed(partition), arrival);
            if !matches!(result, Err(Refusal::Full)) {
                self.move_sticky(sticky, partition);
                return result;
            }
        }
        Err(Refusal::Full)
    }

    #[inline]
    fn try_push(&self, place: Place, arrival: &mut Arrival) -> Result<(), Refusal> {
        let new = || true;
        self.push(place, arrival, new, |queue, arrival, todo| {
            queue.accept(arrival, &self.total, todo)?;
            Ok(())
        })
    }

    /// Takes an event whose room was reserved before.
    pub(super) fn push_reserved(&self, place: Place, arrival: &mut Arrival) -> Result<(), Refusal> {
        let new = || false;
        self.push(place, arrival, new, |queue, arrival, todo| {
            queue.accept_reserved(arrival, todo);
            Ok(())
        })
    }

    /// Adds an event to the queue of a place: on the fast path if it `may_join`, else
    /// as `accept` says.
    #[inline]
    fn push(
        &self,
        place: Place,
        arrival: &mut Arrival,
        may_join: impl FnOnce() -> bool,
        accept: impl FnOnce(&mut FastQueue, &mut Arrival, &mut Todo) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        arrival.begin(self.deadline);
        let mut todo = Todo::default();
        let result = {
            let mut queue = lock_in_turns(&self.partition(place.partition).queue);
            let is_current = self.partitions.is_current(place);
            if is_current && may_join() && queue.join(arrival) {
                return Ok(());
            }
            queue.check(arrival.size).map_err(Refusal::Final)?;
            if !is_current {
                return Err(Refusal::Moved);
            }
            let result = accept(&mut queue, arrival, &mut todo);
            if todo.change.closed > 0 {
                // Seen by whoever locks the queue next.
                self.leave(place.partition);
            }
            result
        };
        self.finish(place.partition, todo);
        result
    }

    /// Does what an admission asked for, with no lock held.
    #[inline]
    pub(super) fn finish(&self, partition: u32, todo: Todo) {
        if todo != Todo::default() {
            self.carry_out(partition, todo);
        }
    }

    #[cold]
    fn carry_out(&self, partition: u32, todo: Todo) {
        if todo.wake {
            self.partition(partition).wake.notify_one();
        }
        if todo.change.deadline {
            self.partition(partition).alarm.notify_one();
        }
        if let Some(number) = todo.change.opened {
            self.stirred.notify_one();
            if self.lingers {
                self.open_batches.push(partition, number, self);
            }
        }
        if todo.change.closed > 0 {
            self.leave(partition);
            self.unseen.fetch_add(todo.change.closed, Ordering::Relaxed);
        }
        match todo.pressure {
            Pressure::None => {}
            Pressure::Oldest => {
                while let Some(opened) = self.open_batches.pop() {
                    if self.press(&opened, ClosedBy::Pressure) {
                        break;
                    }
                }
            }
            Pressure::All => {
                for opened in self.open_batches.pop_all() {
                    self.press(&opened, ClosedBy::Pressure);
                }
            }
        }
    }

    /// Lets events without a target go on to the next partition.
    fn leave(&self, partition: u32) {
        self.move_sticky(partition, (partition + 1) % self.count());
    }

    fn move_sticky(&self, from: u32, to: u32) {
        let relaxed = Ordering::Relaxed;
        // Whoever moved it first has moved it.
        let _ = self.sticky.compare_exchange(from, to, relaxed, relaxed);
    }

    /// Lets a batch go, if it is still the open one; says whether it was.
    pub(super) fn press(&self, opened: &Opened, by: ClosedBy) -> bool {
        let partition = self.partition(opened.partition);
        let (is_open, wake) = {
            let mut queue = lock(&partition.queue);
            let is_open = queue.open_number() == Some(opened.number);
            (is_open, is_open && queue.press(by))
        };
        if wake {
            partition.wake.notify_one();
        }
        is_open
    }

    pub(super) fn is_open(&self, opened: &Opened) -> bool {
        lock(&self.partition(opened.partition).queue).open_number() == Some(opened.number)
    }

    /// Gives room back and lets those who wait have it.
    pub(super) fn release(self: &Arc<Self>, partition: u32, cost: Cost) {
        lock(&self.partition(partition).queue).release(cost, &self.total);
        self.serve(partition);
        let waiting = lock(&self.total).waiting();
        for _ in 0..waiting {
            let next = lock(&self.total).next_waiting();
            next.into_iter().for_each(|next| self.serve(next));
        }
        self.any.serve(self, partition);
    }

    /// Admits those who wait for a partition.
    pub(super) fn serve(self: &Arc<Self>, partition: u32) {
        let mut todo = Todo::default();
        let served = lock(&self.partition(partition).queue).serve(&self.total, &mut todo);
        self.finish(partition, todo);
        for waiter in served {
            self.grant(partition, waiter);
        }
    }

    /// Hands room over; if nobody is there any more it comes back by its drop.
    pub(super) fn grant(self: &Arc<Self>, partition: u32, waiter: Waiter) {
        let place = Place {
            partition,
            keys: waiter.keys,
        };
        let room = Room::new(Arc::clone(self), place, waiter.cost);
        shielded(|| drop(waiter.grant.send(room)));
    }

    /// Takes the batch of a partition that goes next, if one is due.
    pub(super) fn take(&self, partition: u32) -> Option<Batch> {
        let mut todo = Todo::default();
        let batch = lock(&self.partition(partition).queue).take(&mut todo);
        self.finish(partition, todo);
        if let Some(batch) = &batch {
            self.metrics.departs(batch);
        }
        batch
    }

    /// A batch of a partition, opened then, is about to be settled.
    pub(super) fn landed(&self, partition: u32, opened_at: Option<Instant>) {
        if let Some(opened_at) = opened_at {
            lock(&self.partition(partition).queue).landed(opened_at);
        }
    }

    /// Sets what the transport takes in a partition, from now on.
    pub(super) fn set_limits(&self, partition: u32, transport: BatchLimits) {
        lock(&self.partition(partition).queue).set_limits(transport);
    }

    /// Ends what was accepted so far: closes the open batches and returns the
    /// tallies that a flush has to wait for.
    pub(super) fn cut(&self) -> Vec<Arc<Tally>> {
        let mut ledger = lock(&self.ledger);
        let tally = Arc::new(Tally::default());
        let earlier = ledger.turn(Arc::clone(&tally));
        for number in 0..self.count() {
            let todo = lock(&self.partition(number).queue).cut(Arc::clone(&tally));
            self.finish(number, todo);
        }
        earlier
    }

    pub(super) fn report(&self, covered: &[Arc<Tally>]) -> super::FlushReport {
        lock(&self.ledger).report(covered)
    }

    /// Refuses what comes from now on, those who wait included, and keeps what
    /// is not delivered from now on for the close report.
    pub(super) fn close(&self) {
        let mut refused = Vec::new();
        {
            // A partition that is found meanwhile is closed, too.
            let _ledger = lock(&self.ledger);
            self.account.close();
            for number in 0..self.count() {
                let partition = self.partition(number);
                refused.extend(lock(&partition.queue).close().into_values());
                partition.wake.notify_one();
            }
        }
        refused.extend(self.any.close());
        for waiter in refused {
            shielded(|| drop(waiter));
        }
        self.partitions.wake_held();
    }

    /// Halts a partition until it is resumed.
    pub(super) fn halt(&self, partition: u32) {
        tracing::warn!(partition, "halted: an event was not delivered");
        self.partitions.halt(partition);
    }

    /// Ends a halt; says whether there was one.
    pub(super) fn resume(self: &Arc<Self>, partition: u32) -> bool {
        let resumed = self.partitions.resume(partition);
        if resumed {
            self.any.serve(self, partition);
        }
        resumed
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(outcomes) = &self.outcomes {
            outcomes.end();
        }
        // They would else stay as they were last.
        self.metrics.sample(&BufferSnapshot::default());
    }
}
