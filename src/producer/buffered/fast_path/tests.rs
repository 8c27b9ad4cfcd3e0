//! The fast path never decides otherwise than the long way.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant};

use super::*;
use crate::batch::BatchLimits;
use crate::error::Error;
use crate::event::EventData;
use crate::producer::buffered::metrics::ClosedBy;
use crate::producer::buffered::queue::{QueueOptions, Waiter};
use crate::producer::buffered::queued::Batch;
use crate::sync::lock;

/// A few events of the middle size, borrowed one by one.
const BOUND: Cost = Cost {
    events: 12,
    bytes: 12 * 200,
};
/// Borrowed in chunks that are longer than batches.
const PLENTY: Cost = Cost {
    events: 1000,
    bytes: 1 << 20,
};
const LIMITS: BatchLimits = BatchLimits {
    bytes: 400,
    events: 6,
};

/// What may happen to a queue.
#[derive(Debug, Clone)]
enum Step {
    Add {
        body: usize,
        tracked: bool,
        deadline: bool,
    },
    Reserve(usize),
    FillReserved,
    Wait,
    Press,
    Cut,
    Take,
    Release,
    Displace(usize),
    Expire,
    Narrow(usize),
    Idle,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let add = |deadline| {
        (0..120_usize, any::<bool>()).prop_map(move |(body, tracked)| Step::Add {
            body,
            tracked,
            deadline,
        })
    };
    let of_a_kind = (0..40_usize).prop_map(|body| Step::Add {
        body,
        tracked: false,
        deadline: false,
    });
    prop_oneof![
        12 => of_a_kind,
        12 => add(false),
        1 => add(true),
        1 => (0..120_usize).prop_map(Step::Reserve),
        1 => Just(Step::FillReserved),
        1 => Just(Step::Wait),
        1 => Just(Step::Press),
        1 => Just(Step::Cut),
        4 => Just(Step::Take),
        4 => Just(Step::Release),
        1 => (0..120_usize).prop_map(Step::Displace),
        1 => Just(Step::Expire),
        1 => (100..400_usize).prop_map(Step::Narrow),
        1 => Just(Step::Idle),
        1 => Just(Step::Close),
    ]
}

/// One queue, its total bound, and what was taken of it.
struct Subject {
    queue: FastQueue,
    total: Mutex<TotalBudget>,
    reserved: Vec<Arrival>,
    taken: Vec<Batch>,
    by_fast_path: usize,
}

impl Subject {
    fn new(bound: Cost) -> Self {
        let options = QueueOptions {
            bound,
            batch_limits: LIMITS,
            lingers: true,
        };
        let queue = PartitionQueue::new(0, options, Arc::default(), Arc::default());
        Self {
            queue: FastQueue::new(queue),
            total: Mutex::new(TotalBudget::new(bound, bound, 2)),
            reserved: Vec::new(),
            taken: Vec::new(),
            by_fast_path: 0,
        }
    }

    /// Takes a step, and tells all that can be seen of what it did.
    fn take(&mut self, step: &Step, at: Instant, may_join: bool) -> String {
        let mut todo = Todo::default();
        let event = |body: usize| EventData::new(vec![0; body]);
        let did = match *step {
            Step::Add {
                body,
                tracked,
                deadline,
            } => {
                let mut arrival = Arrival::new(event(body), tracked);
                arrival.deadline = deadline.then_some(at);
                let result = self.add(&mut arrival, &mut todo, may_join);
                if tracked && result == Ok(Ok(())) {
                    drop(arrival.take_delivery());
                }
                format!("{result:?}")
            }
            Step::Reserve(body) => {
                let arrival = Arrival::new(event(body), false);
                let cost = arrival.cost();
                let reserved = self.queue.reserve(cost, &self.total, &mut todo);
                self.reserved.extend(reserved.is_ok().then_some(arrival));
                format!("{reserved:?}")
            }
            Step::FillReserved => {
                let arrival = self.reserved.pop();
                let taken = arrival.map(|mut arrival| {
                    self.queue.accept_reserved(&mut arrival, &mut todo);
                });
                format!("{taken:?}")
            }
            Step::Wait => {
                let waiter = Waiter {
                    cost: Cost::of_event(30),
                    keys: 0,
                    grant: oneshot::channel().0,
                };
                let waits = self.queue.reserve_or_wait(waiter, &self.total, &mut todo);
                format!("{:?}", waits.err())
            }
            Step::Press => format!("{}", self.queue.press(ClosedBy::Linger)),
            Step::Cut => format!("{:?}", self.queue.cut(Arc::default())),
            Step::Take => {
                let batch = self.queue.take(&mut todo);
                let seen = batch.as_ref().map(seen);
                self.taken.extend(batch);
                format!("{seen:?}")
            }
            Step::Release => {
                let cost = self.taken.pop().map(|batch| batch.bill.cost);
                self.queue.release(cost.unwrap_or_default(), &self.total);
                let served = self.queue.serve(&self.total, &mut todo);
                format!("{}", served.len())
            }
            Step::Displace(body) => {
                let cost = Cost::of_event(body);
                let displaced = self.queue.displace(cost);
                if displaced.is_ok() {
                    self.queue.release(cost, &self.total);
                }
                let displaced = displaced.map(|batches| batches.iter().map(seen).collect());
                format!("{:?}", displaced as Result<Vec<_>, _>)
            }
            Step::Expire => {
                let expired = self.queue.expire(at);
                let seen: Vec<_> = expired.iter().map(seen).collect();
                self.taken.extend(expired);
                format!("{seen:?}")
            }
            Step::Narrow(bytes) => {
                let limits = BatchLimits { bytes, events: 5 };
                format!("{:?}", self.queue.set_limits(limits))
            }
            Step::Idle => format!("{}", self.queue.worker_is_due()),
            Step::Close => format!("{}", self.queue.close().len()),
        };
        let holdings = self.queue.holdings();
        let lent = lock(&self.total).lend(1, BOUND);
        if let Some(lent) = lent {
            lock(&self.total).give_back(1, lent);
        }
        format!(
            "{did} {todo:?} {:?} {} {} {lent:?}",
            holdings.used, holdings.waiting, holdings.under_way
        )
    }

    fn add(
        &mut self,
        arrival: &mut Arrival,
        todo: &mut Todo,
        may_join: bool,
    ) -> Result<Result<(), Full>, String> {
        if may_join && self.queue.join(arrival) {
            self.by_fast_path += 1;
            return Ok(Ok(()));
        }
        let checked = self.queue.check(arrival.size);
        checked.map_err(|error: Error| error.to_string())?;
        Ok(self.queue.accept(arrival, &self.total, todo))
    }
}

/// What there is to see of a batch.
fn seen(batch: &Batch) -> String {
    let sizes: Vec<_> = batch.events.iter().map(EventData::encoded_size).collect();
    format!(
        "{sizes:?} {} {:?} {:?} {:?}",
        batch.encoded_size, batch.bill.cost, batch.tags, batch.closed_by
    )
}

proptest! {
    #[test]
    fn a_queue_with_a_fast_path_does_what_one_without_does(
        bound in prop_oneof![Just(BOUND), Just(PLENTY)],
        steps in vec(step(), 1..120),
    ) {
        let at = Instant::now() + Duration::from_secs(3600);
        let (mut fast, mut long) = (Subject::new(bound), Subject::new(bound));
        for step in &steps {
            prop_assert_eq!(fast.take(step, at, true), long.take(step, at, false), "{:?}", step);
        }
        prop_assert_eq!(long.by_fast_path, 0);
    }
}

#[test]
fn all_but_the_first_and_the_last_event_of_a_batch_take_the_fast_path() {
    for tracked in [false, true] {
        let mut subject = Subject::new(PLENTY);
        for _ in 0..2 * LIMITS.events {
            let mut arrival = Arrival::new(EventData::new("x"), tracked);
            let added = subject.add(&mut arrival, &mut Todo::default(), true);
            assert_eq!(added, Ok(Ok(())));
        }
        assert_eq!(subject.by_fast_path, 2 * (LIMITS.events - 2));
    }
}
