//! What a buffered producer does while the service is busy, on the paused clock.

#[path = "support/busy.rs"]
mod busy;
mod support;

use std::sync::Arc;
use std::time::Duration;

use busy::{Busy, WAIT};
use eventhubs_flow::producer::buffered::{
    BufferedProducer, BufferedProducerOptions, UndeliveredReason,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{ErrorKind, EventData, PartitionId};
use support::nonzero;
use tokio::time::Instant;

const FOREVER: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// A producer of batches of one event, over a service that is busy for so long.
async fn open(
    partitions: u32,
    lasting: Duration,
    options: BufferedProducerOptions,
) -> (MemoryHub, Arc<Busy>, BufferedProducer) {
    let hub = MemoryHub::new(partitions);
    let busy = Arc::new(Busy::new(hub.producer(), lasting));
    let options = options.with_max_batch_events(nonzero(1));
    let producer = BufferedProducer::open(Arc::<Busy>::clone(&busy), options).await;
    (hub, busy, producer.expect("it opens"))
}

fn to(partition: u32) -> EventData {
    EventData::new("x").with_target(PartitionId::new(partition))
}

#[tokio::test(start_paused = true)]
async fn while_the_service_is_busy_one_batch_probes_per_wait_and_no_event_fails() {
    let start = Instant::now();
    // More partitions than places in flight.
    let (hub, busy, producer) = open(64, MINUTE, BufferedProducerOptions::default()).await;
    for event in 0..640 {
        producer.enqueue(to(event % 64)).await.expect("room");
    }
    let report = producer.flush(FOREVER).await;
    assert_eq!((report.delivered, report.failed), (640, 0));
    assert_eq!(hub.received().len(), 640);

    let refusals = busy.refusals();
    let (first, probes) = refusals.split_at(32);
    assert!(first[31] - start < WAIT, "what was in flight: {first:?}");
    let mut before = first[31];
    for &probe in probes {
        assert!(probe - before >= WAIT, "one probe per wait: {probes:?}");
        before = probe;
    }
    assert!(probes.len() >= 11, "and not fewer: {probes:?}");
    assert!(start.elapsed() < MINUTE + Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_busy_partition_does_not_hold_up_the_others() {
    let hub = MemoryHub::new(4);
    let busy = Arc::new(Busy::new(hub.producer(), MINUTE).at(0));
    let options = BufferedProducerOptions::default().with_max_batch_events(nonzero(1));
    let producer = BufferedProducer::open(Arc::<Busy>::clone(&busy), options)
        .await
        .unwrap();
    let start = Instant::now();
    let hot = producer.send(to(0)).await.expect("room");
    for event in 0..100 {
        let sent = producer.send(to(1 + event % 3)).await.expect("room");
        sent.await.expect("delivered");
    }
    assert!(start.elapsed() < WAIT, "none of them waited");
    hot.await.expect("delivered in the end");
    assert!(start.elapsed() >= MINUTE);
}

#[tokio::test(start_paused = true)]
async fn past_the_deadline_events_of_a_busy_service_fail_and_come_back() {
    let deadline = Duration::from_secs(10);
    let options = BufferedProducerOptions::default().with_throttle_deadline(deadline);
    let (hub, busy, producer) = open(1, MINUTE, options).await;
    let start = Instant::now();
    let sent = producer.send(to(0)).await.expect("room");
    let undelivered = sent.await.expect_err("the service is busy for longer");
    let waited = start.elapsed();
    assert!(
        (deadline..deadline + WAIT / 4).contains(&waited),
        "{waited:?}"
    );
    let attempts = u32::try_from(busy.refusals().len()).unwrap();
    assert_eq!(undelivered.reason, UndeliveredReason::Failed { attempts });
    assert_eq!(
        undelivered.error.kind(),
        &ErrorKind::Throttled { retry_after: WAIT }
    );
    assert_eq!(undelivered.event.body(), &b"x"[..]);
    assert_eq!(hub.received().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_close_does_not_wait_for_a_busy_service_beyond_its_deadline() {
    let (_, busy, producer) = open(4, MINUTE, BufferedProducerOptions::default()).await;
    for event in 0..8 {
        producer.enqueue(to(event % 4)).await.expect("room");
    }
    let start = Instant::now();
    let report = producer.close(Duration::from_secs(2)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    assert_eq!(
        (report.returned, report.unknown),
        (8, 0),
        "refused is known"
    );
    assert_eq!(busy.refusals().len(), 4);
}
