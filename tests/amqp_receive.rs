//! Receiving over AMQP: positions, credit, what comes back of an event, closing.
#![cfg(feature = "amqp")]

mod amqp_support;

use std::num::NonZeroU32;
use std::time::Duration;

use amqp_support::{HUB, bodies, events, receive, send, start};
use bytes::Bytes;
use eventhubs_emulator::Emulator;
use eventhubs_flow::transport::{
    ReceiverOptions, StartPosition, TransportConsumer, TransportProducer, TransportReceiver,
};
use eventhubs_flow::{
    ErrorKind, EventData, EventHub, MessageId, MessageProperties, PartitionId, PartitionKey,
    Target, Timestamp, Value,
};
use futures::FutureExt;

const ONE: NonZeroU32 = NonZeroU32::MIN;
const MANY: NonZeroU32 = NonZeroU32::new(1000).unwrap();

async fn open(hub: &EventHub, position: StartPosition) -> Box<dyn TransportReceiver> {
    let options = ReceiverOptions {
        position,
        ..ReceiverOptions::new(PartitionId::new(0))
    };
    hub.consumer().open_receiver(options).await.unwrap()
}

async fn received_from(hub: &EventHub, position: StartPosition, count: usize) -> Vec<String> {
    bodies(
        &receive(&mut open(hub, position).await, count)
            .await
            .unwrap(),
    )
}

#[tokio::test]
async fn events_come_in_order_with_their_place_in_the_partition() {
    let (emulator, hub) = start().await;
    send(&hub.producer(), 0, events(["a", "b", "c"]).into()).await;
    let mut receiver = open(&hub, StartPosition::Earliest).await;
    let received = receive(&mut receiver, 3).await.unwrap();

    assert_eq!(bodies(&received), ["a", "b", "c"]);
    for (event, stored) in received.iter().zip(emulator.received(HUB)) {
        assert_eq!(event.sequence_number(), stored.sequence_number);
        assert_eq!(event.offset(), stored.offset);
        assert_eq!(event.enqueued_time(), stored.enqueued_time);
        assert_eq!(event.partition(), PartitionId::new(0));
        assert_eq!(event.partition_key(), None);
    }
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
async fn large_events_come_back_whole() {
    let (_emulator, hub) = start().await;
    let body: Vec<u8> = (0..900_000_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    send(&hub.producer(), 0, vec![EventData::new(body.clone())]).await;
    let mut receiver = open(&hub, StartPosition::Earliest).await;
    assert_eq!(receiver.receive(ONE).await.unwrap()[0].body(), &body[..]);
}

#[tokio::test]
async fn a_receiver_starts_at_its_position() {
    let (emulator, hub) = start().await;
    send(&hub.producer(), 0, events(["a", "b", "c"]).into()).await;
    let second = emulator.received(HUB)[1].clone();
    let offset = |inclusive| StartPosition::Offset {
        offset: second.offset.clone(),
        inclusive,
    };
    let number = |inclusive| StartPosition::SequenceNumber {
        number: second.sequence_number,
        inclusive,
    };
    for (position, expected) in [
        (StartPosition::Earliest, &["a", "b", "c"][..]),
        (offset(true), &["b", "c"]),
        (offset(false), &["c"]),
        (number(true), &["b", "c"]),
        (number(false), &["c"]),
        (
            StartPosition::EnqueuedAfter(Timestamp::from_millis(0)),
            &["a", "b", "c"],
        ),
    ] {
        let shown = format!("{position:?}");
        assert_eq!(
            received_from(&hub, position, expected.len()).await,
            expected,
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_receiver_at_the_latest_position_gets_what_is_stored_from_then_on() {
    let (_emulator, hub) = start().await;
    let producer = hub.producer();
    send(&producer, 0, events(["before"]).into()).await;
    let mut latest = open(&hub, StartPosition::Latest).await;
    send(&producer, 0, events(["after"]).into()).await;
    assert_eq!(bodies(&latest.receive(MANY).await.unwrap()), ["after"]);
}

#[tokio::test]
async fn a_position_beyond_the_end_is_invalid() {
    let (_emulator, hub) = start().await;
    send(&hub.producer(), 0, events(["a"]).into()).await;
    let options = ReceiverOptions {
        position: StartPosition::SequenceNumber {
            number: 99,
            inclusive: false,
        },
        ..ReceiverOptions::new(PartitionId::new(0))
    };
    // The service may say so at once, or when it is read.
    let error = match hub.consumer().open_receiver(options).await {
        Ok(mut receiver) => receiver.receive(ONE).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), &ErrorKind::InvalidPosition);
    assert!(
        error
            .to_string()
            .contains("The supplied sequence number '99' is invalid"),
        "{error}"
    );
}

#[tokio::test]
async fn no_more_comes_than_was_asked_for() {
    let (_emulator, hub) = start().await;
    let all: Vec<_> = (0..100)
        .map(|number: u32| EventData::new(number.to_string()))
        .collect();
    send(&hub.producer(), 0, all).await;
    let mut receiver = open(&hub, StartPosition::Earliest).await;
    let mut received = Vec::new();
    for credit in [1, 3, 10, 2, 50, 7].into_iter().cycle() {
        let events = receiver
            .receive(NonZeroU32::new(credit).unwrap())
            .await
            .unwrap();
        assert!(
            (1..=credit as usize).contains(&events.len()),
            "{} of {credit}",
            events.len()
        );
        received.extend(events);
        if received.len() == 100 {
            break;
        }
    }
    let expected: Vec<_> = (0..100).map(|number: u32| number.to_string()).collect();
    assert_eq!(bodies(&received), expected);
}

#[tokio::test]
async fn a_reader_that_stops_leaves_the_rest_on_the_service() {
    let (_emulator, hub) = start().await;
    send(&hub.producer(), 0, vec![EventData::new(vec![0; 1000]); 90]).await;
    let mut receiver = open(&hub, StartPosition::Earliest).await;
    let ten = NonZeroU32::new(10).unwrap();
    let mut count = receiver.receive(ten).await.unwrap().len();
    // The connection is one stream: what was on its way has come when answers have.
    for _ in 0..3 {
        hub.properties().await.unwrap();
    }
    // Nothing is awaited, so whatever this asks for cannot come any more.
    while let Some(events) = receiver.receive(ONE).now_or_never() {
        count += events.unwrap().len();
    }
    assert!(count <= 10, "{count} came for a credit of ten");
    let rest = receive(&mut receiver, 90 - count).await.unwrap();
    assert_eq!(rest.len(), 90 - count);
}

#[tokio::test]
async fn a_dropped_receive_loses_no_event() {
    let (_emulator, hub) = start().await;
    let producer = hub.producer();
    let mut receiver = open(&hub, StartPosition::Earliest).await;
    let mut received = Vec::new();
    for number in 0..50_u32 {
        // Dropped while it waits, with its credit granted.
        assert!(receiver.receive(MANY).now_or_never().is_none_or(|events| {
            received.extend(events.unwrap());
            true
        }));
        send(&producer, 0, vec![EventData::new(number.to_string())]).await;
    }
    let rest = 50 - received.len();
    received.extend(receive(&mut receiver, rest).await.unwrap());
    let expected: Vec<_> = (0..50_u32).map(|number| number.to_string()).collect();
    assert_eq!(bodies(&received), expected);
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
async fn a_partition_that_does_not_exist_is_invalid() {
    let (_emulator, hub) = start().await;
    let options = ReceiverOptions::new(PartitionId::new(4));
    let error = hub.consumer().open_receiver(options).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidPartition);
}

#[tokio::test]
async fn a_receiver_that_is_closed_or_dropped_is_gone_from_the_service() {
    let (emulator, hub) = start().await;
    let receiver = open(&hub, StartPosition::Earliest).await;
    assert_eq!(emulator.receivers(HUB).len(), 1);
    receiver.close().await.unwrap();
    assert_eq!(emulator.receivers(HUB).len(), 0);

    drop(open(&hub, StartPosition::Earliest).await);
    // Five may read beside each other: a sixth shows that the first one went.
    let mut receivers = Vec::new();
    while receivers.len() < 5 {
        receivers.push(open(&hub, StartPosition::Earliest).await);
    }
}

#[tokio::test]
async fn closing_a_consumer_ends_its_receivers_even_while_they_wait() {
    let (emulator, hub) = start().await;
    let consumer = hub.consumer();
    let options = || ReceiverOptions::new(PartitionId::new(0));
    let mut waiting = consumer.open_receiver(options()).await.unwrap();
    let mut idle = consumer.open_receiver(options()).await.unwrap();
    let (outcome, closed) = tokio::join!(waiting.receive(ONE), async {
        emulator.wait_for_receivers(HUB, 2).await;
        consumer.close().await
    });
    closed.unwrap();
    assert_eq!(emulator.receivers(HUB).len(), 0);
    for error in [
        outcome.unwrap_err(),
        waiting.receive(ONE).await.unwrap_err(),
        idle.receive(ONE).await.unwrap_err(),
        consumer.open_receiver(options()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), &ErrorKind::Closed);
    }
    consumer.close().await.unwrap();
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

#[tokio::test]
async fn waiting_for_an_event_has_no_limit_and_ends_with_one() {
    let (_emulator, hub) = start().await;
    let mut receiver = open(&hub, StartPosition::Earliest).await;
    let waiting = tokio::spawn(async move { receiver.receive(MANY).await });
    tokio::task::yield_now().await;
    send(&hub.producer(), 0, events(["a"]).into()).await;
    let received = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert_eq!(bodies(&received.unwrap().unwrap().unwrap()), ["a"]);
}
