//! What is held: events that wait, handlers that run, outcomes that nobody took.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

use super::error::ProcessError;
use super::handling::{Ended, Ending, Handler, handle};
use super::lanes::{Lanes, Ticket};
use super::metrics::ProcessMetrics;
use super::partition::Partition;
use super::report::ProcessSnapshot;
use crate::error::{Error, ErrorKind};
use crate::event::ReceivedEvent;
use crate::partition::{PartitionId, PartitionKey};
use crate::telemetry;

pub(super) type Outcome = Result<Arc<ReceivedEvent>, ProcessError>;

pub(super) struct Work {
    bound: usize,
    handler: Handler,
    pub(super) slow_after: Duration,
    lanes: Lanes<(PartitionId, PartitionKey), Arc<ReceivedEvent>>,
    tasks: JoinSet<Ended>,
    tickets: HashMap<Id, Ticket>,
    outcomes: VecDeque<Outcome>,
    partitions: HashMap<PartitionId, Arc<Partition>>,
    metrics: ProcessMetrics,
    lost: u64,
}

impl Work {
    pub(super) fn new(limit: NonZeroUsize, handler: Handler) -> Self {
        Self {
            bound: limit.get().saturating_mul(2),
            handler,
            slow_after: Duration::from_secs(60),
            lanes: Lanes::new(limit.get()),
            tasks: JoinSet::new(),
            tickets: HashMap::new(),
            outcomes: VecDeque::new(),
            partitions: HashMap::new(),
            metrics: ProcessMetrics::new(),
            lost: 0,
        }
    }

    /// Whether one more may come, given that the first outcome leaves now.
    pub(super) fn has_room(&self) -> bool {
        self.lanes.held() + self.outcomes.len().saturating_sub(1) < self.bound
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.held() == 0 && self.outcomes.is_empty()
    }

    pub(super) fn add(&mut self, event: ReceivedEvent) {
        let key = event.partition_key().cloned();
        let lane = key.map(|key| (event.partition(), key));
        self.lanes.add(lane, Arc::new(event));
        self.metrics.wait(1);
    }

    /// A partition has ended.
    pub(super) fn partition_ended(&mut self, error: Error) {
        if let (ErrorKind::OwnershipLost(_), Some(partition)) = (error.kind(), error.partition()) {
            let items = self.lanes.items();
            let ours = items.filter(|event| event.partition() == partition);
            if let Some(generation) = ours.map(|event| event.generation()).max() {
                self.lose(partition, generation);
            }
        }
        self.outcomes
            .push_back(Err(ProcessError::PartitionEnded(error)));
    }

    /// Starts what may run; tells whether anything was started.
    pub(super) fn start(&mut self) -> bool {
        let mut is_any_started = false;
        while let Some((ticket, event)) = self.lanes.start() {
            self.metrics.waited(1);
            let running = self.metrics.run();
            let partition = Arc::clone(self.partition(event.partition()));
            let handler = self.handler.clone();
            let handling = handle(handler, event, self.slow_after, partition, running);
            let task = self.tasks.spawn(handling).id();
            self.tickets.insert(task, ticket);
            is_any_started = true;
        }
        is_any_started
    }

    /// Makes outcomes of the handlers that ended, and acknowledges their events.
    pub(super) fn collect(
        &mut self,
        cx: &mut Context<'_>,
        ack: impl Fn(&ReceivedEvent) -> Result<(), Error>,
    ) {
        while let Poll::Ready(Some(ended)) = self.tasks.poll_join_next_with_id(cx) {
            let (task, ended) = match ended {
                Ok((task, ended)) => (task, Ok(ended)),
                Err(error) => (error.id(), Err(error)),
            };
            let ticket = self.tickets.remove(&task);
            if let Some(event) = ticket.and_then(|ticket| self.lanes.done(ticket)) {
                let outcome = self.outcome(event, ended, &ack);
                self.outcomes.extend(outcome);
            }
        }
    }

    pub(super) fn take(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// Aborts the handlers; what waits is not started any more.
    pub(super) fn abort(&mut self) {
        self.tasks.abort_all();
        let waiting = self.take_waiting(|_| true).into_iter();
        let aborted = waiting.map(|event| Err(ProcessError::Aborted { event }));
        self.outcomes.extend(aborted);
    }

    /// Lets go of the handlers that did not end though they were aborted.
    pub(super) fn give_up(&mut self) -> Vec<Outcome> {
        self.metrics.waited(self.lanes.waiting());
        self.tickets.clear();
        let events = self.lanes.clear().into_iter();
        let aborted = events.map(|event| Err(ProcessError::Aborted { event }));
        self.outcomes.drain(..).chain(aborted).collect()
    }

    pub(super) fn snapshot(&self) -> ProcessSnapshot {
        ProcessSnapshot {
            running: self.lanes.running(),
            waiting: self.lanes.waiting(),
            untaken: self.outcomes.len(),
            lost: self.lost,
        }
    }

    /// `None` of an event that is lost.
    fn outcome(
        &mut self,
        event: Arc<ReceivedEvent>,
        ended: Result<Ended, JoinError>,
        ack: impl Fn(&ReceivedEvent) -> Result<(), Error>,
    ) -> Option<Outcome> {
        let Ended { ending, took } = match ended {
            Ok(ended) => ended,
            Err(error) if error.is_panic() => return Some(Err(ProcessError::Panicked { event })),
            Err(_) => return Some(Err(ProcessError::Aborted { event })),
        };
        let partition = Arc::clone(self.partition(event.partition()));
        let (outcome, class) = match ending {
            Ending::Handled => match ack(&event) {
                Ok(()) => (Ok(event), None),
                Err(source) => {
                    // It may be the first word about a theft: the stream is not read
                    // while all room is taken.
                    if *source.kind() == ErrorKind::Fenced {
                        self.lose(event.partition(), event.generation());
                    }
                    let class = telemetry::error_type(&source);
                    (Err(ProcessError::Fenced { event, source }), Some(class))
                }
            },
            Ending::Failed(source) => (
                Err(ProcessError::Failed { event, source }),
                Some(telemetry::HANDLER_FAILED),
            ),
            Ending::Panicked => (
                Err(ProcessError::Panicked { event }),
                Some(telemetry::HANDLER_PANICKED),
            ),
            Ending::Lost => {
                self.lost += 1;
                return None;
            }
        };
        partition.metrics.ended(took, class);
        Some(outcome)
    }

    fn partition(&mut self, partition: PartitionId) -> &Arc<Partition> {
        let known = self.partitions.entry(partition);
        known.or_insert_with(|| Arc::new(Partition::new(partition)))
    }

    /// Starts nothing more of this generation, nor of those before it.
    fn lose(&mut self, partition: PartitionId, generation: u64) {
        self.partition(partition).lose(generation);
        let is_lost = |event: &ReceivedEvent| {
            event.partition() == partition && event.generation() <= generation
        };
        let lost = self.take_waiting(is_lost).len();
        if lost > 0 {
            self.lost += lost as u64;
            tracing::debug!(%partition, events = lost, "not handled: the partition was lost");
        }
    }

    fn take_waiting(
        &mut self,
        is_taken: impl Fn(&ReceivedEvent) -> bool,
    ) -> Vec<Arc<ReceivedEvent>> {
        let taken = self.lanes.lose(|event| is_taken(event));
        self.metrics.waited(taken.len());
        taken
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.metrics.waited(self.lanes.waiting());
        if !self.is_empty() {
            tracing::warn!(
                running = self.lanes.running(),
                waiting = self.lanes.waiting(),
                untaken = self.outcomes.len(),
                "process_concurrently was dropped without close: its handlers are aborted"
            );
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.snapshot(), f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::super::handling::BoxError;
    use super::*;
    use crate::event::EventData;

    fn event(number: i64, generation: u64) -> ReceivedEvent {
        let event = EventData::new("event").with_target(PartitionKey::new("key").expect("short"));
        let (partition, now) = (PartitionId::new(0), SystemTime::UNIX_EPOCH);
        let event = ReceivedEvent::new(event, partition, number, "0", now);
        event.with_generation(generation)
    }

    #[test]
    fn a_later_generation_outlives_a_lost_one() {
        let handler = Handler::new(|_| async { Ok::<_, BoxError>(()) });
        let mut work = Work::new(NonZeroUsize::MIN, handler);
        let generations = [1, 2, 3, 3];
        for (number, generation) in (0..).zip(generations) {
            work.add(event(number, generation));
        }
        work.lose(PartitionId::new(0), 2);
        assert_eq!((work.snapshot().lost, work.snapshot().waiting), (2, 2));
        let partition = Arc::clone(work.partition(PartitionId::new(0)));
        let lost = generations.map(|generation| partition.has_lost(&event(0, generation)));
        assert_eq!(lost, [true, true, false, false]);
        let (_, next) = work.lanes.start().expect("the key has its turn");
        assert_eq!(next.sequence_number(), 2);
    }
}
