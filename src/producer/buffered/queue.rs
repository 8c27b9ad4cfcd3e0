//! The queue of one partition: what is admitted, who waits for room, and whether
//! the worker has something to do.
//!
//! Pure state behind one short lock per event: no async, and the clock is read
//! once per batch. Room is held from admission until the outcome. The worker takes
//! a closed batch, or the open one once it is due: the linger passed, or something
//! presses.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::batches::{Batches, Change};
use super::cost::{Cost, EVENT_OVERHEAD};
use super::fast_path::Allowance;
use super::metrics::ClosedBy;
use super::permit::Room;
use super::queued::{Arrival, Batch};
use super::report::Tally;
use super::snapshot::Holdings;
use super::spares::Spares;
use super::total::TotalBudget;
use crate::batch::BatchLimits;
use crate::error::Error;
use crate::sync::{Mutex, lock};

/// Someone who waits for room.
pub(super) struct Waiter {
    pub(super) cost: Cost,
    /// As in [`Place`](super::partitions::Place).
    pub(super) keys: u32,
    pub(super) grant: oneshot::Sender<Room>,
}

/// There is no room now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// What an admission asks the caller to do after the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Todo {
    /// Wake the partition's worker.
    pub(super) wake: bool,
    /// What became of the open batch.
    pub(super) change: Change,
    /// Which open batches of all partitions should go.
    pub(super) pressure: Pressure,
}

/// How hard the total bound presses on open batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Pressure {
    #[default]
    None,
    /// The total is low: the oldest one goes.
    Oldest,
    /// The total is used up: all of them go.
    All,
}

/// What every partition's queue goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueOptions {
    pub(super) bound: Cost,
    /// What closes a batch, beside the transport's limits.
    pub(super) batch_limits: BatchLimits,
    pub(super) lingers: bool,
}

impl QueueOptions {
    fn largest_event(&self, transport: BatchLimits) -> usize {
        let room = self.bound.bytes.saturating_sub(EVENT_OVERHEAD);
        room.min(transport.bytes)
    }
}

// Begins with what changes with each event, see `Partition`.
#[repr(C)]
pub(super) struct PartitionQueue {
    batches: Batches,
    /// What is admitted beside the batches: reserved, or under way.
    aside: Cost,
    /// What the total bound has lent.
    lease: Cost,
    options: QueueOptions,
    /// What the transport takes at all, and the bound admits, in encoded bytes.
    largest_event: usize,
    partition: u32,
    worker_idle: bool,
    waits_for_total: bool,
    halted: bool,
    closed: bool,
    waiters: BTreeMap<u64, Waiter>,
    next_ticket: u64,
    /// When those were opened that were taken and have no outcome.
    under_way: Vec<Instant>,
}

impl PartitionQueue {
    pub(super) fn new(
        partition: u32,
        options: QueueOptions,
        tally: Arc<Tally>,
        spares: Arc<Spares>,
    ) -> Self {
        let limits = options.batch_limits.min(BatchLimits::STANDARD);
        Self {
            batches: Batches::new(limits, tally, spares),
            aside: Cost::default(),
            lease: Cost::default(),
            options,
            largest_event: options.largest_event(BatchLimits::STANDARD),
            partition,
            worker_idle: false,
            waits_for_total: false,
            halted: false,
            closed: false,
            waiters: BTreeMap::new(),
            next_ticket: 0,
            under_way: Vec::new(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Refuses what could never be admitted or sent.
    #[inline]
    pub(super) fn check(&self, encoded_size: usize) -> Result<(), Error> {
        if self.closed {
            return Err(Error::closed("producer"));
        }
        if encoded_size > self.largest_event {
            return Err(Error::too_large(encoded_size, self.largest_event));
        }
        Ok(())
    }

    /// What is admitted and has no outcome.
    #[inline]
    fn used(&self) -> Cost {
        self.batches.cost() + self.aside
    }

    /// Takes an event for which there is room. It is someone new's, who must not
    /// overtake those who wait.
    #[inline]
    pub(super) fn accept(
        &mut self,
        arrival: &mut Arrival,
        total: &Mutex<TotalBudget>,
        todo: &mut Todo,
    ) -> Result<(), Full> {
        self.has_turn(todo)?;
        self.find_room(arrival.cost(), total, false, todo)?;
        self.push(arrival, todo);
        Ok(())
    }

    /// Takes an event that the [allowance](Self::allowance) covers.
    #[inline]
    pub(super) fn join(&mut self, arrival: &mut Arrival) {
        self.batches.join(arrival);
    }

    /// What may join the open batch as long as nothing else happens: nobody waits for
    /// room, an event was just accepted.
    #[inline]
    pub(super) fn allowance(&self) -> Allowance {
        let bound = self.lease.min(self.options.bound);
        self.batches.allowance(bound.saturating_sub(self.used()))
    }

    /// Closes the open batch if an event does not fit in any more, which is free to go
    /// elsewhere then; says whether it did.
    #[inline]
    pub(super) fn make_way(&mut self, arrival: &Arrival, todo: &mut Todo) -> bool {
        let closed = self.batches.make_way(arrival.size);
        if closed == 0 {
            return false;
        }
        todo.change.closed = closed;
        todo.wake |= self.wakes();
        true
    }

    /// Takes an event whose room was reserved.
    pub(super) fn accept_reserved(&mut self, arrival: &mut Arrival, todo: &mut Todo) {
        self.aside -= arrival.cost();
        self.push(arrival, todo);
        if !self.waiters.is_empty() {
            todo.wake |= self.press(ClosedBy::Pressure);
        }
    }

    /// Reserves room for someone new.
    pub(super) fn reserve(
        &mut self,
        cost: Cost,
        total: &Mutex<TotalBudget>,
        todo: &mut Todo,
    ) -> Result<(), Full> {
        self.has_turn(todo)?;
        self.find_room(cost, total, false, todo)?;
        self.aside += cost;
        Ok(())
    }

    /// Reserves room for someone new, or queues them; the ticket cancels the wait.
    pub(super) fn reserve_or_wait(
        &mut self,
        waiter: Waiter,
        total: &Mutex<TotalBudget>,
        todo: &mut Todo,
    ) -> Result<Waiter, u64> {
        if self.waiters.is_empty() && self.find_room(waiter.cost, total, true, todo).is_ok() {
            self.aside += waiter.cost;
            return Ok(waiter);
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiters.insert(ticket, waiter);
        Err(ticket)
    }

    /// Ends a wait; what is left of it is to be dropped without the lock.
    pub(super) fn cancel(&mut self, ticket: u64) -> Option<Waiter> {
        self.waiters.remove(&ticket)
    }

    /// Reserves room for those who wait, in turn, as far as there is any.
    pub(super) fn serve(&mut self, total: &Mutex<TotalBudget>, todo: &mut Todo) -> Vec<Waiter> {
        self.waits_for_total = false;
        let mut served = Vec::new();
        while let Some(first) = self.waiters.first_entry() {
            let cost = first.get().cost;
            if self.find_room(cost, total, true, todo).is_err() {
                break;
            }
            self.aside += cost;
            served.extend(self.waiters.pop_first().map(|(_, waiter)| waiter));
        }
        served
    }

    #[inline]
    fn has_turn(&mut self, todo: &mut Todo) -> Result<(), Full> {
        if self.waiters.is_empty() {
            return Ok(());
        }
        todo.wake |= self.press(ClosedBy::Pressure);
        Err(Full)
    }

    /// Finds room, in the lease where it suffices.
    #[inline]
    fn find_room(
        &mut self,
        cost: Cost,
        total: &Mutex<TotalBudget>,
        wait: bool,
        todo: &mut Todo,
    ) -> Result<(), Full> {
        let used = self.used().saturating_add(cost);
        if used.fits(self.lease) && used.fits(self.options.bound) {
            return Ok(());
        }
        self.extend_lease(used, total, wait, todo)
    }

    /// Borrows what is lacking. Where there is none, the open batch is pressed: an
    /// idle link never waits beside a full buffer.
    #[cold]
    fn extend_lease(
        &mut self,
        used: Cost,
        total: &Mutex<TotalBudget>,
        wait: bool,
        todo: &mut Todo,
    ) -> Result<(), Full> {
        if !used.fits(self.options.bound) {
            todo.wake |= self.press(ClosedBy::Pressure);
            return Err(Full);
        }
        let mut total = lock(total);
        let Some(amount) = total.lend(self.partition, used.saturating_sub(self.lease)) else {
            if wait && !self.waits_for_total {
                self.waits_for_total = true;
                total.wait(self.partition);
            }
            drop(total);
            todo.pressure = Pressure::All;
            // Those of others are pressed by the caller; this one may not be noted yet.
            todo.wake |= self.press(ClosedBy::Pressure);
            return Err(Full);
        };
        self.lease += amount;
        if total.is_low() {
            todo.pressure = todo.pressure.max(Pressure::Oldest);
        }
        Ok(())
    }

    /// Gives room back, and what the lease holds beyond need.
    pub(super) fn release(&mut self, cost: Cost, total: &Mutex<TotalBudget>) {
        self.aside -= cost;
        let used = self.used();
        let mut total = lock(total);
        let slack = self.lease - used;
        // An idle partition would keep its slack for ever.
        let surplus = match used.is_zero() {
            true => slack,
            false => total.surplus(slack),
        };
        self.lease -= surplus;
        total.give_back(self.partition, surplus);
    }

    /// Reserves room that the oldest events have to leave; these come back in
    /// batches of their own, with no room to give back.
    pub(super) fn displace(&mut self, cost: Cost) -> Result<Vec<Batch>, Full> {
        let limit = self.options.bound.min(self.lease);
        if !self.aside.saturating_add(cost).fits(limit) {
            return Err(Full);
        }
        let mut displaced = Vec::new();
        loop {
            let used = self.used().saturating_add(cost);
            if used.fits(limit) {
                self.aside += cost;
                return Ok(displaced);
            }
            let mut oldest = self.batches.take_oldest(used.saturating_sub(limit));
            oldest
                .iter_mut()
                .for_each(|batch| batch.bill.cost = Cost::default());
            displaced.extend(oldest);
        }
    }

    #[inline]
    fn push(&mut self, arrival: &mut Arrival, todo: &mut Todo) {
        let change = self.batches.push(arrival);
        if change != Change::default() {
            todo.change = change;
            todo.wake |= self.wakes();
        }
    }

    /// Takes the events whose deadline has passed, in batches of their own.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Batch> {
        let expired = self.batches.take_expired(now);
        self.set_aside(&expired);
        expired
    }

    /// When the first of the events that wait expires, if not later.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.batches.first_deadline()
    }

    /// The number of the open batch, if it holds events.
    pub(super) fn open_number(&self) -> Option<u64> {
        self.batches.open_number()
    }

    /// Lets the open batch go once the worker is free; says whether to wake it.
    pub(super) fn press(&mut self, by: ClosedBy) -> bool {
        self.batches.press(by) && self.worker_idle
    }

    /// Closes the open batch at a flush: later events count to `tally`.
    pub(super) fn cut(&mut self, tally: Arc<Tally>) -> Todo {
        let by = match self.closed {
            true => ClosedBy::Close,
            false => ClosedBy::Flush,
        };
        let mut todo = Todo::default();
        todo.change.closed = self.batches.cut(tally, by);
        todo.wake = self.wakes();
        todo
    }

    /// Refuses what comes from now on, and those who wait.
    pub(super) fn close(&mut self) -> BTreeMap<u64, Waiter> {
        self.closed = true;
        std::mem::take(&mut self.waiters)
    }

    /// Holds back what waits, until it is resumed; says whether it did not yet.
    pub(super) fn halt(&mut self) -> bool {
        !std::mem::replace(&mut self.halted, true)
    }

    /// Ends a halt; says whether there was one.
    pub(super) fn resume(&mut self) -> bool {
        std::mem::take(&mut self.halted)
    }

    pub(super) fn is_halted(&self) -> bool {
        self.halted
    }

    /// Whether nothing will ever be due any more.
    pub(super) fn is_finished(&self) -> bool {
        self.closed && self.batches.is_empty()
    }

    fn is_due(&self) -> bool {
        !self.halted && self.batches.is_due(self.options.lingers)
    }

    fn wakes(&self) -> bool {
        self.worker_idle && self.is_due()
    }

    /// Whether the worker has something to do; if not, it is idle from now on.
    pub(super) fn worker_is_due(&mut self) -> bool {
        let due = self.is_due();
        self.worker_idle = !due;
        due
    }

    /// The batch that goes next, if one is due.
    pub(super) fn take(&mut self, todo: &mut Todo) -> Option<Batch> {
        if !self.is_due() {
            return None;
        }
        let (batch, closed) = self.batches.take()?;
        todo.change.closed = closed;
        self.aside += batch.bill.cost;
        self.under_way.extend(batch.opened_at);
        Some(batch)
    }

    /// Everything that was not taken.
    pub(super) fn take_all(&mut self) -> Vec<Batch> {
        let all = self.batches.take_all();
        self.set_aside(&all);
        all
    }

    /// Batches are being handed back; their room is theirs until then.
    fn set_aside(&mut self, batches: &[Batch]) {
        for batch in batches {
            self.aside += batch.bill.cost;
        }
    }

    /// A batch that was taken, and opened then, has its outcome.
    pub(super) fn landed(&mut self, opened_at: Instant) {
        if let Some(index) = self.under_way.iter().position(|at| *at == opened_at) {
            self.under_way.swap_remove(index);
        }
    }

    pub(super) fn holdings(&self) -> Holdings {
        let waits = self.batches.oldest();
        Holdings {
            used: self.used(),
            oldest: self.under_way.iter().copied().chain(waits).min(),
            waiting: self.waiters.len(),
            under_way: self.under_way.len(),
            is_halted: self.halted,
        }
    }

    /// Sets what the transport takes, from now on.
    pub(super) fn set_limits(&mut self, transport: BatchLimits) {
        self.batches.limits = self.options.batch_limits.min(transport);
        self.largest_event = self.options.largest_event(transport);
    }
}

#[cfg(test)]
mod tests;
