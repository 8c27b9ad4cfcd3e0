//! The queue of one partition: what is admitted, what waits, what goes next.
//!
//! Pure state behind one short lock per event: no async, and the clock is read
//! once per batch. Room is held from admission until the outcome. Events gather
//! in the open batch; when it is full it joins the ready ones. The worker takes a
//! ready batch, or the open one once it is due: the linger passed, or something
//! presses.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::cost::{Cost, EVENT_OVERHEAD};
use super::delivery::Delivery;
use super::metrics::ClosedBy;
use super::permit::Room;
use super::queued::{Arrival, Batch};
use super::report::Tally;
use super::snapshot::Holdings;
use super::total::TotalBudget;
use crate::batch::BatchLimits;
use crate::error::Error;
use crate::sync::lock;

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
    /// Set the partition's alarm: a deadline is earlier than those before.
    pub(super) alarm: bool,
    /// A batch was opened: the linger of this number begins.
    pub(super) opened: Option<u64>,
    /// A batch was closed: sticky events move on.
    pub(super) closed: bool,
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

pub(super) struct PartitionQueue {
    partition: u32,
    bound: Cost,
    batch_limits: BatchLimits,
    /// What closes a batch.
    limits: BatchLimits,
    /// What the transport takes at all, in encoded bytes.
    largest_event: usize,
    lingers: bool,
    /// What is admitted and has no outcome.
    used: Cost,
    /// The part of it that waits in `open` and `ready`.
    queued: Cost,
    lease: Cost,
    open: Batch,
    open_number: u64,
    /// The events of the batch before, a guess at the next one's.
    last_len: usize,
    ready: VecDeque<Batch>,
    /// When those were opened that were taken and have no outcome.
    under_way: Vec<Instant>,
    waiters: BTreeMap<u64, Waiter>,
    next_ticket: u64,
    waits_for_total: bool,
    /// Why the open batch goes as soon as the worker is free, if it does.
    pressed: Option<ClosedBy>,
    worker_idle: bool,
    /// No deadline is earlier; `None` if there is none.
    first_deadline: Option<Instant>,
    halted: bool,
    closed: bool,
    tally: Arc<Tally>,
}

impl PartitionQueue {
    pub(super) fn new(partition: u32, options: QueueOptions, tally: Arc<Tally>) -> Self {
        let QueueOptions {
            bound,
            batch_limits,
            lingers,
        } = options;
        Self {
            partition,
            bound,
            batch_limits,
            limits: batch_limits.min(BatchLimits::STANDARD),
            largest_event: BatchLimits::STANDARD.bytes,
            lingers,
            used: Cost::default(),
            queued: Cost::default(),
            lease: Cost::default(),
            open: Batch::new(Arc::clone(&tally)),
            open_number: 0,
            last_len: 0,
            ready: VecDeque::new(),
            under_way: Vec::new(),
            waiters: BTreeMap::new(),
            next_ticket: 0,
            waits_for_total: false,
            pressed: None,
            worker_idle: false,
            first_deadline: None,
            halted: false,
            closed: false,
            tally,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Refuses what could never be admitted or sent.
    pub(super) fn check(&self, encoded_size: usize) -> Result<(), Error> {
        if self.closed {
            return Err(Error::closed("producer"));
        }
        if encoded_size > self.largest_event {
            return Err(Error::too_large(encoded_size, self.largest_event));
        }
        if !Cost::of_event(encoded_size).fits(self.bound) {
            let limit = self.bound.bytes.saturating_sub(EVENT_OVERHEAD);
            return Err(Error::too_large(encoded_size, limit));
        }
        Ok(())
    }

    /// Takes room for someone new, who must not overtake those who wait.
    pub(super) fn admit_new(
        &mut self,
        cost: Cost,
        total: &Mutex<TotalBudget>,
        todo: &mut Todo,
    ) -> Result<(), Full> {
        if !self.waiters.is_empty() {
            todo.wake |= self.press(ClosedBy::Pressure);
            return Err(Full);
        }
        self.admit(cost, total, false, todo)
    }

    /// Takes room for someone new, or queues them; the ticket cancels the wait.
    pub(super) fn admit_or_wait(
        &mut self,
        waiter: Waiter,
        total: &Mutex<TotalBudget>,
        todo: &mut Todo,
    ) -> Result<Waiter, u64> {
        if self.waiters.is_empty() && self.admit(waiter.cost, total, true, todo).is_ok() {
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

    /// Takes room, from the lease where it suffices. Where there is none, the
    /// open batch is pressed: an idle link never waits beside a full buffer.
    fn admit(
        &mut self,
        cost: Cost,
        total: &Mutex<TotalBudget>,
        wait: bool,
        todo: &mut Todo,
    ) -> Result<(), Full> {
        let used = self.used.saturating_add(cost);
        if !used.fits(self.bound) {
            todo.wake |= self.press(ClosedBy::Pressure);
            return Err(Full);
        }
        if !used.fits(self.lease) {
            let mut total = lock(total);
            let Some(amount) = total.lend(self.partition, used.saturating_sub(self.lease)) else {
                if wait && !self.waits_for_total {
                    self.waits_for_total = true;
                    total.wait(self.partition);
                }
                drop(total);
                todo.pressure = Pressure::All;
                todo.wake |= self.press(ClosedBy::Pressure);
                return Err(Full);
            };
            self.lease += amount;
            if total.is_low() {
                todo.pressure = todo.pressure.max(Pressure::Oldest);
            }
        }
        self.used = used;
        Ok(())
    }

    /// Admits those who wait, in turn, as far as there is room.
    pub(super) fn serve(&mut self, total: &Mutex<TotalBudget>, todo: &mut Todo) -> Vec<Waiter> {
        self.waits_for_total = false;
        let mut served = Vec::new();
        while let Some(first) = self.waiters.first_entry() {
            let cost = first.get().cost;
            if self.admit(cost, total, true, todo).is_err() {
                break;
            }
            served.extend(self.waiters.pop_first().map(|(_, waiter)| waiter));
        }
        served
    }

    /// Gives room back, and what the lease holds beyond need.
    pub(super) fn release(&mut self, cost: Cost, total: &Mutex<TotalBudget>) {
        self.used -= cost;
        let mut total = lock(total);
        let slack = self.lease - self.used;
        // An idle partition would keep its slack for ever.
        let surplus = match self.used.is_zero() {
            true => slack,
            false => total.surplus(slack),
        };
        self.lease -= surplus;
        total.give_back(self.partition, surplus);
    }

    /// Takes room from the oldest events that wait, which come back in batches of
    /// their own, with no room to give back.
    pub(super) fn displace(&mut self, cost: Cost) -> Result<Vec<Batch>, Full> {
        let limit = self.bound.min(self.lease);
        let taken = self.used - self.queued;
        if !taken.saturating_add(cost).fits(limit) {
            return Err(Full);
        }
        let mut displaced = Vec::new();
        loop {
            let used = self.used.saturating_add(cost);
            if used.fits(limit) {
                self.used = used;
                return Ok(displaced);
            }
            let excess = used.saturating_sub(limit);
            for mut batch in self.split_oldest(excess) {
                let cost = std::mem::take(&mut batch.bill.cost);
                self.used -= cost;
                self.queued -= cost;
                displaced.push(batch);
            }
        }
    }

    /// Splits off the oldest events, as many as make up `cost`, of the batch that
    /// goes next. A batch that is left empty comes along.
    fn split_oldest(&mut self, cost: Cost) -> Vec<Batch> {
        let Some(first) = self.ready.front_mut() else {
            let oldest = self.open.split_oldest(cost);
            oldest.bill.tally.begin(oldest.events.len());
            return [Some(oldest), self.take_emptied_open()]
                .into_iter()
                .flatten()
                .collect();
        };
        let oldest = first.split_oldest(cost);
        oldest.bill.tally.begin(0);
        let is_emptied = first.events.is_empty();
        let emptied = is_emptied.then(|| self.ready.pop_front()).flatten();
        [Some(oldest), emptied].into_iter().flatten().collect()
    }

    /// Takes the events whose deadline has passed, in batches of their own.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Batch> {
        let mut expired = Vec::new();
        for mut batch in std::mem::take(&mut self.ready) {
            if let Some(part) = batch.split_expired(now) {
                part.bill.tally.begin(0);
                expired.push(part);
            }
            match batch.events.is_empty() {
                true => expired.push(batch),
                false => self.ready.push_back(batch),
            }
        }
        if let Some(part) = self.open.split_expired(now) {
            part.bill.tally.begin(part.events.len());
            expired.push(part);
            expired.extend(self.take_emptied_open());
        }
        for batch in &expired {
            self.queued -= batch.bill.cost;
        }
        let deadlines = self.ready.iter().chain([&self.open]);
        self.first_deadline = deadlines.filter_map(Batch::first_deadline).min();
        expired
    }

    /// The open batch if events were split off and none are left: its bill is due.
    fn take_emptied_open(&mut self) -> Option<Batch> {
        if !self.open.events.is_empty() {
            return None;
        }
        self.pressed = None;
        let emptied = std::mem::replace(&mut self.open, Batch::new(Arc::clone(&self.tally)));
        emptied.bill.tally.begin(0);
        Some(emptied)
    }

    /// When the first of the events that wait expires, if not later.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.first_deadline
    }

    /// Adds an event that has room to the open batch, closes that if it is full,
    /// and says whether the worker is due.
    #[inline]
    pub(super) fn push(&mut self, arrival: Arrival, todo: &mut Todo) -> Option<Delivery> {
        let full_with_it = self.open.encoded_size + arrival.size > self.limits.bytes;
        if full_with_it && !self.open.events.is_empty() {
            self.close_open(ClosedBy::Full, todo);
        }
        if self.open.events.is_empty() {
            self.open_number += 1;
            self.open.events.reserve(self.last_len);
            self.open.opened_at = Some(Instant::now());
            todo.opened = Some(self.open_number);
        }
        if let Some(deadline) = arrival.deadline
            && self.first_deadline.is_none_or(|first| deadline < first)
        {
            self.first_deadline = Some(deadline);
            todo.alarm = true;
        }
        self.queued += arrival.cost();
        let delivery = self.open.push(arrival);
        let full = self.open.events.len() >= self.limits.events
            || self.open.encoded_size >= self.limits.bytes;
        if full {
            self.close_open(ClosedBy::Full, todo);
        }
        todo.wake |= self.is_due() && self.worker_idle;
        delivery
    }

    fn close_open(&mut self, by: ClosedBy, todo: &mut Todo) {
        todo.closed = true;
        let next = Batch::new(Arc::clone(&self.tally));
        let mut batch = std::mem::replace(&mut self.open, next);
        batch.closed_by = Some(by);
        self.last_len = batch.events.len();
        batch.bill.tally.begin(batch.events.len());
        self.ready.push_back(batch);
        self.pressed = None;
    }

    /// The number of the open batch, if it holds events.
    pub(super) fn open_number(&self) -> Option<u64> {
        (!self.open.events.is_empty()).then_some(self.open_number)
    }

    /// Lets the open batch go once the worker is free; says whether to wake it.
    pub(super) fn press(&mut self, by: ClosedBy) -> bool {
        if self.open.events.is_empty() {
            return false;
        }
        self.pressed.get_or_insert(by);
        self.worker_idle
    }

    /// Closes the open batch at a flush: later events count to `tally`.
    pub(super) fn cut(&mut self, tally: Arc<Tally>) -> Todo {
        let mut todo = Todo::default();
        self.tally = tally;
        if self.open.events.is_empty() {
            self.open.bill.tally = Arc::clone(&self.tally);
        } else {
            let by = match self.closed {
                true => ClosedBy::Close,
                false => ClosedBy::Flush,
            };
            self.close_open(by, &mut todo);
        }
        todo.wake = self.is_due() && self.worker_idle;
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
        self.closed && self.ready.is_empty() && self.open.events.is_empty()
    }

    fn is_due(&self) -> bool {
        let open_is_due = !self.open.events.is_empty() && (self.pressed.is_some() || !self.lingers);
        !self.halted && (!self.ready.is_empty() || open_is_due)
    }

    /// Whether the worker has something to do; if not, it is idle from now on.
    pub(super) fn worker_is_due(&mut self) -> bool {
        let due = self.is_due();
        self.worker_idle = !due;
        due
    }

    /// The batch that goes next, if one is due, and the limits it goes by.
    pub(super) fn take(&mut self, todo: &mut Todo) -> Option<Batch> {
        if !self.is_due() {
            return None;
        }
        if self.ready.is_empty() {
            self.close_open(self.pressed.unwrap_or(ClosedBy::Linger), todo);
        }
        let batch = self.ready.pop_front()?;
        self.queued -= batch.bill.cost;
        self.under_way.extend(batch.opened_at);
        Some(batch)
    }

    /// Everything that was not taken.
    pub(super) fn take_all(&mut self) -> Vec<Batch> {
        if !self.open.events.is_empty() {
            self.close_open(ClosedBy::Close, &mut Todo::default());
        }
        self.queued = Cost::default();
        self.ready.drain(..).collect()
    }

    /// A batch that was taken, and opened then, has its outcome.
    pub(super) fn landed(&mut self, opened_at: Instant) {
        if let Some(index) = self.under_way.iter().position(|at| *at == opened_at) {
            self.under_way.swap_remove(index);
        }
    }

    pub(super) fn holdings(&self) -> Holdings {
        let waits = self.ready.front().unwrap_or(&self.open).opened_at;
        Holdings {
            used: self.used,
            oldest: self.under_way.iter().copied().chain(waits).min(),
            waiting: self.waiters.len(),
            under_way: self.under_way.len(),
            is_halted: self.halted,
        }
    }

    /// Sets what the transport takes, from now on.
    pub(super) fn set_limits(&mut self, transport: BatchLimits) {
        self.limits = self.batch_limits.min(transport);
        self.largest_event = transport.bytes;
    }
}
