//! Receiving over AMQP beyond the contract: all that comes back of an event, what
//! does not exist, broken connections.
#![cfg(feature = "amqp")]

mod amqp_support;

use std::num::NonZeroU32;

use amqp_support::{bodies, events, receive, send, start};
use bytes::Bytes;
use eventhubs_emulator::Emulator;
use eventhubs_flow::transport::{
    ReceiverOptions, StartPosition, TransportConsumer, TransportProducer, TransportReceiver,
};
use eventhubs_flow::{
    ErrorKind, EventData, EventHub, MessageId, MessageProperties, PartitionId, PartitionKey,
    Target, Timestamp, Value,
};

const ONE: NonZeroU32 = NonZeroU32::MIN;

async fn open(hub: &EventHub, position: StartPosition) -> Box<dyn TransportReceiver> {
    let options = ReceiverOptions {
        position,
        ..ReceiverOptions::new(PartitionId::new(0))
    };
    hub.consumer().open_receiver(options).await.unwrap()
}

#[tokio::test]
async fn everything_of_an_event_comes_back() {
    let (_emulator, hub) = start().await;
    let key = PartitionKey::new("k").unwrap();
    let number = key.partition(4).number();
    let message = MessageProperties {
        message_id: Some(MessageId::Uuid([9; 16])),
        user_id: Some(Bytes::from_static(b"me")),
        to: Some("you".into()),
        subject: Some("subject".into()),
        reply_to: Some("reply".into()),
        correlation_id: Some(MessageId::Binary(Bytes::from_static(b"id"))),
        content_type: Some("text/plain".into()),
        content_encoding: Some("gzip".into()),
        absolute_expiry_time: Some(Timestamp::from_millis(4_000_000_000_000)),
        creation_time: Some(Timestamp::from_millis(-1)),
        group_id: Some("group".into()),
        group_sequence: Some(300),
        reply_to_group_id: Some("other".into()),
    };
    let values = [
        Value::Null,
        Value::Bool(true),
        Value::Bool(false),
        Value::U8(u8::MAX),
        Value::U16(u16::MAX),
        Value::U32(0),
        Value::U32(255),
        Value::U32(u32::MAX),
        Value::U64(0),
        Value::U64(255),
        Value::U64(u64::MAX),
        Value::I8(i8::MIN),
        Value::I16(i16::MIN),
        Value::I32(-1),
        Value::I32(i32::MIN),
        Value::I64(-1),
        Value::I64(i64::MIN),
        Value::F32(1.5),
        Value::F64(-2.5),
        Value::Decimal32([1; 4]),
        Value::Decimal64([2; 8]),
        Value::Decimal128([3; 16]),
        Value::Char('ß'),
        Value::Timestamp(Timestamp::from_millis(-5)),
        Value::Uuid([4; 16]),
        Value::Binary(Bytes::from(vec![5; 300])),
        Value::String("x".repeat(300)),
        Value::String(String::new()),
        Value::Symbol("symbol".into()),
    ];
    let mut event = EventData::new(vec![0, 1, 255]).with_message_properties(message);
    for (number, value) in values.into_iter().enumerate() {
        event = event.with_property(format!("p{number}"), value);
    }
    let event = event.with_target(key.clone());
    let sent = amqp_support::batch(Target::Key(key), [event.clone()]);
    hub.producer().send_batch(sent).await.unwrap();

    let options = ReceiverOptions::new(PartitionId::new(number));
    let mut receiver = hub.consumer().open_receiver(options).await.unwrap();
    let received = receiver.receive(ONE).await.unwrap().remove(0);
    assert_eq!(received.into_event(), event);
}

#[tokio::test]
async fn every_kind_of_message_id_comes_back() {
    let (_emulator, hub) = start().await;
    let ids = [
        MessageId::U64(0),
        MessageId::U64(u64::MAX),
        MessageId::Uuid([1; 16]),
        MessageId::Binary(Bytes::from(vec![2; 300])),
        MessageId::String("id".into()),
    ];
    let event = |id: &MessageId| EventData::new("").with_message_id(id.clone());
    send(&hub.producer(), 0, ids.iter().map(event).collect()).await;
    let mut receiver = open(&hub, StartPosition::Earliest).await;
    let received = receive(&mut receiver, ids.len()).await.unwrap();
    let back = received
        .into_iter()
        .map(|event| event.message_properties().message_id.clone().unwrap());
    assert!(back.eq(ids));
}

#[tokio::test]
async fn a_receiver_takes_the_offsets_of_a_geo_replicated_hub() {
    let (emulator, hub) = start().await;
    let _receiver = open(&hub, StartPosition::Earliest).await;
    let connections = emulator.connections();
    let mut links = connections.iter().flat_map(|connection| &connection.links);
    let receiver = links.find(|link| link.consumer_group.is_some()).unwrap();
    assert!(receiver.geo_replication);
}

#[tokio::test]
async fn a_group_or_hub_that_does_not_exist_is_not_found() {
    let (emulator, hub) = start().await;
    let options = ReceiverOptions {
        consumer_group: "nope".into(),
        ..ReceiverOptions::new(PartitionId::new(0))
    };
    let error = hub.consumer().open_receiver(options).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotFound);
    assert!(error.to_string().contains("|nope"), "{error}");

    let hub = EventHub::connect_to(&emulator.connection_string(), "nohub")
        .await
        .unwrap();
    let options = ReceiverOptions::new(PartitionId::new(0));
    let error = hub.consumer().open_receiver(options).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotFound);
}

#[tokio::test]
async fn a_receiver_whose_connection_broke_is_dead_and_the_consumer_is_not() {
    let (emulator, hub) = start().await;
    let port = emulator.address().port();
    let mut receiver = open(&hub, StartPosition::Earliest).await;
    let (outcome, ()) = tokio::join!(receiver.receive(ONE), emulator.stop());
    for error in [
        outcome.unwrap_err(),
        receiver.receive(ONE).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), &ErrorKind::Disconnected);
    }
    let _emulator = Emulator::builder().port(port).start().await.unwrap();
    let mut again = open(&hub, StartPosition::Earliest).await;
    send(&hub.producer(), 0, events(["a"]).into()).await;
    assert_eq!(bodies(&again.receive(ONE).await.unwrap()), ["a"]);
}
