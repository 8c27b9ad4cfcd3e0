//! Consumers with a store, over a hub in memory of one partition.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::num::NonZeroU32;
use std::time::Duration;

use eventhubs_flow::ReceivedEvent;
use eventhubs_flow::consumer::checkpoint::{
    Checkpoint, CheckpointStore, ConsumerScope, MemoryStore, OwnershipStore,
};
use eventhubs_flow::consumer::epoch_safe::{EpochSafeConsumer, EpochSafeConsumerOptions};
use eventhubs_flow::transport::memory::MemoryHub;
use futures::StreamExt as _;
use tokio::time::timeout;

use crate::consuming::{FIRST, earliest, send};

const NAMESPACE: &str = "ns.example";

pub(crate) fn options<S: CheckpointStore + OwnershipStore>(store: S) -> EpochSafeConsumerOptions {
    earliest().with_namespace(NAMESPACE).with_store(store)
}

pub(crate) fn scope() -> ConsumerScope {
    ConsumerScope::new(NAMESPACE, "memory", "$Default")
}

/// A hub with so many events.
pub(crate) async fn hub_with(count: usize) -> MemoryHub {
    let hub = MemoryHub::new(1);
    send(&hub, FIRST, count).await;
    hub
}

/// The next event within ten minutes.
pub(crate) async fn next(events: &mut EpochSafeConsumer) -> ReceivedEvent {
    let next = timeout(Duration::from_secs(600), events.next()).await;
    let next = next.expect("an event within ten minutes");
    next.expect("goes on").expect("an event")
}

pub(crate) async fn take(events: &mut EpochSafeConsumer, count: usize) -> Vec<ReceivedEvent> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(next(events).await);
    }
    taken
}

pub(crate) fn numbers(events: &[ReceivedEvent]) -> Vec<i64> {
    events.iter().map(ReceivedEvent::sequence_number).collect()
}

pub(crate) fn at(sequence_number: i64) -> Checkpoint {
    Checkpoint {
        sequence_number,
        offset: None,
    }
}

/// The sequence number of the checkpoint.
pub(crate) async fn stored(store: &MemoryStore) -> Option<i64> {
    let checkpoint = store.checkpoint(&scope(), FIRST).await.expect("read");
    checkpoint.map(|checkpoint| checkpoint.sequence_number)
}

pub(crate) fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("not zero")
}
