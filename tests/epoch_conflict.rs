//! The tutorial's error over real AMQP: met, explained, and solved by policy.
#![cfg(feature = "amqp")]

use std::error::Error as StdError;

use eventhubs_emulator::{Emulator, HubConfig};
use eventhubs_flow::consumer::epoch_safe::{
    EpochPolicy, EpochSafeConsumer, EpochSafeConsumerOptions,
};
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::transport::{ReceiverOptions, StartPosition, TransportConsumer};
use eventhubs_flow::{ErrorKind, EventData, EventHub, OwnershipLostReason, PartitionId};
use futures::StreamExt;

const TUTORIAL: &str = "At least one receiver for the endpoint is created with epoch of '0', \
    and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure \
    all epoch receivers are closed or disconnected.";

async fn start() -> (Emulator, EventHub) {
    let config = HubConfig::new("eh1").with_partitions(1);
    let emulator = Emulator::builder()
        .hub(config)
        .start()
        .await
        .expect("start");
    let hub = EventHub::connect(&emulator.connection_string_for("eh1"))
        .await
        .expect("connect");
    (emulator, hub)
}

fn options(name: &str, policy: EpochPolicy) -> EpochSafeConsumerOptions {
    EpochSafeConsumerOptions::default()
        .with_position(StartPosition::Earliest)
        .with_policy(policy)
        .with_name(name)
}

async fn send(hub: &EventHub, body: &'static str) {
    let options = BufferedProducerOptions::default();
    let producer = hub.buffered_producer(options).await.expect("open");
    producer
        .enqueue(EventData::new(body))
        .await
        .expect("accepted");
    let report = producer.close(std::time::Duration::MAX).await;
    report.into_result().expect("delivered");
}

async fn next_body(consumer: &mut EpochSafeConsumer) -> String {
    let event = consumer.next().await.expect("an item").expect("an event");
    String::from_utf8(event.body().to_vec()).expect("text")
}

fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(" <- ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}

#[tokio::test]
async fn the_tutorials_error_is_met_explained_and_solved_by_policy() {
    let (emulator, hub) = start().await;
    send(&hub, "First event").await;
    let take_over = |level| EpochPolicy::TakeOver { level };
    let open = |name, policy| hub.epoch_safe_consumer(options(name, policy));

    // While an epoch-0 reader holds the partition ...
    let mut old = open("old", take_over(0)).await.expect("open");
    assert_eq!(next_body(&mut old).await, "First event");

    // ... a reader without an epoch meets the error, word for word, ...
    let bare = ReceiverOptions::new(PartitionId::new(0));
    let refused = hub
        .consumer()
        .open_receiver(bare)
        .await
        .expect_err("refused");
    assert!(chain(&refused).contains(TUTORIAL), "{}", chain(&refused));
    assert!(matches!(refused.kind(), ErrorKind::OwnershipRefused(_)));

    // ... which the consumer explains ...
    let mut non_epoch = open("plain", EpochPolicy::NonEpoch).await.expect("open");
    let explained = non_epoch
        .next()
        .await
        .expect("an item")
        .expect_err("refused");
    assert!(
        explained.to_string().contains("owner level 0 or higher"),
        "{explained}"
    );
    assert!(chain(&explained).contains(TUTORIAL));
    assert!(non_epoch.next().await.is_none());

    // ... and wins by its policy, and the old reader learns who took over.
    let mut new = open("new", take_over(0)).await.expect("open");
    assert_eq!(next_body(&mut new).await, "First event");
    let lost = old.next().await.expect("an item").expect_err("lost");
    let ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(conflict)) = lost.kind() else {
        panic!("{lost:?}");
    };
    assert_eq!(conflict.holder.as_deref(), Some("new"));
    assert!(
        old.next().await.is_none(),
        "the old reader does not come back"
    );

    send(&hub, "Second event").await;
    assert_eq!(next_body(&mut new).await, "Second event");
    new.close().await.expect("close");
    hub.close().await.expect("close");
    emulator.stop().await;
}

#[tokio::test]
async fn a_lower_level_is_refused_with_the_level_that_would_win() {
    let (_emulator, hub) = start().await;
    send(&hub, "First event").await;
    let mut high = hub
        .epoch_safe_consumer(options("high", EpochPolicy::TakeOver { level: 5 }))
        .await
        .expect("open");
    assert_eq!(next_body(&mut high).await, "First event");
    let mut low = hub
        .epoch_safe_consumer(options("low", EpochPolicy::TakeOver { level: 4 }))
        .await
        .expect("open");
    let refused = low.next().await.expect("an item").expect_err("refused");
    let sentence = refused.to_string();
    assert!(sentence.contains("'high'"), "{sentence}");
    assert!(sentence.contains("owner level 5 or higher"), "{sentence}");
    send(&hub, "Second event").await;
    assert_eq!(next_body(&mut high).await, "Second event");
}
