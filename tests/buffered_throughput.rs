//! The default bounds never make a caller wait for an idle transport.

mod support;

use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{EventData, PartitionKey};
use support::nonzero;
use tokio::time::Instant;

const EVENTS: usize = 1_000_000;

/// Sends a million keyed events of 100 bytes. The clock is paused: it moves only
/// if a caller waits for a timer while nothing else can run.
async fn a_million_events_pass(partitions: u32, options: BufferedProducerOptions) {
    let hub = MemoryHub::discarding(partitions);
    let producer = BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open");
    let keys: Vec<PartitionKey> = (0..1000)
        .map(|key| PartitionKey::new(format!("key {key}")).expect("short"))
        .collect();
    let event = EventData::new(vec![0; 100]);
    let start = Instant::now();
    for number in 0..EVENTS {
        let event = event.clone().with_target(keys[number % keys.len()].clone());
        producer.enqueue(event).await.expect("enqueue");
    }
    assert_eq!(
        start.elapsed(),
        Duration::ZERO,
        "a caller waited for a timer"
    );
    let report = producer.close(Duration::MAX).await;
    assert_eq!(report.delivered, EVENTS as u64);
    // Pressure sends what there is, which is far more than an event at a time.
    let batches = hub.batch_count();
    assert!(batches < EVENTS as u64 / 50, "{batches} batches");
}

#[tokio::test(start_paused = true)]
async fn small_events_pass_the_default_bounds() {
    a_million_events_pass(4, BufferedProducerOptions::default()).await;
}

#[tokio::test(start_paused = true)]
async fn many_partitions_share_a_small_total_bound_without_a_linger() {
    let options = BufferedProducerOptions::default()
        .with_linger(None)
        .with_max_bytes(nonzero(16 << 20));
    a_million_events_pass(256, options).await;
}
