//! The queue's state: when its worker is woken, when it is over, and what it asks of
//! the total bound.

use std::time::Duration;

use super::*;
use crate::event::EventData;

const PLENTY: Cost = Cost {
    events: 1000,
    bytes: 1 << 20,
};

fn arrival() -> Arrival {
    Arrival::new(EventData::new("x"), false)
}

/// The first of two partitions, with batches of two events.
struct Fixture {
    queue: PartitionQueue,
    total: Mutex<TotalBudget>,
}

impl Fixture {
    fn new() -> Self {
        Self::with_total(PLENTY)
    }

    fn with_total(total: Cost) -> Self {
        let options = QueueOptions {
            bound: PLENTY,
            batch_limits: BatchLimits {
                events: 2,
                ..BatchLimits::STANDARD
            },
            lingers: true,
        };
        Self {
            queue: PartitionQueue::new(0, options, Arc::default(), Arc::default()),
            total: Mutex::new(TotalBudget::new(total, PLENTY, 2)),
        }
    }

    /// With nothing left of the total: the other partition has it.
    fn used_up() -> Self {
        let fixture = Self::new();
        assert!(lock(&fixture.total).lend(1, PLENTY).is_some());
        fixture
    }

    fn add(&mut self, deadline: Option<Instant>) -> Result<Todo, Full> {
        let mut todo = Todo::default();
        let mut arrival = arrival();
        arrival.deadline = deadline;
        let accepted = self.queue.accept(&mut arrival, &self.total, &mut todo);
        accepted.map(|()| todo)
    }

    /// Adds an event; says whether to wake the worker.
    fn add_wakes(&mut self) -> bool {
        self.add(None).expect("room").wake
    }

    /// Waits for room, and returns the ticket.
    fn wait(&mut self) -> u64 {
        let waiter = Waiter {
            cost: Cost::of_event(1),
            keys: 0,
            grant: oneshot::channel().0,
        };
        let (total, todo) = (&self.total, &mut Todo::default());
        let waits = self.queue.reserve_or_wait(waiter, total, todo);
        waits.err().expect("there is no room")
    }

    /// Reserves room for one event after the other, until there is none; returns what
    /// that asks for.
    fn fill_up(&mut self) -> Todo {
        let cost = arrival().cost();
        let full = (0..=PLENTY.events).find_map(|_| {
            let mut todo = Todo::default();
            let reserved = self.queue.reserve(cost, &self.total, &mut todo);
            reserved.err().map(|Full| todo)
        });
        full.expect("a bound")
    }

    fn waits_for_total(&self) -> usize {
        lock(&self.total).waiting()
    }
}

#[test]
fn an_idle_worker_is_woken_once_a_batch_is_full_and_not_before() {
    let mut fixture = Fixture::new();
    assert!(!fixture.queue.worker_is_due(), "it is idle from now on");
    assert!(!fixture.add_wakes(), "one event lingers");
    assert!(fixture.add_wakes(), "two fill the batch");
}

#[test]
fn a_busy_worker_is_not_woken() {
    let mut fixture = Fixture::new();
    for _ in 0..4 {
        assert!(!fixture.add_wakes(), "it was not idle yet");
    }
    assert!(fixture.queue.worker_is_due());
    assert!(!fixture.add_wakes());
    assert!(!fixture.queue.press(ClosedBy::Pressure));
    assert!(!fixture.queue.cut(Arc::default()).wake);
}

#[test]
fn an_idle_worker_is_woken_for_a_pressed_batch_and_not_for_an_empty_one() {
    let mut fixture = Fixture::new();
    assert!(!fixture.queue.worker_is_due());
    assert!(!fixture.queue.press(ClosedBy::Linger), "there is none");
    assert!(!fixture.queue.cut(Arc::default()).wake, "nothing to flush");
    fixture.add_wakes();
    assert!(fixture.queue.press(ClosedBy::Linger));
    assert!(fixture.queue.worker_is_due());
}

#[test]
fn a_queue_is_finished_once_it_is_closed_and_empty() {
    for events in [1, 2] {
        let mut fixture = Fixture::new();
        assert!(!fixture.queue.is_finished());
        for _ in 0..events {
            fixture.add_wakes();
        }
        assert!(!fixture.queue.is_closed());
        fixture.queue.close();
        assert!(fixture.queue.is_closed());
        assert!(!fixture.queue.is_finished(), "a batch waits");
        fixture.queue.cut(Arc::default());
        assert!(fixture.queue.take(&mut Todo::default()).is_some());
        assert!(fixture.queue.is_finished());
    }
}

#[test]
fn only_a_deadline_before_all_others_sets_the_alarm_anew() {
    let mut fixture = Fixture::new();
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let mut sets = |at| fixture.add(Some(at)).expect("room").change.deadline;
    assert!(sets(now + second));
    assert!(!sets(now + second));
    assert!(!sets(now + 2 * second));
    assert!(sets(now));
}

#[test]
fn a_partition_waits_for_the_total_once_and_only_for_those_who_wait() {
    let mut fixture = Fixture::used_up();
    assert_eq!(fixture.add(None), Err(Full));
    assert_eq!(fixture.waits_for_total(), 0, "it did not wait");
    let ticket = fixture.wait();
    assert_eq!(fixture.waits_for_total(), 1);
    assert!(fixture.queue.cancel(ticket).is_some());
    fixture.wait();
    assert_eq!(fixture.waits_for_total(), 1, "it is in the list already");
}

#[test]
fn a_queue_goes_by_the_narrower_of_its_own_limits_and_the_transports() {
    let mut fixture = Fixture::new();
    let transport = BatchLimits {
        bytes: 1000,
        events: 1,
    };
    fixture.queue.set_limits(transport);
    assert!(fixture.queue.check(1000).is_ok());
    assert!(fixture.queue.check(1001).is_err());
    assert_eq!(fixture.add(None).expect("room").change.closed, 1);
    fixture.queue.set_limits(BatchLimits::STANDARD);
    assert!(fixture.queue.check(1001).is_ok());
    assert_eq!(fixture.add(None).expect("room").change.closed, 0);
    assert_eq!(fixture.add(None).expect("room").change.closed, 2);
}

#[test]
fn an_event_that_fits_no_more_closes_the_open_batch_and_wakes_the_worker() {
    let mut fixture = Fixture::new();
    fixture.add_wakes();
    assert!(!fixture.queue.worker_is_due());
    let mut todo = Todo::default();
    let event = |body: usize| Arrival::new(EventData::new(vec![0; body]), false);
    assert!(!fixture.queue.make_way(&event(1), &mut todo));
    assert_eq!(todo, Todo::default(), "it fits");
    assert!(fixture.queue.make_way(&event(1 << 20), &mut todo));
    assert_eq!((todo.change.closed, todo.wake), (1, true));
}

#[test]
fn whoever_finds_no_room_lets_the_open_batch_go_and_wakes_the_worker() {
    let ample = PLENTY.saturating_add(PLENTY).saturating_add(PLENTY);
    for (total, pressure) in [(ample, Pressure::None), (PLENTY, Pressure::All)] {
        let mut fixture = Fixture::with_total(total);
        fixture.add_wakes();
        assert!(!fixture.queue.worker_is_due());
        let todo = fixture.fill_up();
        assert_eq!((todo.wake, todo.pressure), (true, pressure));
        assert!(fixture.queue.worker_is_due());
    }
}

#[test]
fn whoever_comes_while_others_wait_lets_the_open_batch_go_and_wakes_the_worker() {
    let mut fixture = Fixture::new();
    fixture.fill_up();
    fixture.wait();
    assert!(!fixture.queue.worker_is_due());
    let (mut todo, mut arrival) = (Todo::default(), arrival());
    fixture.queue.accept_reserved(&mut arrival, &mut todo);
    assert!(todo.wake, "with a permit");
    assert!(fixture.fill_up().wake, "without");
    assert!(fixture.queue.worker_is_due());
}

#[test]
fn an_event_that_does_not_fit_beside_others_begins_the_next_batch() {
    let mut fixture = Fixture::new();
    let size = arrival().size;
    fixture.queue.set_limits(BatchLimits {
        bytes: 2 * size - 1,
        events: 2,
    });
    assert_eq!(fixture.add(None).expect("room").change.closed, 0);
    let change = fixture.add(None).expect("room").change;
    assert_eq!((change.closed, change.opened), (1, Some(2)));
    let batch = fixture.queue.take(&mut Todo::default()).expect("a batch");
    assert_eq!(batch.encoded_size, size);
}

#[test]
fn a_batch_that_was_pressed_and_expired_does_not_press_the_next_one() {
    let mut fixture = Fixture::new();
    let now = Instant::now();
    fixture.add(Some(now)).expect("room");
    fixture.queue.press(ClosedBy::Pressure);
    assert!(fixture.queue.worker_is_due());
    assert_eq!(fixture.queue.expire(now).len(), 1);
    fixture.add_wakes();
    assert!(!fixture.queue.worker_is_due(), "the next one lingers");
}
