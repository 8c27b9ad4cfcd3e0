//! Receiving: what comes, from where on, and how much of it.

use std::num::NonZeroU32;
use std::time::Duration;

use super::harness::{Harness, Outcome};
use super::kit::*;
use crate::contract::Verdict;
use crate::error::ErrorKind;
use crate::event::{EventData, ReceivedEvent};
use crate::partition::{PartitionKey, Target};
use crate::transport::{
    ReceiverOptions, StartPosition, TransportConsumer, TransportManagement, TransportProducer,
    TransportReceiver,
};
use crate::value::Timestamp;

/// Events come in order, with their place in the partition.
pub async fn places(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    send(&producer, FIRST, &["a", "b"]).await;
    send(&producer, SECOND, &["elsewhere"]).await;
    send(&producer, FIRST, &["c"]).await;
    let mut receiver = open(&consumer, options(StartPosition::Earliest)).await;
    let received = receive(&mut *receiver, 3).await;
    assert_eq!(bodies(&received), ["a", "b", "c"]);
    for (event, stored) in received.iter().zip(hub.stored().await) {
        assert_eq!(event.partition(), FIRST);
        assert_eq!(event.sequence_number(), stored.sequence_number());
        assert_eq!(event.offset(), stored.offset());
        assert_eq!(event.enqueued_time(), stored.enqueued_time());
    }
    Verdict::Held
}

/// An event comes back as it was sent: body, properties and key.
pub async fn contents(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    let key = PartitionKey::new("a key").expect("short");
    let event = EventData::new(vec![0, 1, 255])
        .with_target(key.clone())
        .with_property("unit", "celsius")
        .with_property("count", 3_i32)
        .with_message_id("id")
        .with_correlation_id("other")
        .with_content_type("text/plain");
    let mut sent = batch::<Vec<u8>>(key, []);
    sent.try_add(event.clone()).expect("no limits");
    producer.send_batch(sent).await.expect("accepted");
    let partition = hub.stored().await[0].partition();
    let mut receiver = open(&consumer, ReceiverOptions::new(partition)).await;
    let received = receive(&mut *receiver, 1).await.remove(0);
    assert_eq!(received.into_event(), event);

    let large: Vec<u8> = (0..500_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    let sent = batch(partition, [large.clone()]);
    producer.send_batch(sent).await.expect("accepted");
    let received = receive(&mut *receiver, 1).await.remove(0);
    assert!(received.body() == &large, "a large body came back changed");
    assert_eq!(received.into_event().target(), &Target::Any);
    Verdict::Held
}

/// A receiver starts where every [`StartPosition`] says.
pub async fn positions(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    for body in ["0", "1", "2"] {
        send(&producer, FIRST, &[body]).await;
        later(&producer).await;
    }
    let mut stored = hub.stored().await;
    stored.retain(|event| event.partition() == FIRST);
    let offset = |index: usize, inclusive| StartPosition::Offset {
        offset: ReceivedEvent::offset(&stored[index]).into(),
        inclusive,
    };
    let number = |index: usize, inclusive| StartPosition::SequenceNumber {
        number: stored[index].sequence_number(),
        inclusive,
    };
    let after = |index: usize| StartPosition::EnqueuedAfter(stored[index].enqueued_time().into());
    let long_ago = StartPosition::EnqueuedAfter(Timestamp::from_millis(0));
    let before_all = StartPosition::SequenceNumber {
        number: -1,
        inclusive: false,
    };
    // The index of the first event of the three, and of those sent meanwhile.
    let table = [
        (StartPosition::Earliest, Some(0)),
        (StartPosition::Latest, None),
        (offset(0, true), Some(0)),
        (offset(0, false), Some(1)),
        (offset(2, true), Some(2)),
        (offset(2, false), Some(3)),
        (before_all, Some(0)),
        (number(1, true), Some(1)),
        (number(1, false), Some(2)),
        (number(2, false), Some(3)),
        (long_ago, Some(0)),
        (after(0), Some(1)),
        (after(1), Some(2)),
    ];
    for (round, (position, first)) in (stored.len()..).zip(table) {
        let shown = format!("{position:?}");
        let mut receiver = open(&consumer, options(position)).await;
        let sent = batch(FIRST, [round.to_string()]);
        producer.send_batch(sent).await.expect("accepted");
        let expected: Vec<_> = (first.unwrap_or(round)..=round)
            .map(|number| number.to_string())
            .collect();
        let received = receive(&mut *receiver, expected.len()).await;
        assert_eq!(bodies(&received), expected, "from {shown}");
        receiver.close().await.expect("closed");
    }
    Verdict::Held
}

/// Sends elsewhere until the hub's clock, in whole milliseconds, has moved on.
async fn later(producer: &dyn TransportProducer) {
    let mut first = None;
    loop {
        send(producer, SECOND, &["meanwhile"]).await;
        let now = producer.partition_properties(SECOND).await;
        let now = Timestamp::from(now.expect("properties").last_enqueued_time);
        if *first.get_or_insert(now) != now {
            return;
        }
        // A paused clock moves only while all wait for it.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A position beyond the end is refused, when a receiver is opened or when it
/// first reads.
pub async fn positions_beyond_the_end(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    send(&producer, FIRST, &["a"]).await;
    for inclusive in [true, false] {
        let number = StartPosition::SequenceNumber {
            number: 99,
            inclusive,
        };
        let offset = StartPosition::Offset {
            offset: "1000000".into(),
            inclusive,
        };
        for position in [number, offset] {
            let error = match consumer.open_receiver(options(position)).await {
                Ok(mut receiver) => ended(&mut *receiver).await,
                Err(error) => error,
            };
            assert_kind!(error, ErrorKind::InvalidPosition);
        }
    }
    Verdict::Held
}

/// No receiver opens on a partition that does not exist.
pub async fn unknown_partitions(hub: &dyn Harness) -> Verdict {
    let consumer = hub.consumer().await;
    let error = not_opened(&consumer, ReceiverOptions::new(UNKNOWN)).await;
    assert_kind!(error, ErrorKind::InvalidPartition);
    Verdict::Held
}

/// A receiver waits for events, and ends its wait with the first.
pub async fn new_events(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    let mut receiver = open(&consumer, options(StartPosition::Earliest)).await;
    for body in ["a", "b"] {
        let bodies_sent = [body];
        let (received, ()) = tokio::join!(
            receive_some(&mut *receiver, MANY),
            send(&producer, FIRST, &bodies_sent)
        );
        assert_eq!(bodies(&received), bodies_sent);
    }
    Verdict::Held
}

/// No call returns more than its credit, and all of them together return every
/// event once, in order.
pub async fn credit(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    let names: Vec<_> = (0..100).map(|number: u32| number.to_string()).collect();
    let sent = batch(FIRST, names.clone());
    producer.send_batch(sent).await.expect("accepted");
    let mut receiver = open(&consumer, options(StartPosition::Earliest)).await;
    let mut received = Vec::new();
    let mut credits = [1, 3, 10, 2, 50, 7].into_iter().cycle();
    while received.len() < names.len() {
        let credit = credits.next().and_then(NonZeroU32::new).expect("endless");
        received.extend(receive_some(&mut *receiver, credit).await);
    }
    assert_eq!(bodies(&received), names);
    Verdict::Held
}

/// Nothing flows before the first call, and no more than its credit after it: a
/// reader that stops, stops the wire.
pub async fn credit_without_a_call(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    let sent = batch(FIRST, vec![vec![0; 1000]; 90]);
    producer.send_batch(sent).await.expect("accepted");
    let mut receiver = open(&consumer, options(StartPosition::Earliest)).await;
    round_trips(&consumer).await;
    match hub.delivered() {
        Some(delivered) => assert_eq!(delivered, 0, "events that nobody asked for"),
        None => return Verdict::Skipped,
    }
    let ten = NonZeroU32::new(10).expect("not zero");
    let first = receive_some(&mut *receiver, ten).await;
    round_trips(&consumer).await;
    let delivered = hub.delivered().expect("it told before");
    assert!(
        delivered <= 10,
        "{delivered} were delivered for a credit of ten"
    );
    receive(&mut *receiver, 90 - first.len()).await;
    assert_eq!(hub.delivered(), Some(90));
    Verdict::Held
}

/// Waiting for the end asks for no event and loses none.
pub async fn waiting_for_the_end(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    let names: Vec<_> = (0..90).map(|number: u32| number.to_string()).collect();
    let sent = batch(FIRST, names.clone());
    producer.send_batch(sent).await.expect("accepted");
    let mut receiver = open(&consumer, options(StartPosition::Earliest)).await;
    wait_for_the_end_in_vain(&mut *receiver, &consumer).await;
    match hub.delivered() {
        Some(delivered) => assert_eq!(delivered, 0, "events that nobody asked for"),
        None => return Verdict::Skipped,
    }
    let ten = NonZeroU32::new(10).expect("not zero");
    let mut received = receive_some(&mut *receiver, ten).await;
    wait_for_the_end_in_vain(&mut *receiver, &consumer).await;
    assert!(hub.delivered() <= Some(10), "beyond the credit of ten");
    received.extend(receive(&mut *receiver, 90 - received.len()).await);
    assert_eq!(bodies(&received), names);
    Verdict::Held
}

async fn wait_for_the_end_in_vain(
    receiver: &mut dyn TransportReceiver,
    consumer: &dyn TransportConsumer,
) {
    tokio::select! {
        // In this order, so that it is polled though a trip may take no time.
        biased;
        error = receiver.ended() => panic!("nothing has ended the receiver: {error:?}"),
        () = round_trips(consumer) => {}
    }
}

/// A receiver whose connection broke says so, again and again; the consumer
/// opens another, which goes on behind what was read.
pub async fn lost_connections(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    send(&producer, FIRST, &["a", "b"]).await;
    let mut receiver = open(&consumer, options(StartPosition::Earliest)).await;
    let read = receive(&mut *receiver, 1).await.remove(0);
    let mut without_room = open(&consumer, options(StartPosition::Earliest)).await;
    let Some(guard) = hub.provoke(Outcome::ReceiversLost) else {
        return Verdict::Skipped;
    };
    // What had come before may still be read.
    let error = loop {
        if let Err(error) = receiver.receive(ONE).await {
            break error;
        }
    };
    assert_kind!(error, ErrorKind::Disconnected);
    assert_kind!(ended(&mut *receiver).await, ErrorKind::Disconnected);
    assert_kind!(without_room.ended().await, ErrorKind::Disconnected);
    assert_kind!(ended(&mut *without_room).await, ErrorKind::Disconnected);
    drop(guard);
    let behind = StartPosition::Offset {
        offset: read.offset().into(),
        inclusive: false,
    };
    let mut again = open(&consumer, options(behind)).await;
    assert_eq!(bodies(&receive(&mut *again, 1).await), ["b"]);
    consumer.hub_properties().await.expect("properties");
    Verdict::Held
}
