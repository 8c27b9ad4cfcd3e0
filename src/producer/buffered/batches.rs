//! What waits in one partition: the open batch, and those that are closed.
//!
//! Events gather in the open batch; when it is full it joins the ready ones,
//! behind them.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use super::cost::Cost;
use super::fast_path::Allowance;
use super::metrics::ClosedBy;
use super::queued::{Arrival, Batch};
use super::report::Tally;
use super::spares::Spares;
use super::tags::Tags;
use crate::batch::BatchLimits;

// Begins with what changes with each event, see `Partition`.
#[repr(C)]
pub(super) struct Batches {
    open: Batch,
    open_number: u64,
    /// What closes a batch.
    pub(super) limits: BatchLimits,
    ready: VecDeque<Batch>,
    ready_cost: Cost,
    /// The events of the batch before, a guess at the next one's.
    last_len: usize,
    /// Why the open batch goes as soon as the worker is free, if it does.
    pressed: Option<ClosedBy>,
    /// No deadline is earlier; `None` if there is none.
    first_deadline: Option<Instant>,
    tally: Arc<Tally>,
    spares: Arc<Spares>,
}

/// What an event changed beside joining the open batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Change {
    /// It opened the batch of this number.
    pub(super) opened: Option<u64>,
    /// It closed a batch with so many events, or none.
    pub(super) closed: usize,
    /// Its deadline is earlier than those before.
    pub(super) deadline: bool,
}

impl Batches {
    pub(super) fn new(limits: BatchLimits, tally: Arc<Tally>, spares: Arc<Spares>) -> Self {
        Self {
            open: Batch::new(Arc::clone(&tally)),
            open_number: 0,
            limits,
            ready: VecDeque::new(),
            ready_cost: Cost::default(),
            last_len: 0,
            pressed: None,
            first_deadline: None,
            tally,
            spares,
        }
    }

    /// What they hold together.
    #[inline]
    pub(super) fn cost(&self) -> Cost {
        self.ready_cost + self.open.cost()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.open.events.is_empty()
    }

    /// Whether one of them goes without waiting for company; an open one goes at
    /// once where it does not linger.
    pub(super) fn is_due(&self, lingers: bool) -> bool {
        let open_is_due = !self.open.events.is_empty() && (self.pressed.is_some() || !lingers);
        !self.ready.is_empty() || open_is_due
    }

    /// When the oldest one was opened.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.ready.front().unwrap_or(&self.open).opened_at
    }

    /// The number of the open batch, if it holds events.
    pub(super) fn open_number(&self) -> Option<u64> {
        (!self.open.events.is_empty()).then_some(self.open_number)
    }

    /// When the first of the events expires, if not later.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.first_deadline
    }

    /// Adds an event to the open batch, and closes that if it is full.
    #[inline]
    pub(super) fn push(&mut self, arrival: &mut Arrival) -> Change {
        let mut change = Change {
            closed: self.make_way(arrival.size),
            ..Change::default()
        };
        if self.open.events.is_empty() {
            change.opened = Some(self.begin());
        }
        change.deadline = arrival.deadline.is_some_and(|at| self.expires(at));
        self.open.push(arrival);
        if self.open.events.len() >= self.limits.events
            || self.open.encoded_size >= self.limits.bytes
        {
            self.close_open(ClosedBy::Full);
            change.closed += self.last_len;
        }
        change
    }

    /// Adds an event that the [allowance](Self::allowance) covers.
    #[inline]
    pub(super) fn join(&mut self, arrival: &mut Arrival) {
        self.open.join(arrival);
    }

    /// What the open batch takes within `room` without being opened or closed by it.
    #[inline]
    pub(super) fn allowance(&self, room: Cost) -> Allowance {
        let Batch {
            events,
            encoded_size,
            tags,
            ..
        } = &self.open;
        let tracked = match tags {
            _ if events.is_empty() => return Allowance::default(),
            Tags::Empty => false,
            Tags::Numbered(_) => true,
            Tags::Each(_) => return Allowance::default(),
        };
        // The last one, and what makes it full, closes it.
        let left = |limit: usize, used| limit.saturating_sub(used).saturating_sub(1);
        let bytes = left(self.limits.bytes, *encoded_size);
        let events = left(self.limits.events, events.len());
        Allowance::new(tracked, bytes, events, room)
    }

    /// Closes the open batch if an event of this size does not fit in beside others;
    /// returns how many there are.
    #[inline]
    pub(super) fn make_way(&mut self, size: usize) -> usize {
        let is_full = self.open.encoded_size + size > self.limits.bytes;
        if !is_full || self.open.events.is_empty() {
            return 0;
        }
        self.close_open(ClosedBy::Full);
        self.last_len
    }

    /// Begins a batch, and returns its number.
    fn begin(&mut self) -> u64 {
        self.open_number += 1;
        self.open.furnish(self.spares.take(), self.last_len);
        self.open.opened_at = Some(Instant::now());
        self.open_number
    }

    /// Notes a deadline; says whether it is the first one.
    fn expires(&mut self, at: Instant) -> bool {
        let is_first = self.first_deadline.is_none_or(|first| at < first);
        if is_first {
            self.first_deadline = Some(at);
        }
        is_first
    }

    #[cold]
    fn close_open(&mut self, by: ClosedBy) {
        let next = Batch::new(Arc::clone(&self.tally));
        let mut batch = std::mem::replace(&mut self.open, next);
        batch.closed_by = Some(by);
        batch.bill.cost = batch.cost();
        self.last_len = batch.events.len();
        batch.bill.tally.begin(batch.events.len());
        self.ready_cost += batch.bill.cost;
        self.ready.push_back(batch);
        self.pressed = None;
    }

    /// Lets the open batch go as soon as it can; says whether there is one.
    pub(super) fn press(&mut self, by: ClosedBy) -> bool {
        if self.open.events.is_empty() {
            return false;
        }
        self.pressed.get_or_insert(by);
        true
    }

    /// Closes the open batch, returns how many events it has, and counts later ones
    /// to `tally`.
    pub(super) fn cut(&mut self, tally: Arc<Tally>, by: ClosedBy) -> usize {
        self.tally = tally;
        if self.open.events.is_empty() {
            self.open.bill.tally = Arc::clone(&self.tally);
            return 0;
        }
        self.close_open(by);
        self.last_len
    }

    /// The batch that goes next, and how many events it has if it was still open.
    pub(super) fn take(&mut self) -> Option<(Batch, usize)> {
        let mut closed = 0;
        if self.ready.is_empty() && !self.open.events.is_empty() {
            self.close_open(self.pressed.unwrap_or(ClosedBy::Linger));
            closed = self.last_len;
        }
        let batch = self.ready.pop_front()?;
        self.ready_cost -= batch.bill.cost;
        Some((batch, closed))
    }

    /// All of them.
    pub(super) fn take_all(&mut self) -> Vec<Batch> {
        if !self.open.events.is_empty() {
            self.close_open(ClosedBy::Close);
        }
        self.ready_cost = Cost::default();
        self.ready.drain(..).collect()
    }

    /// Takes the oldest events, as many as make up `cost`, of the batch that goes
    /// next. A batch that is left empty comes along.
    pub(super) fn take_oldest(&mut self, cost: Cost) -> Vec<Batch> {
        let Some(first) = self.ready.front_mut() else {
            let oldest = self.open.split_oldest(cost);
            oldest.bill.tally.begin(oldest.events.len());
            self.forget_press();
            return vec![oldest];
        };
        let oldest = first.split_oldest(cost);
        oldest.bill.tally.begin(0);
        self.ready_cost -= oldest.bill.cost;
        let is_emptied = first.events.is_empty();
        let emptied = is_emptied.then(|| self.ready.pop_front()).flatten();
        [Some(oldest), emptied].into_iter().flatten().collect()
    }

    /// Takes the events whose deadline has passed, in batches of their own.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<Batch> {
        let mut expired = Vec::new();
        for mut batch in std::mem::take(&mut self.ready) {
            if let Some(part) = batch.split_expired(now) {
                part.bill.tally.begin(0);
                self.ready_cost -= part.bill.cost;
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
            self.forget_press();
        }
        let deadlines = self.ready.iter().chain([&self.open]);
        self.first_deadline = deadlines.filter_map(Batch::first_deadline).min();
        expired
    }

    /// An open batch that was emptied begins anew.
    fn forget_press(&mut self) {
        if self.open.events.is_empty() {
            self.pressed = None;
        }
    }
}
