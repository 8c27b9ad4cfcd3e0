//! Ours.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::transport::TransportProducer;
use eventhubs_flow::{EventBatch, EventData, EventHub, PartitionId, Target};
use tokio::task::JoinSet;

use crate::support::{Failure, Load, Usage, all};

const BATCH_BYTES: NonZeroUsize = NonZeroUsize::new(512 << 10).expect("not zero");
/// Of one partition: more than its bytes allow. The default holds less than four batches
/// of 100-byte events, all of them under way.
const EVENTS: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");

/// Batches of one partition on their way at once, and the bytes that it holds: the
/// longer an acknowledgement takes, the more there are on the way. What is held
/// needlessly falls out of the caches.
fn bounds(delay: u64) -> (NonZeroUsize, NonZeroUsize) {
    let (in_flight, bytes) = if delay < 20 {
        (4, 4 << 20)
    } else {
        (8, 8 << 20)
    };
    let positive = |number| NonZeroUsize::new(number).expect("not zero");
    (positive(in_flight), positive(bytes))
}

pub(super) fn buffered_options(delay: u64) -> String {
    let (in_flight, bytes) = bounds(delay);
    format!(
        "with_max_in_flight_per_partition({in_flight}), with_max_bytes_per_partition({bytes}), with_max_events_per_partition({EVENTS}), with_max_batch_bytes({BATCH_BYTES}), events for any partition"
    )
}

pub(super) async fn buffered(load: &Load) -> Result<Usage, Failure> {
    let hub = EventHub::connect(&load.plain()).await?;
    let (in_flight, bytes) = bounds(load.delay);
    let options = BufferedProducerOptions::default()
        .with_max_in_flight_per_partition(in_flight)
        .with_max_bytes_per_partition(bytes)
        .with_max_events_per_partition(EVENTS)
        .with_max_batch_bytes(BATCH_BYTES);
    let producer = hub.buffered_producer(options).await?;
    let body = load.body();
    load.measure(async |events| {
        for _ in 0..events {
            producer.enqueue(EventData::new(body)).await?;
        }
        producer.flush(Duration::MAX).await.into_result()?;
        Ok(())
    })
    .await
}

pub(super) fn batch_options() -> String {
    "batches as full as the link takes them, 4 in flight, one for each partition".into()
}

pub(super) async fn batches(load: &Load) -> Result<Usage, Failure> {
    let hub = EventHub::connect(&load.plain()).await?;
    let producer = Arc::new(hub.producer());
    let body = load.body();
    load.measure(async |events| {
        let share = events / u64::from(Load::PARTITIONS);
        let mut lanes = JoinSet::new();
        for partition in 0..Load::PARTITIONS {
            let producer = Arc::clone(&producer);
            let target = Target::Partition(PartitionId::new(partition));
            lanes.spawn(async move {
                let mut left = share;
                while left > 0 {
                    let limits = producer.limits(&target);
                    let mut batch = EventBatch::new(target.clone(), limits);
                    let fits = |batch: &mut EventBatch| {
                        let event = EventData::new(body).with_target(target.clone());
                        batch.try_add(event).is_ok()
                    };
                    while left > 0 && fits(&mut batch) {
                        left -= 1;
                    }
                    producer.send_batch(batch).await?;
                }
                Ok::<_, Failure>(())
            });
        }
        all(lanes).await
    })
    .await
}
