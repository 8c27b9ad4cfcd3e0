//! How a `BufferedProducer` ends.

mod support;

use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::producer::buffered::{
    BufferedProducer, BufferedProducerOptions, Undelivered, UndeliveredReason,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{ErrorKind, EventData, PartitionId, Target};
use support::nonzero;
use tokio::time::Instant;

const FOREVER: Duration = Duration::MAX;

async fn open(hub: &MemoryHub, options: BufferedProducerOptions) -> BufferedProducer {
    BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open")
}

fn no_linger() -> BufferedProducerOptions {
    BufferedProducerOptions::default().with_linger(None)
}

fn to(partition: u32) -> EventData {
    EventData::new("event").with_target(PartitionId::new(partition))
}

/// Lets every task run until all of them wait.
async fn settle() {
    // The paused clock moves only when every task waits.
    tokio::time::sleep(Duration::from_nanos(1)).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_closes_at_once_each_tells_the_sums_and_one_has_the_events() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let producer = open(&hub, no_linger()).await;
    for _ in 0..3 {
        producer.enqueue(to(0)).await.expect("enqueue");
    }
    let second = Duration::from_secs(1);
    let (one, other) = tokio::join!(producer.close(second), producer.close(2 * second));
    for report in [&one, &other] {
        assert_eq!((report.accepted, report.delivered), (3, 0));
    }
    assert_eq!(one.undelivered.len() + other.undelivered.len(), 3);
    assert!(one.into_result().is_err());
}

#[tokio::test(start_paused = true)]
async fn an_abort_ends_at_once_and_every_outcome_resolves() {
    let hub = MemoryHub::new(2);
    hub.pause();
    let producer = open(&hub, no_linger().with_max_batch_events(nonzero(1))).await;
    let in_flight = producer.send(to(0)).await.expect("send");
    let buffered = producer.send(to(0)).await.expect("send");
    let size = to(1).encoded_size();
    let target = Target::Partition(PartitionId::new(1));
    let permit = producer.reserve(&target, size).await.expect("reserve");
    settle().await;
    let start = Instant::now();
    producer.abort();
    let reason = |undelivered: Undelivered| undelivered.reason;
    let in_flight = in_flight.await.map_err(reason);
    assert_eq!(in_flight, Err(UndeliveredReason::Unknown));
    let buffered = buffered.await.map_err(reason);
    assert_eq!(buffered, Err(UndeliveredReason::Returned));
    let refused = permit.enqueue(to(1)).expect_err("closed");
    assert_eq!(*refused.error.kind(), ErrorKind::Closed);
    let report = producer.close(FOREVER).await;
    assert_eq!(
        (report.accepted, report.unknown, report.returned),
        (2, 1, 1)
    );
    assert!(start.elapsed() < Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn a_closed_producer_asks_its_hub_for_nothing_more() {
    let hub = MemoryHub::new(1);
    let transport = Arc::new(hub.producer());
    let shared = Arc::clone(&transport);
    let producer = BufferedProducer::open(shared, no_linger())
        .await
        .expect("open");
    drop(producer.close(FOREVER).await);
    settle().await;
    assert_eq!(Arc::strong_count(&transport), 1, "its tasks have ended");
}

/// With threads, a close races with workers that are about to wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_sends_what_was_lingering_whatever_the_workers_do_meanwhile() {
    for _ in 0..500 {
        let hub = MemoryHub::new(4);
        let options = BufferedProducerOptions::default().with_linger(Duration::from_secs(3600));
        let producer = open(&hub, options).await;
        for partition in 0..4 {
            producer.enqueue(to(partition)).await.expect("enqueue");
        }
        let report = producer.close(Duration::from_secs(60)).await;
        assert_eq!((report.accepted, report.delivered), (4, 4));
    }
}
