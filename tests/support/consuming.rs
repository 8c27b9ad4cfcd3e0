//! Consumers over a hub in memory.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::consumer::epoch_safe::{
    EpochSafeConsumer, EpochSafeConsumerOptions, PartitionSnapshot,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::transport::{
    ReceiverOptions, StartPosition, TransportConsumer, TransportProducer, TransportReceiver,
};
use eventhubs_flow::{BatchLimits, Error, EventBatch, EventData, PartitionId, ReceivedEvent};
use futures::StreamExt as _;

pub(crate) const FIRST: PartitionId = PartitionId::new(0);
pub(crate) const SECOND: PartitionId = PartitionId::new(1);

pub(crate) fn earliest() -> EpochSafeConsumerOptions {
    EpochSafeConsumerOptions::default().with_position(StartPosition::Earliest)
}

pub(crate) async fn open(hub: &MemoryHub, options: EpochSafeConsumerOptions) -> EpochSafeConsumer {
    EpochSafeConsumer::open(Arc::new(hub.consumer()), options)
        .await
        .expect("open")
}

/// A receiver of someone else on the first partition.
pub(crate) async fn intrude(hub: &MemoryHub, level: Option<i64>) -> Box<dyn TransportReceiver> {
    try_intrude(hub, level).await.expect("open")
}

pub(crate) async fn try_intrude(
    hub: &MemoryHub,
    level: Option<i64>,
) -> Result<Box<dyn TransportReceiver>, Error> {
    let options = ReceiverOptions {
        owner_level: level,
        name: Some("intruder".into()),
        ..ReceiverOptions::new(FIRST)
    };
    hub.consumer().open_receiver(options).await
}

pub(crate) async fn send(hub: &MemoryHub, partition: PartitionId, count: usize) {
    send_sized(hub, partition, count, 10).await;
}

pub(crate) async fn send_sized(hub: &MemoryHub, partition: PartitionId, count: usize, size: usize) {
    for _ in 0..count {
        let mut batch = EventBatch::new(partition.into(), BatchLimits::STANDARD);
        batch.try_add(EventData::new(vec![7; size])).expect("fits");
        hub.producer().send_batch(batch).await.expect("accepted");
    }
}

pub(crate) async fn next_event(events: &mut EpochSafeConsumer) -> ReceivedEvent {
    events.next().await.expect("goes on").expect("an event")
}

pub(crate) async fn next_error(events: &mut EpochSafeConsumer) -> Error {
    events.next().await.expect("goes on").expect_err("an end")
}

/// Returns when no task can run any more: a paused clock moves only then.
pub(crate) async fn idle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// What the consumer tells of the first partition that it reads.
pub(crate) fn seen(events: &EpochSafeConsumer) -> PartitionSnapshot {
    events.handle().snapshot().partitions.remove(0)
}
