//! What the memory transport does beyond the contract, on a paused clock.

use std::num::NonZeroU32;

use eventhubs_flow::transport::memory::{MemoryConsumer, MemoryHub};
use eventhubs_flow::transport::{
    ReceiverOptions, StartPosition, TransportConsumer, TransportProducer, TransportReceiver,
};
use eventhubs_flow::{
    BatchLimits, EpochConflict, Error, ErrorKind, EventBatch, EventData, PartitionId,
    ReceivedEvent, Target,
};
use futures::FutureExt as _;

const FIRST: PartitionId = PartitionId::new(0);

fn credit(events: u32) -> NonZeroU32 {
    NonZeroU32::new(events).expect("not zero")
}

fn batch(target: impl Into<Target>, bodies: &[&'static str]) -> EventBatch {
    let mut batch = EventBatch::new(target.into(), BatchLimits::STANDARD);
    for body in bodies {
        batch.try_add(EventData::new(*body)).expect("fits");
    }
    batch
}

async fn send(hub: &MemoryHub, target: impl Into<Target>, bodies: &[&'static str]) {
    let sent = hub.producer().send_batch(batch(target, bodies)).await;
    sent.expect("accepted");
}

fn owner(level: Option<i64>, name: &str) -> ReceiverOptions {
    ReceiverOptions {
        owner_level: level,
        name: Some(name.into()),
        ..ReceiverOptions::new(FIRST)
    }
}

async fn open(consumer: &MemoryConsumer, options: ReceiverOptions) -> Box<dyn TransportReceiver> {
    consumer.open_receiver(options).await.expect("open")
}

fn bodies(events: &[ReceivedEvent]) -> Vec<&str> {
    let text = |event| std::str::from_utf8(ReceivedEvent::body(event)).expect("text");
    events.iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn batches_without_a_target_go_round() {
    let hub = MemoryHub::new(3);
    for _ in 0..6 {
        send(&hub, Target::Any, &["a", "b"]).await;
    }
    for partition in 0..3 {
        let of = |event: &&ReceivedEvent| event.partition().number() == partition;
        assert_eq!(hub.received().iter().filter(of).count(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn what_exceeds_the_limit_or_names_no_partition_comes_back() {
    let limits = BatchLimits {
        bytes: 60,
        events: 100,
    };
    let hub = MemoryHub::with_limits(1, limits);
    assert_eq!(hub.producer().limits(&Target::Any), limits);
    let refuse = async |batch: EventBatch| {
        let refused = hub.producer().send_batch(batch.clone()).await.unwrap_err();
        assert_eq!(refused.batch, batch);
        refused.error.kind().clone()
    };
    let long = "0123456789012345678901234567890123456789012345678901234567890";
    let too_large = refuse(batch(Target::Any, &[long])).await;
    assert!(matches!(too_large, ErrorKind::TooLarge { limit: 60, .. }));
    let nowhere = refuse(batch(PartitionId::new(1), &["a"])).await;
    assert_eq!(nowhere, ErrorKind::InvalidPartition);
    assert_eq!(hub.event_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_discarding_hub_counts_and_keeps_nothing() {
    let hub = MemoryHub::discarding(2);
    send(&hub, PartitionId::new(1), &["a", "b"]).await;
    assert_eq!((hub.event_count(), hub.batch_count()), (2, 1));
    assert!(hub.received().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_paused_hub_takes_nothing_until_it_resumes() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let producer = hub.producer();
    let mut waiting = Box::pin(producer.send_batch(batch(FIRST, &["a"])));
    assert!((&mut waiting).now_or_never().is_none());
    assert_eq!(hub.event_count(), 0);
    hub.resume();
    waiting.await.expect("accepted");
    assert_eq!(hub.event_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn sends_that_a_pause_held_are_stored_in_order() {
    let hub = MemoryHub::new(1);
    let producer = hub.producer();
    let names: Vec<_> = (0..300).map(|number: u32| number.to_string()).collect();
    hub.pause();
    let sends = names.iter().map(|name| {
        let mut batch = EventBatch::new(FIRST.into(), BatchLimits::STANDARD);
        batch.try_add(EventData::new(name.clone())).expect("fits");
        producer.send_batch(batch)
    });
    let mut sends = Box::pin(futures::future::join_all(sends));
    assert!((&mut sends).now_or_never().is_none());
    hub.resume();
    assert!(sends.await.iter().all(Result::is_ok));
    assert_eq!(bodies(&hub.received()), names);
}

#[tokio::test(start_paused = true)]
async fn planted_failures_strike_as_often_as_asked() {
    let hub = MemoryHub::new(1);
    hub.fail_next(2, Error::new(ErrorKind::Timeout, "planted"));
    for _ in 0..2 {
        let refused = hub.producer().send_batch(batch(FIRST, &["a"])).await;
        assert_eq!(*refused.unwrap_err().error.kind(), ErrorKind::Timeout);
    }
    send(&hub, FIRST, &["a"]).await;
    hub.fail_next_opens(1, Error::new(ErrorKind::Disconnected, "planted"));
    let consumer = hub.consumer();
    let refused = consumer.open_receiver(ReceiverOptions::new(FIRST)).await;
    assert_eq!(*refused.unwrap_err().kind(), ErrorKind::Disconnected);
    let mut receiver = open(&consumer, ReceiverOptions::new(FIRST)).await;
    hub.break_receivers(&Error::new(ErrorKind::Disconnected, "planted"));
    for _ in 0..2 {
        let broken = receiver.receive(credit(1)).await.unwrap_err();
        assert_eq!(*broken.kind(), ErrorKind::Disconnected);
    }
    assert_eq!(hub.receiver_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_offset_that_the_hub_did_not_make_is_refused() {
    let position = StartPosition::Offset {
        offset: "no offset".into(),
        inclusive: true,
    };
    let options = ReceiverOptions {
        position,
        ..ReceiverOptions::new(FIRST)
    };
    let refused = MemoryHub::new(1).consumer().open_receiver(options).await;
    assert_eq!(*refused.unwrap_err().kind(), ErrorKind::InvalidPosition);
}

#[tokio::test(start_paused = true)]
async fn a_lower_level_and_none_are_refused_with_the_words_of_the_service() {
    let hub = MemoryHub::new(1);
    let consumer = hub.consumer();
    let _holder = open(&consumer, owner(Some(1), "holder")).await;
    let lower = consumer.open_receiver(owner(Some(0), "late")).await;
    let lower = lower.unwrap_err();
    let conflict = EpochConflict {
        holder: Some("holder".into()),
        holder_level: Some(1),
        own_level: Some(0),
    };
    assert_eq!(*lower.kind(), ErrorKind::OwnershipRefused(conflict));
    assert!(
        lower
            .message()
            .starts_with("Receiver 'holder' with a higher epoch '1' already exists.")
    );
    let none = consumer.open_receiver(owner(None, "late")).await;
    let none = none.unwrap_err();
    assert!(matches!(none.kind(), ErrorKind::OwnershipRefused(_)));
    assert_eq!(
        none.message(),
        "At least one receiver for the endpoint is created with epoch of '1', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected."
    );
    assert_eq!(hub.receiver_count(), 1);
}
