//! What several checks share.

use std::num::NonZeroU32;

use bytes::Bytes;

use crate::batch::{BatchLimits, EventBatch};
pub(super) use crate::contract::{assert_kind, more_and_more_polls, polled};
use crate::error::{Error, ErrorKind, SendBatchError};
use crate::event::{EventData, ReceivedEvent};
use crate::partition::{PartitionId, Target};
use crate::transport::{
    ReceiverOptions, StartPosition, TransportConsumer, TransportManagement, TransportProducer,
    TransportReceiver,
};

pub(super) const FIRST: PartitionId = PartitionId::new(0);
pub(super) const SECOND: PartitionId = PartitionId::new(1);
pub(super) const UNKNOWN: PartitionId = PartitionId::new(super::PARTITIONS);

pub(super) const ONE: NonZeroU32 = NonZeroU32::MIN;
pub(super) const MANY: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");

/// More attempts than a receiver takes to go in the background.
const MOST_ATTEMPTS: usize = 10_000;

/// A batch without limits: those of the transport are what is tested.
pub(super) fn batch<B: Into<Bytes>>(
    target: impl Into<Target>,
    bodies: impl IntoIterator<Item = B>,
) -> EventBatch {
    let limits = BatchLimits {
        bytes: usize::MAX,
        events: usize::MAX,
    };
    let mut batch = EventBatch::new(target.into(), limits);
    for body in bodies {
        batch.try_add(EventData::new(body)).expect("no limits");
    }
    batch
}

/// A batch of one event that takes exactly so many bytes.
pub(super) fn batch_of(target: &Target, bytes: usize) -> EventBatch {
    // Large bodies are measured alike: their lengths take as many bytes.
    let sample = bytes / 2;
    let overhead = batch(target.clone(), [vec![0; sample]]).encoded_size() - sample;
    let batch = batch(target.clone(), [vec![0; bytes - overhead]]);
    assert_eq!(batch.encoded_size(), bytes, "a batch was built wrong");
    batch
}

pub(super) async fn send(
    producer: &dyn TransportProducer,
    target: impl Into<Target>,
    bodies: &[&'static str],
) {
    let sent = producer.send_batch(batch(target, bodies.to_vec())).await;
    sent.expect("a batch that nothing is wrong with is accepted");
}

/// Sends a batch that is refused, and gets it back as it was.
pub(super) async fn refused(producer: &dyn TransportProducer, batch: EventBatch) -> Error {
    let sent = producer.send_batch(batch.clone()).await;
    let SendBatchError {
        batch: back, error, ..
    } = sent.expect_err("Ok for a batch that was not accepted");
    assert_eq!(back, batch, "the batch comes back as it was given");
    error
}

pub(super) fn assert_closed(error: &Error) {
    assert_kind!(error, ErrorKind::Closed);
}

pub(super) fn options(position: StartPosition) -> ReceiverOptions {
    ReceiverOptions {
        position,
        ..ReceiverOptions::new(FIRST)
    }
}

pub(super) fn owner(level: Option<i64>, name: &str) -> ReceiverOptions {
    ReceiverOptions {
        owner_level: level,
        name: Some(name.into()),
        ..ReceiverOptions::new(FIRST)
    }
}

pub(super) async fn open(
    consumer: &dyn TransportConsumer,
    options: ReceiverOptions,
) -> Box<dyn TransportReceiver> {
    let shown = format!("{options:?}");
    match consumer.open_receiver(options).await {
        Ok(receiver) => receiver,
        Err(error) => panic!("not opened with {shown}: {error:?}"),
    }
}

/// Opens a receiver that is refused.
pub(super) async fn not_opened(
    consumer: &dyn TransportConsumer,
    options: ReceiverOptions,
) -> Error {
    let shown = format!("{options:?}");
    match consumer.open_receiver(options).await {
        Ok(_) => panic!("opened with {shown}, which should be refused"),
        Err(error) => error,
    }
}

/// Receives until there are `count` events.
pub(super) async fn receive(
    receiver: &mut dyn TransportReceiver,
    count: usize,
) -> Vec<ReceivedEvent> {
    let mut received = Vec::new();
    while received.len() < count {
        let room = u32::try_from(count - received.len()).expect("few events");
        let credit = NonZeroU32::new(room).expect("not zero");
        received.extend(receive_some(receiver, credit).await);
    }
    received
}

/// Receives once.
pub(super) async fn receive_some(
    receiver: &mut dyn TransportReceiver,
    credit: NonZeroU32,
) -> Vec<ReceivedEvent> {
    let events = receiver.receive(credit).await.expect("events come");
    let count = events.len();
    assert!(
        (1..=credit.get() as usize).contains(&count),
        "{count} events came for a credit of {credit}"
    );
    events
}

/// Receives from a receiver that has ended: each call tells the same.
pub(super) async fn ended(receiver: &mut dyn TransportReceiver) -> Error {
    let [first, second] = [receiver.receive(ONE).await, receiver.receive(ONE).await]
        .map(|received| received.expect_err("a receiver that has ended gives no events"));
    assert_eq!(
        first.kind(),
        second.kind(),
        "a dead receiver tells the same again"
    );
    first
}

/// Waits until a receiver that goes in the background has gone, and another can
/// be opened.
pub(super) async fn open_once_free(
    consumer: &dyn TransportConsumer,
    options: &ReceiverOptions,
) -> Box<dyn TransportReceiver> {
    for _ in 0..MOST_ATTEMPTS {
        match consumer.open_receiver(options.clone()).await {
            Ok(receiver) => return receiver,
            Err(error) => {
                assert_kind!(
                    error,
                    ErrorKind::QuotaExceeded | ErrorKind::OwnershipRefused(_)
                );
                // A transport that answers at once would starve what is to go.
                tokio::task::yield_now().await;
            }
        }
    }
    panic!("a receiver that should have gone stands in the way of {options:?}")
}

/// Lets the hub answer, so that whatever was under way before has arrived.
pub(super) async fn round_trips(management: &(impl TransportManagement + ?Sized)) {
    for _ in 0..3 {
        management.hub_properties().await.expect("properties");
    }
}

pub(super) fn bodies(events: &[ReceivedEvent]) -> Vec<&str> {
    let text = |event| std::str::from_utf8(ReceivedEvent::body(event)).expect("text was sent");
    events.iter().map(text).collect()
}
