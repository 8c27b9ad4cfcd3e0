//! What the buffered producer's worker does after attempts that failed.

mod support;

use std::time::Duration;

use eventhubs_flow::producer::buffered::{
    BufferedProducer, BufferedProducerOptions, UndeliveredReason,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{Error, ErrorKind, EventData, PartitionId};
use support::nonzero;
use tokio::time::Instant;

const FOREVER: Duration = Duration::from_secs(3600);

fn to(partition: u32, body: &'static str) -> EventData {
    EventData::new(body).with_target(PartitionId::new(partition))
}

async fn open(hub: &MemoryHub, options: BufferedProducerOptions) -> BufferedProducer {
    let transport = std::sync::Arc::new(hub.producer());
    BufferedProducer::open(transport, options)
        .await
        .expect("open")
}

fn bodies(hub: &MemoryHub) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    hub.received()
        .iter()
        .map(|event| text(event.body()))
        .collect()
}

/// One event per batch.
fn single() -> BufferedProducerOptions {
    BufferedProducerOptions::default().with_max_batch_events(nonzero(1))
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_failed_is_sent_again_before_those_behind_it() {
    let hub = MemoryHub::new(1);
    hub.fail_next(3, Error::new(ErrorKind::Disconnected, "planted"));
    let producer = open(&hub, single()).await;
    for body in ["a", "b", "c"] {
        producer.enqueue(to(0, body)).await.expect("room");
    }
    let report = producer.flush(FOREVER).await;
    assert_eq!((report.delivered, report.failed), (3, 0));
    assert_eq!(bodies(&hub), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_batch_waits_as_long_as_it_takes() {
    let hub = MemoryHub::new(1);
    let retry_after = Duration::from_secs(4);
    let throttled = Error::new(ErrorKind::Throttled { retry_after }, "planted");
    hub.fail_next(15, throttled);
    let producer = open(&hub, single()).await;
    let start = Instant::now();
    producer.enqueue(to(0, "a")).await.expect("room");
    let report = producer.flush(FOREVER).await;
    assert_eq!((report.delivered, report.failed), (1, 0));
    assert!(start.elapsed() >= 15 * retry_after, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_waits_holds_no_place_in_flight() {
    let hub = MemoryHub::new(2);
    let retry_after = Duration::from_secs(600);
    hub.fail_next(
        1,
        Error::new(ErrorKind::Throttled { retry_after }, "planted"),
    );
    let producer = open(&hub, single().with_max_in_flight(nonzero(1))).await;
    let start = Instant::now();
    let waits = producer.send(to(0, "waits")).await.expect("room");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let passes = producer.send(to(1, "passes")).await.expect("room");
    passes.await.expect("delivered");
    assert!(start.elapsed() < retry_after);
    waits.await.expect("delivered");
    assert!(start.elapsed() >= retry_after);
}

#[tokio::test(start_paused = true)]
async fn a_batch_too_large_is_split_and_its_order_kept() {
    let hub = MemoryHub::new(1);
    let limit = 200;
    hub.fail_next(
        1,
        Error::new(ErrorKind::TooLarge { size: 0, limit }, "planted"),
    );
    let producer = open(&hub, BufferedProducerOptions::default()).await;
    let numbers: Vec<String> = (0..50).map(|n| format!("event number {n}")).collect();
    for body in numbers.clone() {
        let event = EventData::new(body).with_target(PartitionId::new(0));
        producer.enqueue(event).await.expect("room");
    }
    let report = producer.flush(FOREVER).await;
    assert_eq!((report.delivered, report.failed), (50, 0));
    assert_eq!(bodies(&hub), numbers);
    assert!(hub.batch_count() > 5, "{} batches", hub.batch_count());
}

#[tokio::test(start_paused = true)]
async fn of_a_split_batch_only_the_part_that_failed_comes_back() {
    let hub = MemoryHub::new(1);
    let too_large = |limit| Error::new(ErrorKind::TooLarge { size: 0, limit }, "planted");
    // Split into single events, the first of which is too large all the same.
    hub.fail_next(2, too_large(1));
    let producer = open(&hub, BufferedProducerOptions::default()).await;
    let mut deliveries = Vec::new();
    for body in ["a", "b", "c"] {
        deliveries.push(producer.send(to(0, body)).await.expect("room"));
    }
    let report = producer.flush(FOREVER).await;
    assert_eq!((report.delivered, report.failed), (2, 1));
    let mut outcomes = Vec::new();
    for delivery in deliveries {
        outcomes.push(delivery.await.map_err(|undelivered| undelivered.reason));
    }
    assert_eq!(outcomes, [Err(UndeliveredReason::Rejected), Ok(()), Ok(())]);
    assert_eq!(bodies(&hub), ["b", "c"]);
    let report = producer.close(FOREVER).await;
    assert_eq!(
        (report.accepted, report.delivered, report.rejected),
        (3, 2, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_waits_for_its_next_attempt_is_handed_back_by_a_close() {
    let hub = MemoryHub::new(1);
    let retry_after = Duration::from_secs(600);
    let throttled = Error::new(ErrorKind::Throttled { retry_after }, "planted");
    hub.fail_next(1, throttled);
    let producer = open(&hub, single()).await;
    producer.enqueue(to(0, "a")).await.expect("room");
    let report = producer.close(Duration::from_secs(10)).await;
    assert_eq!((report.returned, report.unknown), (1, 0));
    assert_eq!(report.undelivered[0].event, to(0, "a"));

    hub.fail_next(
        1,
        Error::new(ErrorKind::Timeout, "planted").with_unknown_fate(),
    );
    // A random part of it: as good as never shorter than the close.
    let ages = Duration::from_secs(u32::MAX.into());
    let options = single().with_retry_backoff(ages, ages);
    let producer = open(&hub, options).await;
    producer.enqueue(to(0, "b")).await.expect("room");
    let report = producer.close(Duration::from_secs(1)).await;
    assert_eq!(
        (report.returned, report.unknown),
        (0, 1),
        "it may be stored"
    );
}
