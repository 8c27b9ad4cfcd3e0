//! What stuck partitions leave to the others, and batches that overlap.

mod support;

use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{Error, ErrorKind, EventData, PartitionId};
use support::{Slow, nonzero};
use tokio::time::Instant;

const FOREVER: Duration = Duration::MAX;
const LATENCY: Duration = Duration::from_millis(10);
const PARTITIONS: u32 = 16;

fn event(partition: u32) -> EventData {
    EventData::new(vec![0; 900]).with_target(PartitionId::new(partition))
}

/// How long the last partitions take for their events while the first `stalled`
/// are stuck and have callers without end.
async fn time_beside(stalled: u32, busy: u32) -> Duration {
    let hub = MemoryHub::discarding(PARTITIONS);
    let transport = Arc::new(Slow::new(&hub, LATENCY, stalled));
    let options = BufferedProducerOptions::default()
        .with_max_bytes_per_partition(nonzero(512 << 10))
        .with_max_bytes(nonzero(2 << 20))
        .with_max_batch_events(nonzero(20));
    let producer = BufferedProducer::open(transport, options)
        .await
        .expect("open");
    for partition in 0..stalled {
        let producer = producer.clone();
        tokio::spawn(async move { while producer.enqueue(event(partition)).await.is_ok() {} });
    }
    // Until the stuck ones hold all that they can.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    let senders = (PARTITIONS - busy..PARTITIONS).map(|partition| {
        let producer = producer.clone();
        tokio::spawn(async move {
            let mut last = None;
            for _ in 0..2000 {
                last = Some(producer.send(event(partition)).await.expect("accepted"));
            }
            last.expect("some").await.expect("delivered");
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.expect("joined");
    }
    let took = start.elapsed();
    drop(producer.close(Duration::ZERO).await);
    took
}

#[tokio::test(start_paused = true)]
async fn row_46_others_keep_their_rate_beside_stuck_partitions() {
    for (stalled, busy) in [(1, 15), (8, 8), (14, 2)] {
        let alone = time_beside(0, busy).await;
        let beside = time_beside(stalled, busy).await;
        assert!(alone >= 100 * LATENCY, "{alone:?}");
        let allowed = alone + alone / 20;
        assert!(beside <= allowed, "{stalled}: {beside:?} and not {alone:?}");
    }
}

/// The time that a hundred batches take, and the most that overlapped.
async fn pipeline(per_partition: usize, total: usize) -> (Duration, usize) {
    let hub = MemoryHub::new(1);
    let transport = Arc::new(Slow::new(&hub, LATENCY, 0));
    let options = BufferedProducerOptions::default()
        .with_max_batch_events(nonzero(10))
        .with_max_in_flight_per_partition(nonzero(per_partition))
        .with_max_in_flight(nonzero(total));
    let sends = Arc::clone(&transport);
    let producer = BufferedProducer::open(transport, options)
        .await
        .expect("open");
    let start = Instant::now();
    for number in 0..1000_u32 {
        let event = EventData::new(number.to_be_bytes().to_vec());
        producer.enqueue(event).await.expect("room");
    }
    assert_eq!(producer.close(FOREVER).await.delivered, 1000);
    let stored: Vec<_> = hub.received();
    let numbers = stored
        .iter()
        .map(|event| u32::from_be_bytes(event.body()[..].try_into().expect("four bytes")));
    assert!(numbers.eq(0..1000), "in order as long as nothing fails");
    (start.elapsed(), sends.most_in_flight())
}

#[tokio::test(start_paused = true)]
async fn batches_of_one_partition_overlap_within_both_bounds() {
    assert_eq!(pipeline(1, 32).await, (100 * LATENCY, 1));
    assert_eq!(pipeline(4, 32).await, (25 * LATENCY, 4));
    assert_eq!(pipeline(20, 5).await, (20 * LATENCY, 5));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_failed_among_others_in_flight_is_sent_again() {
    let hub = MemoryHub::new(1);
    hub.fail_next(3, Error::new(ErrorKind::Disconnected, "planted"));
    let transport = Arc::new(Slow::new(&hub, LATENCY, 0));
    let options = BufferedProducerOptions::default()
        .with_max_batch_events(nonzero(1))
        .with_max_in_flight_per_partition(nonzero(4));
    let producer = BufferedProducer::open(transport, options)
        .await
        .expect("open");
    for _ in 0..20 {
        producer.enqueue(event(0)).await.expect("room");
    }
    let report = producer.close(FOREVER).await;
    assert_eq!((report.delivered, hub.event_count()), (20, 20));
}

#[tokio::test]
async fn a_caller_that_never_has_to_wait_lets_the_workers_run() {
    let hub = MemoryHub::discarding(4);
    let options = BufferedProducerOptions::default().with_max_batch_events(nonzero(100));
    let producer = BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open");
    let mut most = 0;
    for _ in 0..10_000 {
        producer
            .enqueue(EventData::new("event"))
            .await
            .expect("accepted");
        most = most.max(producer.snapshot().events);
    }
    assert!(most <= 900, "{most} events piled up");
    assert_eq!(producer.close(FOREVER).await.delivered, 10_000);
}

#[tokio::test]
async fn an_event_that_fits_no_more_begins_no_batch_that_is_left_behind() {
    let hub = MemoryHub::discarding(4);
    let size = event(0).encoded_size();
    // Ten of them fit, and part of one.
    let limit = nonzero(10 * size + size / 2);
    let options = BufferedProducerOptions::default().with_max_batch_bytes(limit);
    let producer = BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open");
    for _ in 0..100 {
        let event = EventData::new(vec![0; 900]);
        producer.enqueue(event).await.expect("accepted");
    }
    assert_eq!(producer.close(FOREVER).await.delivered, 100);
    assert_eq!(hub.batch_count(), 10);
}
