//! What a `BufferedProducer` does when there is no room: its overflow policies.

mod support;

use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::producer::buffered::{
    BufferedProducer, BufferedProducerOptions, OverflowPolicy, UndeliveredReason,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{ErrorKind, EventData, PartitionId, Target};
use futures::FutureExt;
use support::nonzero;
use tokio::time::Instant;

const FOREVER: Duration = Duration::MAX;

/// A hub that takes nothing yet, and a producer with room for four events in each
/// partition, in batches of one.
async fn open(partitions: u32, policy: OverflowPolicy) -> (MemoryHub, BufferedProducer) {
    let hub = MemoryHub::new(partitions);
    hub.pause();
    let options = BufferedProducerOptions::default()
        .with_max_events_per_partition(nonzero(4))
        .with_max_batch_events(nonzero(1))
        .with_linger(None)
        .with_overflow(policy);
    let producer = BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open");
    (hub, producer)
}

fn to(partition: u32, body: String) -> EventData {
    EventData::new(body).with_target(PartitionId::new(partition))
}

fn bodies(hub: &MemoryHub) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    hub.received()
        .iter()
        .map(|event| text(event.body()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn reject_refuses_at_once_what_has_no_room() {
    let (hub, producer) = open(1, OverflowPolicy::Reject).await;
    for number in 0..4 {
        producer
            .enqueue(to(0, number.to_string()))
            .await
            .expect("room");
    }
    let start = Instant::now();
    let refused = producer.enqueue(to(0, "4".into())).await.expect_err("full");
    assert_eq!(*refused.error.kind(), ErrorKind::BufferFull);
    assert_eq!(*refused.event, to(0, "4".into()));
    let refused = producer.send(EventData::new("any")).await;
    assert_eq!(
        *refused.expect_err("full").error.kind(),
        ErrorKind::BufferFull
    );
    let target = Target::Partition(PartitionId::new(0));
    let refused = producer.reserve(&target, 100).await.expect_err("full");
    assert_eq!(*refused.kind(), ErrorKind::BufferFull);
    assert_eq!(start.elapsed(), Duration::ZERO);
    hub.resume();
    let report = producer.close(FOREVER).await;
    assert_eq!((report.accepted, report.delivered), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_displaces_what_waits_longest_and_never_what_is_in_flight() {
    let (hub, producer) = open(1, OverflowPolicy::DropOldest).await;
    let mut deliveries = Vec::new();
    for number in 0..10 {
        let event = to(0, number.to_string());
        let delivery = producer.send(event).now_or_never();
        deliveries.push(delivery.expect("at once").expect("accepted"));
        // The first one is on its way before the next one comes.
        tokio::task::yield_now().await;
    }
    hub.resume();
    let report = producer.close(FOREVER).await;
    assert_eq!(bodies(&hub), ["0", "7", "8", "9"]);
    assert_eq!(
        (report.accepted, report.delivered, report.dropped),
        (10, 4, 6)
    );
    assert!(
        report.undelivered.is_empty(),
        "their deliveries have the events"
    );
    for (number, delivery) in deliveries.into_iter().enumerate() {
        match delivery.await {
            Ok(()) => assert!([0, 7, 8, 9].contains(&number)),
            Err(undelivered) => {
                assert_eq!(undelivered.reason, UndeliveredReason::Dropped);
                assert_eq!(undelivered.event, to(0, number.to_string()));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_takes_single_events_out_of_a_batch() {
    let hub = MemoryHub::new(1);
    let options = BufferedProducerOptions::default()
        .with_max_events_per_partition(nonzero(10))
        .with_max_batch_events(nonzero(100))
        .with_linger(None)
        .with_overflow(OverflowPolicy::DropOldest);
    hub.pause();
    let producer = BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open");
    let mut deliveries = Vec::new();
    for number in 0..12 {
        let event = to(0, number.to_string());
        // Every third one is watched.
        if number % 3 == 0 {
            let delivery = producer.send(event).await.expect("accepted");
            deliveries.push((number, delivery));
        } else {
            producer.enqueue(event).await.expect("accepted");
        }
    }
    hub.resume();
    let report = producer.flush(FOREVER).await;
    assert_eq!((report.delivered, report.failed), (10, 2));
    let expected: Vec<String> = (2..12).map(|number| number.to_string()).collect();
    assert_eq!(bodies(&hub), expected);
    for (number, delivery) in deliveries {
        assert_eq!(delivery.await.is_ok(), number >= 2, "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_refuses_where_nothing_waits() {
    let (hub, producer) = open(1, OverflowPolicy::DropOldest).await;
    let target = Target::Partition(PartitionId::new(0));
    let mut permits = Vec::new();
    for _ in 0..4 {
        permits.push(producer.reserve(&target, 100).await.expect("room"));
    }
    let refused = producer
        .enqueue(to(0, "none".into()))
        .await
        .expect_err("full");
    assert_eq!(*refused.error.kind(), ErrorKind::BufferFull);
    drop(permits);
    producer.enqueue(to(0, "one".into())).await.expect("room");
    hub.resume();
    assert_eq!(producer.close(FOREVER).await.delivered, 1);
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_fills_other_partitions_before_it_drops_untargeted_events() {
    let (hub, producer) = open(3, OverflowPolicy::DropOldest).await;
    for _ in 0..12 {
        producer.try_enqueue(EventData::new("any")).expect("room");
    }
    assert_eq!(producer.flush(Duration::ZERO).await.failed, 0);
    producer.try_enqueue(EventData::new("any")).expect("made");
    assert_eq!(producer.flush(Duration::ZERO).await.failed, 1);
    hub.resume();
    let report = producer.close(FOREVER).await;
    assert_eq!((report.delivered, report.dropped), (12, 1));
}

#[tokio::test(start_paused = true)]
async fn row_45_the_bound_holds_and_so_does_the_policy_while_the_hub_stalls() {
    let total = 64 * 1024;
    for policy in [
        OverflowPolicy::Wait,
        OverflowPolicy::Reject,
        OverflowPolicy::DropOldest,
    ] {
        let hub = MemoryHub::new(4);
        hub.pause();
        let options = BufferedProducerOptions::default()
            .with_max_bytes(nonzero(total))
            .with_overflow(policy);
        let producer = BufferedProducer::open(Arc::new(hub.producer()), options)
            .await
            .expect("open");
        let event = |number: u32| to(number % 4, "x".repeat(900));
        let cost = event(0).encoded_size() + 128;
        let (mut accepted, mut refused, mut waited) = (0, 0, 0);
        for number in 0..1000 {
            match producer.enqueue(event(number)).now_or_never() {
                Some(Ok(())) => accepted += 1,
                Some(Err(error)) => {
                    assert_eq!(*error.error.kind(), ErrorKind::BufferFull);
                    refused += 1;
                }
                None => waited += 1,
            }
        }
        let report = producer.flush(Duration::ZERO).await;
        let held = usize::try_from(report.pending).unwrap() * cost;
        assert!(held <= total, "{policy:?}: {held} bytes are held");
        assert!(held > total / 2, "{policy:?}: only {held} bytes are held");
        let displaced = report.failed;
        match policy {
            OverflowPolicy::Wait => assert!(waited > 0 && refused == 0 && displaced == 0),
            OverflowPolicy::Reject => assert!(refused > 0 && waited == 0 && displaced == 0),
            _ => assert_eq!((accepted, refused, waited), (1000, 0, 0), "{displaced}"),
        }
        hub.resume();
        let report = producer.close(FOREVER).await;
        assert_eq!(report.accepted, accepted);
        assert_eq!(report.delivered + report.dropped, accepted);
    }
}
