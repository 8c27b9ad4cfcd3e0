//! The queue of one partition: what is admitted, what waits, what goes next.
//!
//! Pure state behind one short lock per event: no async, no clock. Room is held
//! from admission until the outcome. Events gather in the open batch; when it is
//! full it joins the ready ones. The worker takes a ready batch, or the open one
//! once it is due: the linger passed, or something presses.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::cost::{Cost, EVENT_OVERHEAD};
use super::delivery::{BatchOutcome, Delivery};
use super::permit::Room;
use super::report::Tally;
use super::total::TotalBudget;
use crate::batch::BatchLimits;
use crate::error::Error;
use crate::event::EventData;
use crate::sync::lock;

/// Someone who waits for room.
pub(super) struct Waiter {
    pub(super) cost: Cost,
    pub(super) grant: oneshot::Sender<Room>,
}

/// Events that travel together.
pub(super) struct Batch {
    pub(super) events: Vec<EventData>,
    pub(super) encoded_size: usize,
    pub(super) cost: Cost,
    /// The outcomes that are awaited, and the places of their events by number.
    pub(super) outcome: Option<Arc<BatchOutcome>>,
    pub(super) tracked: Vec<usize>,
    pub(super) tally: Arc<Tally>,
}

impl Batch {
    fn new(tally: Arc<Tally>) -> Self {
        Self {
            events: Vec::new(),
            encoded_size: 0,
            cost: Cost::default(),
            outcome: None,
            tracked: Vec::new(),
            tally,
        }
    }
}

/// There is no room now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// What an admission asks the caller to do after the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Todo {
    /// Wake the partition's worker.
    pub(super) wake: bool,
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

pub(super) struct PartitionQueue {
    partition: u32,
    bound: Cost,
    /// What closes a batch.
    limits: BatchLimits,
    /// What the transport takes at all, in encoded bytes.
    largest_event: usize,
    lingers: bool,
    used: Cost,
    lease: Cost,
    open: Batch,
    open_number: u64,
    /// The events of the batch before, a guess at the next one's.
    last_len: usize,
    ready: VecDeque<Batch>,
    waiters: BTreeMap<u64, Waiter>,
    next_ticket: u64,
    waits_for_total: bool,
    /// The open batch goes as soon as the worker is free.
    pressed: bool,
    worker_idle: bool,
    closed: bool,
    tally: Arc<Tally>,
}

impl PartitionQueue {
    pub(super) fn new(partition: u32, bound: Cost, lingers: bool, tally: Arc<Tally>) -> Self {
        Self {
            partition,
            bound,
            limits: BatchLimits::STANDARD,
            largest_event: BatchLimits::STANDARD.bytes,
            lingers,
            used: Cost::default(),
            lease: Cost::default(),
            open: Batch::new(Arc::clone(&tally)),
            open_number: 0,
            last_len: 0,
            ready: VecDeque::new(),
            waiters: BTreeMap::new(),
            next_ticket: 0,
            waits_for_total: false,
            pressed: false,
            worker_idle: false,
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
            todo.wake |= self.press();
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

    pub(super) fn cancel(&mut self, ticket: u64) {
        self.waiters.remove(&ticket);
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
            todo.wake |= self.press();
            return Err(Full);
        }
        if !used.fits(self.lease) {
            let mut total = lock(total);
            let Some(amount) = total.lend(self.lease, used.saturating_sub(self.lease)) else {
                if wait && !self.waits_for_total {
                    self.waits_for_total = true;
                    total.wait(self.partition);
                }
                drop(total);
                todo.pressure = Pressure::All;
                todo.wake |= self.press();
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
        let surplus = total.surplus(self.lease - self.used);
        self.lease -= surplus;
        total.give_back(surplus);
    }

    /// Adds an event that has room to the open batch.
    pub(super) fn push(&mut self, event: EventData, encoded_size: usize, todo: &mut Todo) {
        let full_with_it = self.open.encoded_size + encoded_size > self.limits.bytes;
        if full_with_it && !self.open.events.is_empty() {
            self.close_open(todo);
        }
        if self.open.events.is_empty() {
            self.open_number += 1;
            self.open.events.reserve(self.last_len);
            todo.opened = Some(self.open_number);
        }
        self.open.events.push(event);
        self.open.encoded_size += encoded_size;
        self.open.cost += Cost::of_event(encoded_size);
    }

    /// The delivery of the event that was pushed last.
    pub(super) fn track_last(&mut self) -> Delivery {
        let place = self.open.events.len() - 1;
        self.open.tracked.push(place);
        let number = self.open.tracked.len() - 1;
        self.open.outcome.get_or_insert_default().delivery(number)
    }

    /// Closes the open batch if it is full, and says whether the worker is due.
    pub(super) fn pushed(&mut self, todo: &mut Todo) {
        let full = self.open.events.len() >= self.limits.events
            || self.open.encoded_size >= self.limits.bytes;
        if full {
            self.close_open(todo);
        }
        todo.wake |= self.is_due() && self.worker_idle;
    }

    fn close_open(&mut self, todo: &mut Todo) {
        todo.closed = true;
        let next = Batch::new(Arc::clone(&self.tally));
        let batch = std::mem::replace(&mut self.open, next);
        self.last_len = batch.events.len();
        batch.tally.begin(batch.events.len());
        self.ready.push_back(batch);
        self.pressed = false;
    }

    /// The number of the open batch, if it holds events.
    pub(super) fn open_number(&self) -> Option<u64> {
        (!self.open.events.is_empty()).then_some(self.open_number)
    }

    /// Lets the open batch go as soon as the worker is free; says whether to
    /// wake it.
    pub(super) fn press(&mut self) -> bool {
        if self.open.events.is_empty() {
            return false;
        }
        self.pressed = true;
        self.worker_idle
    }

    /// Closes the open batch at a flush: later events count to `tally`.
    pub(super) fn cut(&mut self, tally: Arc<Tally>) -> Todo {
        let mut todo = Todo::default();
        self.tally = tally;
        if self.open.events.is_empty() {
            self.open.tally = Arc::clone(&self.tally);
        } else {
            self.close_open(&mut todo);
        }
        todo.wake = self.is_due() && self.worker_idle;
        todo
    }

    /// Refuses what comes from now on, and those who wait.
    pub(super) fn close(&mut self) -> BTreeMap<u64, Waiter> {
        self.closed = true;
        std::mem::take(&mut self.waiters)
    }

    fn is_due(&self) -> bool {
        !self.ready.is_empty() || (!self.open.events.is_empty() && (self.pressed || !self.lingers))
    }

    /// Whether the worker has something to do; if not, it is idle from now on.
    pub(super) fn worker_is_due(&mut self) -> bool {
        let due = self.is_due();
        self.worker_idle = !due;
        due
    }

    /// The batch that goes next, if one is due, and the limits it goes by.
    pub(super) fn take(&mut self, todo: &mut Todo) -> Option<Batch> {
        if self.ready.is_empty() && self.is_due() {
            self.close_open(todo);
        }
        self.ready.pop_front()
    }

    /// Everything that was not taken.
    pub(super) fn take_all(&mut self) -> Vec<Batch> {
        if !self.open.events.is_empty() {
            self.close_open(&mut Todo::default());
        }
        self.ready.drain(..).collect()
    }

    /// Sets what closes a batch and what the transport takes, from now on.
    pub(super) fn set_limits(&mut self, batch: BatchLimits, transport: BatchLimits) {
        self.limits = batch.min(transport);
        self.largest_event = transport.bytes;
    }
}
