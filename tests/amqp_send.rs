//! Sending over AMQP beyond the contract: pipelining, limits, many partitions,
//! broken connections.
#![cfg(feature = "amqp")]

mod amqp_support;

use std::sync::Arc;

use amqp_support::{HUB, batch, connect, events, partition, start};
use eventhubs_emulator::{Emulator, HubConfig};
use eventhubs_flow::transport::TransportProducer;
use eventhubs_flow::{BatchLimits, ErrorKind, EventData, EventHub, SendBatchError, Target};
use futures::FutureExt;
use futures::future::join_all;

#[tokio::test]
async fn sends_that_overlap_are_stored_in_the_order_of_their_first_polls() {
    // While acknowledgements are held back, all of them must be in flight at once.
    let builder = Emulator::builder().acknowledgement_delay(std::time::Duration::from_millis(50));
    let emulator = builder.start().await.unwrap();
    let producer = connect(&emulator).await.producer();
    let started = tokio::time::Instant::now();
    let sends = (0..100).map(|number: u32| {
        producer.send_batch(batch(partition(0), [EventData::new(number.to_string())]))
    });
    for outcome in join_all(sends).await {
        outcome.unwrap();
    }
    // One after the other would take five seconds.
    assert!(
        started.elapsed().as_secs_f32() < 2.5,
        "{:?}",
        started.elapsed()
    );
    let stored = emulator.received(HUB).into_iter().map(|event| event.body);
    let expected = (0..100).map(|number: u32| number.to_string());
    assert!(stored.eq(expected));
}

#[tokio::test]
async fn limits_are_the_links_once_it_is_attached() {
    let builder = Emulator::builder().max_message_size(20_000);
    let emulator = builder.start().await.unwrap();
    let producer = connect(&emulator).await.producer();
    assert_eq!(producer.limits(&partition(0)), BatchLimits::STANDARD);
    producer
        .send_batch(batch(partition(0), events(["a"])))
        .await
        .unwrap();
    assert_eq!(producer.limits(&partition(0)).bytes, 20_000);
    assert_eq!(producer.limits(&Target::Any), BatchLimits::STANDARD);
}

async fn refused(hub: &EventHub, target: Target) -> SendBatchError {
    let sent = batch(target, events(["x"]));
    hub.producer().send_batch(sent).await.unwrap_err()
}

#[tokio::test]
async fn a_hub_that_does_not_exist_is_not_found() {
    let emulator = Emulator::start().await.unwrap();
    let hub = EventHub::connect_to(&emulator.connection_string(), "nope")
        .await
        .unwrap();
    let refused = refused(&hub, Target::Any).await;
    assert_eq!(refused.error.kind(), &ErrorKind::NotFound);
    assert!(
        refused.error.to_string().contains("nope"),
        "{}",
        refused.error
    );
}

#[tokio::test]
async fn a_closed_producer_has_sent_what_it_took_and_takes_no_more() {
    let (emulator, hub) = start().await;
    let producer = Arc::new(hub.producer());
    let sends = (0..50).map(|_| producer.send_batch(batch(Target::Any, events(["x"]))));
    let mut sends = Box::pin(join_all(sends));
    assert!((&mut sends).now_or_never().is_none());
    let closing = Arc::clone(&producer);
    let (outcomes, closed) = tokio::join!(sends, async move { closing.close().await });
    closed.unwrap();
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(emulator.event_count(HUB), 50);

    let refused = producer
        .send_batch(batch(Target::Any, events(["y"])))
        .await
        .unwrap_err();
    assert_eq!(refused.error.kind(), &ErrorKind::Closed);
    producer.close().await.unwrap();
    // The connection is not the producer's.
    hub.producer()
        .send_batch(batch(Target::Any, events(["z"])))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_producer_is_not_dead_after_its_connection_was() {
    let (emulator, hub) = start().await;
    let port = emulator.address().port();
    let producer = hub.producer();
    let one = |body| batch(partition(0), [EventData::new(body)]);
    producer.send_batch(one("before")).await.unwrap();
    emulator.stop().await;
    let failed = producer.send_batch(one("down")).await.unwrap_err();
    assert!(failed.error.is_retryable(), "{:?}", failed.error);

    let emulator = Emulator::builder().port(port).start().await.unwrap();
    // One attempt per call: the first ones may still meet the old connection.
    let mut attempts = 0;
    while producer.send_batch(one("after")).await.is_err() {
        attempts += 1;
        assert!(attempts < 3, "the producer is dead");
    }
    assert_eq!(emulator.received(HUB)[0].body, "after");
}

#[tokio::test]
async fn a_thousand_and_twenty_four_partitions_are_sent_to_at_once() {
    let builder = Emulator::builder().hub(HubConfig::new(HUB).with_partitions(1024));
    let emulator = builder.start().await.unwrap();
    let producer = connect(&emulator).await.producer();
    let sends =
        (0..1024).map(|number| producer.send_batch(batch(partition(number), events(["x"]))));
    for outcome in join_all(sends).await {
        outcome.unwrap();
    }
    assert_eq!(emulator.event_count(HUB), 1024);
}
