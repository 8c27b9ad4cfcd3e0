//! The buffer: every partition's queue, the total bound, and who waits.
//!
//! What the handles, the workers and the timer share. Locks are taken in the
//! order *waiters for any partition*, *queue*, *total*, and nothing of the
//! user's runs under them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::cost::Cost;
use super::delivery::{Delivery, Undelivered, UndeliveredReason};
use super::departures::Departures;
use super::journey::Outcome;
use super::linger::{OpenBatches, Opened};
use super::options::BufferedProducerOptions;
use super::permit::Room;
use super::queue::{Batch, PartitionQueue, Pressure, Todo, Waiter};
use super::report::{CloseReport, Ledger, Tally};
use super::total::TotalBudget;
use super::wait::AnyWaiters;
use crate::batch::BatchLimits;
use crate::error::{Error, SendError};
use crate::event::EventData;
use crate::partition::Target;
use crate::producer::ThrottleGate;
use crate::sync::lock;

pub(super) struct Partition {
    pub(super) queue: Mutex<PartitionQueue>,
    pub(super) wake: Notify,
}

pub(super) struct Buffer {
    partitions: Box<[Partition]>,
    total: Mutex<TotalBudget>,
    pub(super) any: AnyWaiters,
    open_batches: OpenBatches,
    lingers: bool,
    batch_limits: BatchLimits,
    /// The partition that takes events without a target, until its batch closes.
    sticky: AtomicU32,
    pub(super) departures: Departures,
    ledger: Mutex<Ledger>,
    account: Mutex<Account>,
    has_failure: AtomicBool,
}

/// What became of the events, since the producer was opened.
#[derive(Default)]
struct Account {
    report: CloseReport,
    closing: bool,
    first_failure: Option<Error>,
}

/// Why an event was not accepted now.
pub(super) enum Refusal {
    /// There is no room now.
    Full(EventData),
    /// It will never be accepted.
    Final(SendError),
}

impl Buffer {
    pub(super) fn new(
        partitions: u32,
        options: &BufferedProducerOptions,
        gate: ThrottleGate,
    ) -> Self {
        let tally = Arc::new(Tally::default());
        let lingers = options.linger().is_none_or(|linger| !linger.is_zero());
        let queue = |partition| {
            let tally = Arc::clone(&tally);
            PartitionQueue::new(partition, options.partition_bound(), lingers, tally)
        };
        let partition = |partition| Partition {
            queue: Mutex::new(queue(partition)),
            wake: Notify::new(),
        };
        Self {
            partitions: (0..partitions).map(partition).collect(),
            total: Mutex::new(TotalBudget::new(options.total_bound(), partitions as usize)),
            any: AnyWaiters::default(),
            open_batches: OpenBatches::default(),
            lingers,
            batch_limits: options.batch_limits(),
            sticky: AtomicU32::new(0),
            departures: Departures::new(options.max_in_flight(), gate),
            ledger: Mutex::new(Ledger::new(tally)),
            account: Mutex::default(),
            has_failure: AtomicBool::new(false),
        }
    }

    pub(super) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    pub(super) fn partition(&self, number: u32) -> &Partition {
        &self.partitions[number as usize]
    }

    pub(super) fn open_batches(&self) -> &OpenBatches {
        &self.open_batches
    }

    pub(super) fn total(&self) -> &Mutex<TotalBudget> {
        &self.total
    }

    /// The one partition that a target stands for, `None` for any.
    pub(super) fn route(&self, target: &Target) -> Result<Option<u32>, Error> {
        let count = self.count();
        match target {
            Target::Any => Ok(None),
            Target::Key(key) => Ok(Some(key.partition(count).number())),
            Target::Partition(id) if id.number() < count => Ok(Some(id.number())),
            Target::Partition(id) => Err(Error::invalid_partition(*id, count)),
        }
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.partitions.len()).expect("made from a u32")
    }

    /// Accepts an event if there is room now.
    pub(super) fn try_accept(
        &self,
        event: EventData,
        track: bool,
    ) -> Result<Option<Delivery>, Refusal> {
        let size = event.encoded_size();
        match self.route(event.target()) {
            Err(error) => Err(Refusal::Final(SendError::new(event, error))),
            Ok(Some(partition)) => self.try_push(partition, event, size, track),
            Ok(None) => self.try_push_sticky(event, size, track),
        }
    }

    /// Tries the sticky partition first and skips those without room.
    fn try_push_sticky(
        &self,
        mut event: EventData,
        size: usize,
        track: bool,
    ) -> Result<Option<Delivery>, Refusal> {
        if self.any.is_waiting() {
            return Err(Refusal::Full(event));
        }
        let count = self.count();
        let first = self.sticky.load(Ordering::Relaxed);
        for step in 0..count {
            let partition = (first + step) % count;
            match self.try_push(partition, event, size, track) {
                Err(Refusal::Full(refused)) => event = refused,
                result => {
                    if step > 0 {
                        self.move_sticky(first, partition);
                    }
                    return result;
                }
            }
        }
        Err(Refusal::Full(event))
    }

    fn try_push(
        &self,
        partition: u32,
        event: EventData,
        size: usize,
        track: bool,
    ) -> Result<Option<Delivery>, Refusal> {
        let mut todo = Todo::default();
        let result = {
            let mut queue = lock(&self.partition(partition).queue);
            if let Err(error) = queue.check(size) {
                return Err(Refusal::Final(SendError::new(event, error)));
            }
            match queue.admit_new(Cost::of_event(size), &self.total, &mut todo) {
                Err(_) => Err(Refusal::Full(event)),
                Ok(()) => Ok(push(&mut queue, event, size, track, &mut todo)),
            }
        };
        self.finish(partition, todo);
        result
    }

    /// Accepts an event whose room was taken before.
    #[allow(clippy::result_large_err)]
    pub(super) fn push_admitted(
        &self,
        partition: u32,
        event: EventData,
        size: usize,
        track: bool,
    ) -> Result<Option<Delivery>, SendError> {
        let mut todo = Todo::default();
        let delivery = {
            let mut queue = lock(&self.partition(partition).queue);
            if let Err(error) = queue.check(size) {
                return Err(SendError::new(event, error));
            }
            push(&mut queue, event, size, track, &mut todo)
        };
        self.finish(partition, todo);
        Ok(delivery)
    }

    /// Does what an admission asked for, with no lock held.
    pub(super) fn finish(&self, partition: u32, todo: Todo) {
        if todo.wake {
            self.partition(partition).wake.notify_one();
        }
        if let Some(number) = todo.opened.filter(|_| self.lingers) {
            self.open_batches.push(partition, number, self);
        }
        if todo.closed {
            self.move_sticky(partition, (partition + 1) % self.count());
        }
        match todo.pressure {
            Pressure::None => {}
            Pressure::Oldest => {
                while let Some(opened) = self.open_batches.pop() {
                    if self.press(&opened) {
                        break;
                    }
                }
            }
            Pressure::All => {
                for opened in self.open_batches.pop_all() {
                    self.press(&opened);
                }
            }
        }
    }

    fn move_sticky(&self, from: u32, to: u32) {
        let relaxed = Ordering::Relaxed;
        // Whoever moved it first has moved it.
        let _ = self.sticky.compare_exchange(from, to, relaxed, relaxed);
    }

    /// Lets a batch go, if it is still the open one; says whether it was.
    pub(super) fn press(&self, opened: &Opened) -> bool {
        let partition = self.partition(opened.partition);
        let (is_open, wake) = {
            let mut queue = lock(&partition.queue);
            let is_open = queue.open_number() == Some(opened.number);
            (is_open, is_open && queue.press())
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
        let room = Room::new(Arc::clone(self), partition, waiter.cost);
        drop(waiter.grant.send(room));
    }

    /// Takes the batch of a partition that goes next, if one is due.
    pub(super) fn take(&self, partition: u32) -> Option<Batch> {
        let mut todo = Todo::default();
        let batch = lock(&self.partition(partition).queue).take(&mut todo);
        self.finish(partition, todo);
        batch
    }

    /// Sets what the transport takes in a partition, from now on.
    pub(super) fn set_limits(&self, partition: u32, transport: BatchLimits) {
        lock(&self.partition(partition).queue).set_limits(self.batch_limits, transport);
    }

    /// Ends what was accepted so far: closes the open batches and returns the
    /// tallies that a flush has to wait for.
    pub(super) fn cut(&self) -> Vec<Arc<Tally>> {
        let mut ledger = lock(&self.ledger);
        let tally = Arc::new(Tally::default());
        let earlier = ledger.turn(Arc::clone(&tally));
        for (number, partition) in (0..).zip(&self.partitions) {
            let todo = lock(&partition.queue).cut(Arc::clone(&tally));
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
        lock(&self.account).closing = true;
        for partition in &self.partitions {
            let refused = lock(&partition.queue).close();
            drop(refused);
            partition.wake.notify_one();
        }
        self.any.close();
    }

    /// Hands back everything that no worker has taken.
    pub(super) fn return_buffered(self: &Arc<Self>) {
        let error = Error::closed("producer");
        for (number, partition) in (0..).zip(&self.partitions) {
            let batches = lock(&partition.queue).take_all();
            for mut batch in batches {
                let events = std::mem::take(&mut batch.events);
                let mut outcome = Outcome::default();
                outcome.give_back(0, events, UndeliveredReason::Returned, &error);
                self.settle(number, &batch, outcome);
            }
        }
    }

    /// Records the outcome of a batch, then gives its room back.
    pub(super) fn settle(self: &Arc<Self>, partition: u32, batch: &Batch, outcome: Outcome) {
        let Outcome {
            delivered,
            undelivered,
        } = outcome;
        let failed = undelivered.len();
        let error = undelivered.first().map(|(_, first)| first.error.clone());
        if let Some(error) = &error {
            tracing::warn!(partition, events = failed, %error, "events not delivered");
        }
        let reasons: Vec<_> = undelivered.iter().map(|(_, event)| event.reason).collect();
        // Resolved before it is counted: a report that covers an event finds it told.
        let rest = match &batch.outcome {
            Some(outcome) => outcome.resolve(undelivered, &batch.tracked),
            None => undelivered.into_iter().map(|(_, event)| event).collect(),
        };
        self.record(delivered, &reasons, rest, error.as_ref());
        self.release(partition, batch.cost);
        batch.tally.end(delivered, failed, error.as_ref());
    }

    fn record(
        &self,
        delivered: usize,
        reasons: &[UndeliveredReason],
        mut rest: Vec<Undelivered>,
        error: Option<&Error>,
    ) {
        let mut account = lock(&self.account);
        account.report.count(delivered as u64, None);
        for reason in reasons {
            account.report.count(1, Some(*reason));
        }
        if let Some(error) = error {
            account.first_failure.get_or_insert_with(|| error.clone());
            self.has_failure.store(true, Ordering::Release);
        }
        if account.closing {
            account.report.undelivered.append(&mut rest);
        }
    }

    /// The first failure since the last call.
    pub(super) fn take_failure(&self) -> Option<Error> {
        if !self.has_failure.load(Ordering::Acquire) {
            return None;
        }
        let mut account = lock(&self.account);
        self.has_failure.store(false, Ordering::Release);
        account.first_failure.take()
    }

    /// What became of all events; those handed back are in it once.
    pub(super) fn close_report(&self) -> CloseReport {
        let report = &mut lock(&self.account).report;
        let undelivered = std::mem::take(&mut report.undelivered);
        CloseReport {
            undelivered,
            ..report.clone()
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.account).closing
    }
}

fn push(
    queue: &mut PartitionQueue,
    event: EventData,
    size: usize,
    track: bool,
    todo: &mut Todo,
) -> Option<Delivery> {
    queue.push(event, size, todo);
    let delivery = track.then(|| queue.track_last());
    queue.pushed(todo);
    delivery
}
