//! Connecting over AMQP, the properties of hubs and partitions, and secrets.
#![cfg(feature = "amqp")]

mod amqp_support;

use std::num::NonZeroU32;

use amqp_support::{HUB, batch, events, send, start};
use eventhubs_emulator::Emulator;
use eventhubs_flow::transport::{
    ReceiverOptions, TransportConsumer, TransportManagement, TransportProducer,
};
use eventhubs_flow::{Error, ErrorKind, EventHub, PartitionId, Target};
use futures::future::join_all;

#[tokio::test]
async fn a_hub_tells_its_name_and_its_partitions_in_order() {
    let (_emulator, hub) = start().await;
    let properties = hub.properties().await.unwrap();
    assert_eq!(properties.name, HUB);
    assert_eq!(
        properties.partitions,
        (0..4).map(PartitionId::new).collect::<Vec<_>>()
    );
    assert_eq!(hub.producer().hub_properties().await.unwrap(), properties);
}

#[tokio::test]
async fn calls_that_overlap_or_are_dropped_get_their_own_answers() {
    let (_emulator, hub) = start().await;
    let read = |number| hub.partition_properties(number);
    for number in 0..4 {
        // Dropped somewhere between the request and its answer.
        let _ = tokio::time::timeout(std::time::Duration::from_micros(300), read(number)).await;
    }
    let answers = join_all((0..40).map(|number| read(number % 4))).await;
    for (number, answer) in (0..4).cycle().zip(answers) {
        assert_eq!(answer.unwrap().partition, PartitionId::new(number));
    }
}

#[tokio::test]
async fn a_hub_or_partition_that_does_not_exist_is_told_apart() {
    let (emulator, hub) = start().await;
    let error = hub.partition_properties(4).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidPartition);
    let hub = EventHub::connect_to(&emulator.connection_string(), "nope")
        .await
        .unwrap();
    let error = hub.properties().await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotFound);
}

#[tokio::test]
async fn a_wrong_key_is_refused_when_connecting() {
    let emulator = Emulator::start().await.unwrap();
    let port = emulator.address().port();
    let connection_string = format!(
        "Endpoint=sb://localhost:{port};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=d3Jvbmc=;UseDevelopmentEmulator=true"
    );
    let error = EventHub::connect_to(&connection_string, HUB)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unauthorized);
    assert!(error.to_string().contains("InvalidSignature"), "{error}");
    assert!(!shown(&error).contains("d3Jvbmc"), "{error:?}");
}

#[tokio::test]
async fn a_host_that_is_not_there_is_named_with_its_port() {
    let port = {
        let emulator = Emulator::start().await.unwrap();
        let port = emulator.address().port();
        emulator.stop().await;
        port
    };
    let connection_string = format!(
        "Endpoint=sb://localhost:{port};SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true"
    );
    let error = EventHub::connect_to(&connection_string, HUB)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Disconnected);
    assert!(
        error.to_string().contains(&format!("localhost:{port}")),
        "{error}"
    );
}

#[tokio::test]
async fn the_hubs_name_is_given_once() {
    let emulator = Emulator::start().await.unwrap();
    let unnamed = emulator.connection_string();
    let named = emulator.connection_string_for(HUB);
    for refused in [
        EventHub::connect(&unnamed).await,
        EventHub::connect_to(&named, "other").await,
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidConnectionString);
    }
    assert_eq!(EventHub::connect(&named).await.unwrap().name(), HUB);
    assert_eq!(
        EventHub::connect_to(&named, "EH1").await.unwrap().name(),
        "EH1"
    );
}

#[tokio::test]
async fn nothing_leaves_this_machine_in_the_clear() {
    let connection_string = "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=k;EntityPath=h;UseDevelopmentEmulator=true";
    let error = EventHub::connect(connection_string).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidOptions);
    assert!(error.to_string().contains("this machine only"), "{error}");
}

#[tokio::test]
async fn all_of_a_hub_share_one_connection() {
    let (emulator, hub) = start().await;
    let clone = hub.clone();
    for hub in [&hub, &clone] {
        send(&hub.producer(), 0, events(["a"]).into()).await;
        hub.properties().await.unwrap();
        let options = ReceiverOptions::new(PartitionId::new(0));
        let mut receiver = hub.consumer().open_receiver(options).await.unwrap();
        receiver.receive(NonZeroU32::MIN).await.unwrap();
    }
    assert_eq!(emulator.connection_count(), 1);
}

#[tokio::test]
async fn the_connection_goes_with_the_last_that_uses_it() {
    let (emulator, hub) = start().await;
    let (producer, consumer) = (hub.producer(), hub.consumer());
    let options = ReceiverOptions::new(PartitionId::new(0));
    let receiver = consumer.open_receiver(options).await.unwrap();
    send(&producer, 0, events(["a"]).into()).await;
    hub.properties().await.unwrap();
    drop((hub, producer, consumer));
    assert_eq!(emulator.connection_count(), 1);
    drop(receiver);
    let gone = async {
        while emulator.connection_count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn callers_that_meet_a_lost_connection_share_the_next_one() {
    let (emulator, hub) = start().await;
    let port = emulator.address().port();
    emulator.stop().await;
    let failed = join_all((0..20).map(|_| hub.properties())).await;
    assert!(failed.iter().all(Result::is_err));

    let emulator = Emulator::builder().port(port).start().await.unwrap();
    for answer in join_all((0..20).map(|_| hub.properties())).await {
        assert_eq!(answer.unwrap().name, HUB);
    }
    assert_eq!(emulator.connection_count(), 1);
}

#[tokio::test]
async fn closing_a_hub_ends_all_of_it_for_good() {
    let (emulator, hub) = start().await;
    let (producer, consumer) = (hub.producer(), hub.consumer());
    let options = || ReceiverOptions::new(PartitionId::new(0));
    let mut receiver = consumer.open_receiver(options()).await.unwrap();
    send(&producer, 1, events(["a"]).into()).await;
    let (waiting, closed) = tokio::join!(receiver.receive(NonZeroU32::MIN), hub.close());
    closed.unwrap();

    for error in [
        waiting.unwrap_err(),
        receiver.receive(NonZeroU32::MIN).await.unwrap_err(),
        consumer.open_receiver(options()).await.unwrap_err(),
        hub.properties().await.unwrap_err(),
        producer
            .send_batch(batch(Target::Any, events(["x"])))
            .await
            .unwrap_err()
            .error,
        hub.producer()
            .send_batch(batch(Target::Any, events(["x"])))
            .await
            .unwrap_err()
            .error,
    ] {
        assert_eq!(error.kind(), &ErrorKind::Closed, "{error:?}");
    }
    hub.close().await.unwrap();
    producer.close().await.unwrap();
    consumer.close().await.unwrap();
    assert_eq!(emulator.event_count(HUB), 1);
}

fn shown(error: &Error) -> String {
    format!("{error} {error:?} {error:#?}")
}

#[tokio::test]
async fn no_secret_and_no_payload_is_shown() {
    let key = "c2VjcmV0LXBsYW50ZWQ=";
    let emulator = Emulator::builder()
        .access_key("planted", key)
        .start()
        .await
        .unwrap();
    let hub = EventHub::connect(&emulator.connection_string_for(HUB))
        .await
        .unwrap();
    let (producer, consumer) = (hub.producer(), hub.consumer());
    send(&producer, 0, events(["payload-planted"]).into()).await;
    let options = ReceiverOptions::new(PartitionId::new(0));
    let mut receiver = consumer.open_receiver(options).await.unwrap();
    let received = receiver.receive(NonZeroU32::MIN).await.unwrap();
    let refused = producer
        .send_batch(batch(
            amqp_support::partition(9),
            events(["payload-planted"]),
        ))
        .await
        .unwrap_err();

    let all = format!(
        "{hub:?} {producer:?} {consumer:?} {receiver:?} {received:?} {refused:?} {refused} {}",
        shown(&refused.error)
    );
    for secret in [
        key,
        "c2VjcmV0",
        "payload-planted",
        "SharedAccessSignature",
        "sig=",
    ] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    assert!(all.contains("localhost"));
}
