//! Events that may wait only so long.

mod support;

use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::producer::buffered::{
    BufferedProducer, BufferedProducerOptions, Delivery, UndeliveredReason,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{Error, ErrorKind, EventData, PartitionId};
use support::nonzero;
use tokio::time::Instant;

const FOREVER: Duration = Duration::MAX;
const SECOND: Duration = Duration::from_secs(1);

async fn open(hub: &MemoryHub, options: BufferedProducerOptions) -> BufferedProducer {
    BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open")
}

fn event(body: &'static str) -> EventData {
    EventData::new(body).with_target(PartitionId::new(0))
}

async fn reason(delivery: Delivery) -> UndeliveredReason {
    delivery.await.expect_err("not delivered").reason
}

fn throttled(seconds: u64) -> Error {
    let retry_after = Duration::from_secs(seconds);
    Error::new(ErrorKind::Throttled { retry_after }, "planted")
}

#[tokio::test(start_paused = true)]
async fn an_event_expires_when_its_own_deadline_passes_in_the_queue() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let options = BufferedProducerOptions::default()
        .with_max_batch_events(nonzero(1))
        .with_deadline(10 * SECOND);
    let producer = open(&hub, options).await;
    let start = Instant::now();
    let in_flight = producer.send(event("in flight")).await.expect("room");
    tokio::task::yield_now().await;
    let later = producer.send(event("ten")).await.expect("room");
    let sooner = event("two").with_deadline(2 * SECOND);
    let sooner = producer.send(sooner).await.expect("room");
    let undelivered = sooner.await.expect_err("expired");
    assert_eq!(undelivered.reason, UndeliveredReason::Expired);
    assert_eq!(*undelivered.error.kind(), ErrorKind::Timeout);
    assert_eq!(undelivered.event.body(), "two");
    assert_eq!(start.elapsed().as_secs(), 2);
    assert_eq!(reason(later).await, UndeliveredReason::Expired);
    assert_eq!(start.elapsed().as_secs(), 10);
    // What is on its way is waited for.
    hub.resume();
    in_flight.await.expect("delivered");
    let report = producer.close(FOREVER).await;
    assert_eq!(
        (report.accepted, report.delivered, report.expired),
        (3, 1, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_expires_in_an_open_batch_and_its_neighbours_go() {
    let hub = MemoryHub::new(1);
    let options = BufferedProducerOptions::default().with_linger(60 * SECOND);
    let producer = open(&hub, options).await;
    let mut deliveries = Vec::new();
    for number in 0..6_u64 {
        let event = match number % 3 {
            0 => event("stays"),
            rest => event("expires").with_deadline(Duration::from_secs(rest)),
        };
        deliveries.push(producer.send(event).await.expect("room"));
    }
    let start = Instant::now();
    for (number, delivery) in deliveries.into_iter().enumerate() {
        match number % 3 {
            0 => delivery.await.expect("delivered"),
            _ => assert_eq!(reason(delivery).await, UndeliveredReason::Expired),
        }
    }
    assert_eq!(start.elapsed().as_secs(), 60);
    let report = producer.close(FOREVER).await;
    assert_eq!((report.delivered, report.expired), (2, 4));
}

#[tokio::test(start_paused = true)]
async fn an_event_expires_while_its_batch_waits_out_a_throttle() {
    let hub = MemoryHub::new(1);
    hub.fail_next(1, throttled(60));
    let producer = open(&hub, BufferedProducerOptions::default()).await;
    let start = Instant::now();
    let patient = producer.send(event("patient")).await.expect("room");
    let hasty = event("hasty").with_deadline(10 * SECOND);
    let hasty = producer.send(hasty).await.expect("room");
    assert_eq!(reason(hasty).await, UndeliveredReason::Expired);
    assert_eq!(start.elapsed().as_secs(), 10);
    patient.await.expect("delivered");
    assert!(start.elapsed() >= 60 * SECOND);
    assert_eq!(hub.event_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_may_be_stored_is_unknown_when_its_deadline_passes() {
    let hub = MemoryHub::new(1);
    let unknown = Error::new(ErrorKind::Timeout, "planted").with_unknown_fate();
    hub.fail_next(1, unknown);
    let ages = Duration::from_secs(u32::MAX.into());
    // A random part of it: as good as never shorter than the deadline.
    let options = BufferedProducerOptions::default().with_retry_backoff(ages, ages);
    let producer = open(&hub, options).await;
    let sent = event("in doubt").with_deadline(SECOND);
    let delivery = producer.send(sent).await.expect("room");
    let undelivered = delivery.await.expect_err("in doubt");
    assert_eq!(undelivered.reason, UndeliveredReason::Unknown);
    assert!(undelivered.error.is_fate_unknown());
}

#[tokio::test(start_paused = true)]
async fn an_expired_event_gives_its_room_back() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let options = BufferedProducerOptions::default()
        .with_max_events_per_partition(nonzero(2))
        .with_max_batch_events(nonzero(1));
    let producer = open(&hub, options).await;
    producer.enqueue(event("in flight")).await.expect("room");
    tokio::task::yield_now().await;
    let expires = event("expires").with_deadline(SECOND);
    producer.enqueue(expires).await.expect("room");
    let start = Instant::now();
    producer
        .enqueue(event("waits for room"))
        .await
        .expect("room");
    assert_eq!(start.elapsed().as_secs(), 1);
    hub.resume();
    let report = producer.close(FOREVER).await;
    assert_eq!(
        (report.accepted, report.delivered, report.expired),
        (3, 2, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn deadlines_in_the_far_future_never_pass() {
    let hub = MemoryHub::new(1);
    let options = BufferedProducerOptions::default().with_deadline(Duration::MAX);
    let producer = open(&hub, options).await;
    producer.enqueue(event("sent")).await.expect("room");
    assert_eq!(producer.close(FOREVER).await.delivered, 1);
}
