//! Every interleaving of two or three threads at the queue and its room, by loom.
//!
//! Run by `.ci/loom`. Locks and atomics of this crate are loom's there. Those of tokio (a
//! grant's `oneshot`) are not permuted: each of their calls counts as one step.

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::FutureExt;
use loom::future::block_on;
use loom::thread;

use super::buffer::Buffer;
use super::delivery::{BatchOutcome, Undelivered, UndeliveredReason};
use super::metrics::BufferMetrics;
use super::options::BufferedProducerOptions;
use super::queued::Arrival;
use super::wait;
use crate::error::Error;
use crate::event::EventData;
use crate::partition::{PartitionId, Target};
use crate::producer::ThrottleGate;

/// A buffer with room for so many events in each of its partitions and in total.
fn buffer(partitions: u32, per_partition: usize, total: usize) -> Arc<Buffer> {
    let nonzero = |number| NonZeroUsize::new(number).expect("not zero");
    let options = BufferedProducerOptions::default()
        .with_max_events_per_partition(nonzero(per_partition))
        .with_max_events(nonzero(total));
    let metrics = BufferMetrics::new("hub", options.name());
    let gate = ThrottleGate::default();
    Arc::new(Buffer::new(partitions, &options, gate, metrics))
}

fn to(partition: u32) -> Target {
    Target::Partition(PartitionId::new(partition))
}

fn size() -> usize {
    EventData::new("").encoded_size()
}

fn accepts(buffer: &Buffer, partition: u32) -> bool {
    let event = EventData::new("").with_target(to(partition));
    buffer.try_accept(&mut Arrival::new(event, false)).is_ok()
}

/// Takes the batch of a partition, as its worker does, and gives its room back.
fn send(buffer: &Arc<Buffer>, partition: u32) {
    if let Some(batch) = buffer.take(partition) {
        buffer.release(partition, batch.bill.cost);
    }
}

#[test]
fn whoever_waits_for_a_partition_gets_the_room_that_is_given_back() {
    loom::model(|| {
        let buffer = buffer(1, 1, 1);
        assert!(accepts(&buffer, 0));
        let worker = Arc::clone(&buffer);
        let worker = thread::spawn(move || send(&worker, 0));
        block_on(wait::room(&buffer, &to(0), size())).expect("room");
        worker.join().expect("joined");
        assert!(accepts(&buffer, 0), "the room came back");
    });
}

#[test]
fn whoever_waits_for_any_partition_gets_the_room_that_is_given_back() {
    loom::model(|| {
        let buffer = buffer(1, 1, 1);
        assert!(accepts(&buffer, 0));
        let worker = Arc::clone(&buffer);
        let worker = thread::spawn(move || send(&worker, 0));
        block_on(wait::room(&buffer, &Target::Any, size())).expect("room");
        worker.join().expect("joined");
        assert!(accepts(&buffer, 0), "the room came back");
    });
}

#[test]
fn whoever_waits_for_the_total_gets_the_room_that_another_partition_gives_back() {
    loom::model(|| {
        let buffer = buffer(2, 1, 1);
        assert!(accepts(&buffer, 0));
        assert!(!accepts(&buffer, 1), "the total is used up");
        let worker = Arc::clone(&buffer);
        let worker = thread::spawn(move || send(&worker, 0));
        block_on(wait::room(&buffer, &to(1), size())).expect("room");
        worker.join().expect("joined");
        assert!(accepts(&buffer, 1), "the room came back");
    });
}

/// A wait that is given up at any moment keeps no room, and costs the one behind
/// it none.
fn a_wait_is_given_up(target: fn() -> Target) {
    loom::model(move || {
        let buffer = buffer(1, 1, 1);
        assert!(accepts(&buffer, 0));
        let worker = Arc::clone(&buffer);
        let worker = thread::spawn(move || send(&worker, 0));
        let other = Arc::clone(&buffer);
        let impatient = thread::spawn(move || {
            drop(wait::room(&other, &target(), size()).now_or_never());
        });
        block_on(wait::room(&buffer, &target(), size())).expect("room");
        worker.join().expect("joined");
        impatient.join().expect("joined");
        assert!(accepts(&buffer, 0), "the room came back");
    });
}

#[test]
fn a_wait_for_a_partition_that_is_given_up_keeps_no_room() {
    a_wait_is_given_up(|| to(0));
}

#[test]
fn a_wait_for_any_partition_that_is_given_up_keeps_no_room() {
    a_wait_is_given_up(|| Target::Any);
}

#[test]
fn the_bound_holds_and_every_accepted_event_is_sent_once() {
    loom::model(|| {
        let buffer = buffer(1, 2, 2);
        let threads = [0, 1].map(|_| {
            let buffer = Arc::clone(&buffer);
            thread::spawn(move || {
                let accepted = usize::from(accepts(&buffer, 0)) + usize::from(accepts(&buffer, 0));
                let sent = buffer.take(0).map_or(0, |batch| batch.events.len());
                (accepted, sent)
            })
        });
        let results = threads.map(|thread| thread.join().expect("joined"));
        let [accepted, mut sent] = [
            results.map(|(accepted, _)| accepted),
            results.map(|(_, sent)| sent),
        ]
        .map(|counts| counts.into_iter().sum::<usize>());
        while let Some(batch) = buffer.take(0) {
            sent += batch.events.len();
        }
        // Nothing gave room back.
        assert_eq!((accepted, sent), (2, 2));
    });
}

#[test]
fn a_delivery_is_told_at_whatever_moment_it_is_awaited() {
    loom::model(|| {
        let outcome = Arc::new(BatchOutcome::default());
        let delivery = outcome.delivery(0);
        let dropped = outcome.delivery(1);
        let worker = thread::spawn(move || drop(outcome.resolve(Vec::new())));
        let other = thread::spawn(move || drop(dropped));
        block_on(delivery).expect("delivered");
        worker.join().expect("joined");
        other.join().expect("joined");
    });
}

#[test]
fn an_event_that_was_not_delivered_comes_back_no_more_than_once() {
    loom::model(|| {
        let outcome = Arc::new(BatchOutcome::default());
        let delivery = outcome.delivery(0);
        let worker = thread::spawn(move || {
            let undelivered = Undelivered {
                event: EventData::new(""),
                reason: UndeliveredReason::Rejected,
                error: Error::closed("producer"),
            };
            let rest = outcome.resolve(vec![(Some(0), undelivered)]);
            rest.into_iter().flatten().count()
        });
        let told = delivery.now_or_never();
        let kept = worker.join().expect("joined");
        // To neither if it was told and dropped without a look.
        assert!(usize::from(told.is_some()) + kept <= 1);
    });
}

#[test]
fn a_batch_is_pressed_when_it_is_opened_while_another_partition_waits_for_the_total() {
    for target in [|| to(1), || Target::Any] as [fn() -> Target; 2] {
        loom::model(move || {
            // One event uses the total up, and fills no batch.
            let buffer = buffer(2, 4, 1);
            let other = Arc::clone(&buffer);
            let opens = thread::spawn(move || accepts(&other, 0));
            let target = target();
            let mut waits = Box::pin(wait::room(&buffer, &target, size()));
            let room = waits.as_mut().now_or_never();
            let opened = opens.join().expect("joined");
            // No linger is kept here: only pressure lets it go.
            if opened && room.is_none() {
                assert!(buffer.take(0).is_some(), "it goes");
            }
        });
    }
}
