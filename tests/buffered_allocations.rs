//! Accepting an event allocates nothing: only a batch does, for all of its events.
//!
//! A binary of its own, whose allocator counts. Each call is counted apart; the
//! workers run between the calls that are counted, and not during them.

use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{EventData, PartitionId, PartitionKey, Target};
use futures::FutureExt;

const BATCH: usize = 1000;
const BATCHES: usize = 20;
const EVENTS: usize = BATCH * BATCHES;
/// Calls that may allocate for each batch: the one that opens it, the one that
/// closes it, and those at which the storage of the first batches doubles.
const PER_BATCH: usize = 2;
const WHILE_STORAGE_GROWS: usize = 4 * BATCH.ilog2() as usize;

async fn open() -> BufferedProducer {
    let hub = MemoryHub::discarding(4);
    let options = BufferedProducerOptions::default()
        .with_max_batch_events(NonZeroUsize::new(BATCH).expect("not zero"));
    let producer = BufferedProducer::open(Arc::new(hub.producer()), options).await;
    producer.expect("open")
}

/// How many of the calls that accept an event for `target` allocate anything.
async fn calls_that_allocate(
    target: Target,
    accept: impl Fn(&BufferedProducer, EventData),
) -> usize {
    let producer = open().await;
    let event = EventData::new(vec![0; 100]).with_target(target);
    let mut calls = 0;
    for number in 0..EVENTS {
        let event = event.clone();
        let counted = measure(|| accept(&producer, event));
        calls += usize::from(counted.count_total > 0);
        if number % BATCH == BATCH / 2 {
            // A worker takes what is ready.
            tokio::task::yield_now().await;
        }
    }
    let report = producer.close(Duration::MAX).await;
    assert_eq!(report.delivered, EVENTS as u64);
    calls
}

fn assert_few(calls: usize) {
    let most = PER_BATCH * BATCHES + WHILE_STORAGE_GROWS;
    assert!(calls <= most, "{calls} of {EVENTS} calls allocated");
}

fn enqueue(producer: &BufferedProducer, event: EventData) {
    let mut enqueue = pin!(producer.enqueue(event));
    // Now and then a caller yields once before its event.
    let accepted = enqueue.as_mut().now_or_never();
    let accepted = accepted.or_else(|| enqueue.now_or_never());
    accepted.expect("there is room").expect("accepted");
}

#[tokio::test]
async fn enqueue_allocates_nothing_for_an_event_to_any_partition() {
    assert_few(calls_that_allocate(Target::Any, enqueue).await);
}

#[tokio::test]
async fn enqueue_allocates_nothing_for_an_event_to_one_partition() {
    let target = Target::Partition(PartitionId::new(2));
    assert_few(calls_that_allocate(target, enqueue).await);
}

#[tokio::test]
async fn enqueue_allocates_nothing_for_an_event_with_a_key() {
    let key = PartitionKey::new("device1").expect("short");
    assert_few(calls_that_allocate(Target::Key(key), enqueue).await);
}

#[tokio::test]
async fn try_enqueue_allocates_nothing_for_an_event() {
    let try_enqueue = |producer: &BufferedProducer, event| {
        producer.try_enqueue(event).expect("accepted");
    };
    assert_few(calls_that_allocate(Target::Any, try_enqueue).await);
}

#[tokio::test]
async fn the_allocator_counts() {
    let counted = measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1);
}
