//! What the tests of the `amqp` transport share.
#![allow(dead_code)]

use std::num::NonZeroU32;
use std::time::Duration;

use eventhubs_emulator::Emulator;
use eventhubs_flow::transport::{AmqpProducer, TransportProducer, TransportReceiver};
use eventhubs_flow::{
    BatchLimits, Error, EventBatch, EventData, EventHub, EventHubOptions, PartitionId,
    ReceivedEvent, Target,
};
use tokio::time::timeout;

pub(crate) const HUB: &str = "eh1";

pub(crate) async fn start() -> (Emulator, EventHub) {
    let emulator = Emulator::start().await.unwrap();
    let hub = connect(&emulator).await;
    (emulator, hub)
}

pub(crate) async fn connect(emulator: &Emulator) -> EventHub {
    let connection_string = emulator.connection_string_for(HUB);
    EventHub::connect(&connection_string).await.unwrap()
}

/// Waits for what must come, and not for ever.
pub(crate) async fn bounded<T>(work: impl Future<Output = T>) -> T {
    let done = timeout(Duration::from_secs(60), work).await;
    done.expect("in time")
}

pub(crate) async fn connect_with(emulator: &Emulator, options: EventHubOptions) -> EventHub {
    let connection_string = emulator.connection_string_for(HUB);
    EventHub::connect_with(&connection_string, options)
        .await
        .unwrap()
}

/// The bodies that the hub stored, in the order of each partition.
pub(crate) fn stored(emulator: &Emulator) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let received = emulator.received(HUB);
    received.iter().map(|event| text(&event.body)).collect()
}

pub(crate) fn partition(number: u32) -> Target {
    Target::Partition(PartitionId::new(number))
}

/// A batch for a target, without limits.
pub(crate) fn batch<T: Into<EventData>>(
    target: Target,
    events: impl IntoIterator<Item = T>,
) -> EventBatch {
    let limits = BatchLimits {
        bytes: usize::MAX,
        events: usize::MAX,
    };
    let mut batch = EventBatch::new(target, limits);
    for event in events {
        batch.try_add(event.into()).unwrap();
    }
    batch
}

pub(crate) fn events<const N: usize>(bodies: [&'static str; N]) -> [EventData; N] {
    bodies.map(EventData::new)
}

/// Sends events to a partition, one after the other in one batch.
pub(crate) async fn send(producer: &AmqpProducer, number: u32, events: Vec<EventData>) {
    producer
        .send_batch(batch(partition(number), events))
        .await
        .unwrap();
}

/// Receives until there are `count` events.
pub(crate) async fn receive(
    receiver: &mut Box<dyn TransportReceiver>,
    count: usize,
) -> Result<Vec<ReceivedEvent>, Error> {
    let mut received = Vec::new();
    while received.len() < count {
        let room = u32::try_from(count - received.len()).unwrap();
        received.extend(receiver.receive(NonZeroU32::new(room).unwrap()).await?);
    }
    Ok(received)
}

pub(crate) fn bodies(events: &[ReceivedEvent]) -> Vec<String> {
    let text = |event: &ReceivedEvent| String::from_utf8(event.body().to_vec()).unwrap();
    events.iter().map(text).collect()
}
