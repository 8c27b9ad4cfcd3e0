//! The primitives over the official SDK, and what it is kept from.

mod backends;

use std::time::Duration;

use backends::primitives::{
    a_buffer_delivers_through_trouble, a_limiter_holds_the_rate,
    an_owner_learns_of_a_theft_and_lets_go, batch,
};
use backends::{HUB, azure_sdk};
use eventhubs_emulator::{Emulator, Fault};
use eventhubs_flow::transport::{
    AzureSdkOptions, AzureSdkProducer, TransportManagement, TransportProducer,
};
use eventhubs_flow::{
    BatchLimits, ErrorKind, EventBatch, EventData, PartitionId, PartitionKey, Target,
};
use eventhubs_interop::emulator;

async fn start() -> (Emulator, AzureSdkProducer) {
    let emulator = emulator().start().await.expect("started");
    // The SDK never notices that the connection broke under a send: the time-out does.
    let options = AzureSdkOptions::default().with_try_timeout(Duration::from_secs(2));
    let producer = azure_sdk::producer(&emulator, options).await;
    (emulator, producer)
}

#[tokio::test]
async fn a_buffer_over_the_sdk_delivers_through_trouble() {
    let (emulator, producer) = start().await;
    a_buffer_delivers_through_trouble(&emulator, producer).await;
}

#[tokio::test]
async fn a_limiter_over_the_sdk_holds_the_rate() {
    let (emulator, producer) = start().await;
    a_limiter_holds_the_rate(&emulator, producer).await;
}

#[tokio::test]
async fn an_owner_over_the_sdk_learns_of_a_theft_and_lets_go() {
    let (emulator, producer) = start().await;
    let consumer = azure_sdk::consumer(&emulator, &AzureSdkOptions::default());
    an_owner_learns_of_a_theft_and_lets_go(&emulator, producer, consumer).await;
}

#[tokio::test]
async fn a_close_lets_go_of_the_connection() {
    let (emulator, producer) = start().await;
    for partition in 0..2 {
        let sent = producer
            .send_batch(batch(PartitionId::new(partition), &["x"]))
            .await;
        sent.expect("accepted");
    }
    assert_eq!(emulator.connection_count(), 1);
    producer.close().await.expect("closed");
    emulator
        .wait_until(|emulator| emulator.connection_count() == 0)
        .await;
}

#[tokio::test]
async fn a_throttled_batch_is_not_tried_again_by_the_sdk() {
    let (emulator, producer) = start().await;
    let busy = emulator
        .faults()
        .inject(Fault::server_busy_for(5).hub(HUB).times(1));
    let refused = producer
        .send_batch(batch(PartitionId::new(0), &["x"]))
        .await;
    assert!(refused.unwrap_err().error.is_retryable());
    busy.wait_for(1).await;
    assert_eq!(emulator.event_count(HUB), 0, "it was tried again");
}

#[tokio::test]
async fn an_outcome_that_the_sdk_misses_ends_with_the_time_out_and_the_next_batch_is_sent() {
    let (emulator, producer) = start().await;
    let lost = emulator
        .faults()
        .inject(Fault::lose_outcomes().hub(HUB).times(1));
    let send = |body| producer.send_batch(batch(PartitionId::new(0), &[body]));
    let error = send("a").await.unwrap_err().error;
    assert_eq!(error.kind(), &ErrorKind::Timeout);
    assert!(error.is_fate_unknown());
    drop(lost);
    send("b").await.expect("accepted, by another client");
    assert_eq!(emulator.event_count(HUB), 2);
}

#[tokio::test]
async fn a_batch_within_the_limits_always_passes_the_sdks_own_count() {
    let (_emulator, producer) = start().await;
    let target = Target::from(PartitionId::new(1));
    producer
        .send_batch(batch(target.clone(), &["first"]))
        .await
        .expect("accepted");
    let limits = producer.limits(&target);
    // The first as large as can be, the others as small: the SDK counts the first
    // twice, and adds an id to each.
    let mut worst = EventBatch::new(target, limits);
    let small = EventData::new("");
    let others = (limits.events - 1) * small.encoded_size();
    let large = limits.bytes - others - 16;
    worst.try_add(EventData::new(vec![0; large])).expect("fits");
    while worst.try_add(small.clone()).is_ok() {}
    assert_eq!(worst.len(), limits.events);
    producer.send_batch(worst).await.expect("accepted");
}

#[tokio::test]
async fn limits_follow_the_service_before_they_are_needed() {
    let small = emulator().max_message_size(256 * 1024);
    let emulator = small.start().await.expect("started");
    let producer = azure_sdk::producer(&emulator, AzureSdkOptions::default()).await;
    let target = Target::from(PartitionId::new(0));
    producer
        .send_batch(batch(target.clone(), &["first"]))
        .await
        .expect("accepted");
    let limit = producer.limits(&target).bytes;
    assert!((100_000..128 * 1024).contains(&limit), "{limit}");
    let mut large = EventBatch::new(target, BatchLimits::STANDARD);
    large.try_add(EventData::new(vec![0; limit])).expect("fits");
    let error = producer.send_batch(large).await.unwrap_err().error;
    assert!(
        matches!(error.kind(), ErrorKind::TooLarge { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_batch_whose_keys_the_sdk_would_change_is_refused() {
    let (emulator, producer) = start().await;
    let partition = PartitionId::new(2);
    let key = PartitionKey::new("a key").expect("short");
    let keyed = EventData::new("keyed").with_target(key.clone());
    let of = |events: [EventData; 2]| {
        let mut batch = EventBatch::new(partition.into(), BatchLimits::STANDARD);
        for event in events {
            batch.try_add(event).expect("small");
        }
        batch
    };
    let mixed = of([keyed.clone(), EventData::new("plain")]);
    let refused = producer.send_batch(mixed).await.unwrap_err();
    assert_eq!(refused.error.kind(), &ErrorKind::InvalidOptions);
    // Keys of their own go through, each on its event.
    let other = PartitionKey::new("another").expect("short");
    let keyed = of([keyed, EventData::new("other").with_target(other.clone())]);
    producer.send_batch(keyed).await.expect("accepted");
    let stored = backends::stored(&emulator);
    let keys: Vec<_> = stored.iter().map(|event| event.partition_key()).collect();
    assert_eq!(keys, [Some(&key), Some(&other)]);
}

#[tokio::test]
async fn a_client_of_ones_own_is_used_as_it_is() {
    let emulator = emulator().start().await.expect("started");
    let client = azure_messaging_eventhubs::ProducerClient::builder()
        .with_custom_endpoint(format!("amqp://localhost:{}", emulator.address().port()))
        .open_with_connection_string(&emulator.connection_string_for(HUB), None)
        .await
        .expect("opened");
    let producer = AzureSdkProducer::from_client(client, &AzureSdkOptions::default());
    assert_eq!(producer.hub_properties().await.expect("told").name, HUB);
    producer
        .send_batch(batch(Target::Any, &["x"]))
        .await
        .expect("accepted");
    producer.close().await.expect("closed");
    emulator
        .wait_until(|emulator| emulator.connection_count() == 0)
        .await;
    assert_eq!(emulator.event_count(HUB), 1);
}
