//! `BufferedProducer` over the wire.
#![cfg(feature = "amqp")]

mod amqp_support;
mod support;

use std::collections::HashMap;
use std::time::Duration;

use amqp_support::{HUB, connect, start};
use eventhubs_emulator::{Emulator, Fault};
use eventhubs_flow::producer::buffered::{
    BufferedProducer, BufferedProducerOptions, PartitionGrowth, UndeliveredReason,
};
use eventhubs_flow::{EventData, PartitionId, PartitionKey};
use support::nonzero;

const FOREVER: Duration = Duration::MAX;

/// An event that fills a batch of 64 KiB.
fn event(number: u32) -> EventData {
    let mut body = number.to_be_bytes().to_vec();
    body.resize(60 * 1024, 0);
    EventData::new(body).with_target(PartitionId::new(0))
}

fn pipelined(batches: usize) -> BufferedProducerOptions {
    BufferedProducerOptions::default()
        .with_max_batch_bytes(nonzero(64 * 1024))
        .with_max_in_flight_per_partition(nonzero(batches))
}

fn numbers(emulator: &Emulator) -> Vec<u32> {
    let number = |body: &[u8]| u32::from_be_bytes(body[..4].try_into().expect("four bytes"));
    emulator
        .received(HUB)
        .iter()
        .map(|event| number(&event.body))
        .collect()
}

#[tokio::test]
async fn as_many_batches_of_a_partition_overlap_as_are_allowed() {
    let (emulator, hub) = start().await;
    let producer = hub.buffered_producer(pipelined(4)).await.expect("open");
    let held = emulator.faults().inject(Fault::hold_outcomes());
    for number in 0..20 {
        producer.enqueue(event(number)).await.expect("room");
    }
    // All of them without an acknowledgement, and none of the fifth.
    emulator.wait_for_events(HUB, 4).await;
    held.wait_for(4).await;
    let report = producer.flush(Duration::from_millis(100)).await;
    assert_eq!((report.delivered, report.pending), (0, 20));
    assert_eq!(emulator.event_count(HUB), 4);
    held.heal();
    let report = producer.close(FOREVER).await;
    assert_eq!((report.accepted, report.delivered), (20, 20));
    assert_eq!(numbers(&emulator), (0..20).collect::<Vec<_>>(), "in order");
}

#[tokio::test]
async fn a_pipeline_survives_a_lost_connection_without_loss() {
    let (emulator, hub) = start().await;
    let options = pipelined(8).with_retry_backoff(Duration::from_millis(10), FOREVER);
    let producer = hub.buffered_producer(options).await.expect("open");
    let lost = emulator.faults().inject(
        Fault::drop_connection(eventhubs_emulator::When::AfterStoring)
            .after(10)
            .times(1),
    );
    for number in 0..50 {
        producer.enqueue(event(number)).await.expect("room");
    }
    let report = producer.close(FOREVER).await;
    assert_eq!(lost.struck(), 1);
    assert_eq!((report.accepted, report.delivered), (50, 50));
    let mut stored = numbers(&emulator);
    stored.sort_unstable();
    stored.dedup();
    assert_eq!(stored, (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn row_44_partitions_added_to_the_hub_are_found_and_keys_spread_over_them() {
    let emulator = Emulator::builder()
        .tier(eventhubs_emulator::Tier::Premium)
        .start()
        .await
        .expect("an emulator");
    let hub = connect(&emulator).await;
    let options = BufferedProducerOptions::default()
        .with_discovery_interval(Duration::from_millis(50))
        .with_partition_growth(PartitionGrowth::Rehash);
    let producer = hub.buffered_producer(options).await.expect("open");
    let keys: Vec<_> = (0..100)
        .map(|key| PartitionKey::new(format!("key {key}")).expect("short"))
        .collect();
    send_to_all(&producer, &keys, 0).await;
    emulator.set_partition_count(HUB, 12).expect("more");
    // The new ones are known once they take events.
    let newest = || EventData::new("newest").with_target(PartitionId::new(11));
    let found = async {
        while producer.enqueue(newest()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(30), found).await;
    found.expect("found");
    send_to_all(&producer, &keys, 1).await;
    assert_eq!(producer.close(FOREVER).await.delivered, 201);

    let mut places: HashMap<String, Vec<(u32, u8)>> = HashMap::new();
    for event in emulator.received(HUB) {
        if let Some(key) = event.partition_key {
            let place = (event.partition, event.body[0]);
            places.entry(key).or_default().push(place);
        }
    }
    for key in keys {
        let mut of = places.remove(key.as_str()).expect("stored");
        of.sort_by_key(|(_, round)| *round);
        let expected = [
            (key.partition(4).number(), 0),
            (key.partition(12).number(), 1),
        ];
        assert_eq!(of, expected, "{key}");
    }
}

/// Each key's event, with the number of the round in it.
async fn send_to_all(producer: &BufferedProducer, keys: &[PartitionKey], round: u8) {
    for key in keys {
        let event = EventData::new(vec![round]).with_target(key.clone());
        producer.enqueue(event).await.expect("accepted");
    }
    assert_eq!(producer.flush(FOREVER).await.pending, 0);
}

#[tokio::test]
async fn row_19_an_oversize_event_is_rejected_and_its_neighbours_are_delivered() {
    let (emulator, hub) = start().await;
    // Attached before, so that the producer does not know the smaller size yet.
    let options = BufferedProducerOptions::default().with_linger(None);
    let producer = hub.buffered_producer(options).await.expect("open");
    let small = |body: &'static str| EventData::new(body).with_target(PartitionId::new(0));
    let shrunk = emulator.faults().inject(Fault::max_message_size(30 * 1024));
    let before = producer.send(small("before")).await.expect("accepted");
    let large = producer.send(event(0)).await.expect("accepted");
    let after = producer.send(small("after")).await.expect("accepted");
    drop(producer.flush(FOREVER).await);
    assert!(shrunk.struck() > 0);
    before.await.expect("delivered");
    after.await.expect("delivered");
    let undelivered = large.await.expect_err("too large");
    assert_eq!(undelivered.reason, UndeliveredReason::Rejected);
}
