//! The memory transport behaves as the service does, on a paused clock.

use std::num::NonZeroU32;
use std::time::Duration;

use eventhubs_flow::transport::memory::{MemoryConsumer, MemoryHub};
use eventhubs_flow::transport::{
    ReceiverOptions, StartPosition, TransportConsumer, TransportManagement, TransportProducer,
    TransportReceiver,
};
use eventhubs_flow::{
    BatchLimits, EpochConflict, Error, ErrorKind, EventBatch, EventData, OwnershipLostReason,
    PartitionId, PartitionKey, ReceivedEvent, Target,
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

fn from(position: StartPosition) -> ReceiverOptions {
    ReceiverOptions {
        position,
        ..ReceiverOptions::new(FIRST)
    }
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
async fn a_batch_goes_whole_to_its_partition_and_is_numbered_there() {
    let hub = MemoryHub::new(2);
    send(&hub, PartitionId::new(1), &["a", "b"]).await;
    send(&hub, PartitionId::new(1), &["c"]).await;
    let received = hub.received();
    assert_eq!(bodies(&received), ["a", "b", "c"]);
    for (event, number) in received.iter().zip(0..) {
        assert_eq!(event.partition(), PartitionId::new(1));
        assert_eq!(event.sequence_number(), number);
    }
    assert_ne!(received[0].offset(), received[1].offset());
    assert_eq!((hub.event_count(), hub.batch_count()), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_keyed_batch_goes_where_its_key_maps_and_keeps_the_key() {
    let hub = MemoryHub::new(7);
    for number in 0..20 {
        let key = PartitionKey::new(format!("device {number}")).expect("short");
        send(&hub, key, &["event"]).await;
    }
    let received = hub.received();
    assert_eq!(received.len(), 20);
    for event in received {
        let key = event.partition_key().expect("kept").clone();
        assert_eq!(event.partition(), key.partition(7));
    }
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
async fn a_receiver_gets_no_more_than_its_credit_and_waits_for_more() {
    let hub = MemoryHub::new(1);
    send(&hub, FIRST, &["a", "b", "c"]).await;
    let consumer = hub.consumer();
    let mut receiver = open(&consumer, ReceiverOptions::new(FIRST)).await;
    let events = receiver.receive(credit(2)).await.expect("two");
    assert_eq!(bodies(&events), ["a", "b"]);
    let events = receiver.receive(credit(2)).await.expect("the rest");
    assert_eq!(bodies(&events), ["c"]);
    assert!(receiver.receive(credit(2)).now_or_never().is_none());
    let (events, ()) = tokio::join!(receiver.receive(credit(2)), send(&hub, FIRST, &["d"]));
    assert_eq!(bodies(&events.expect("the new one")), ["d"]);
    assert_eq!(hub.delivered_count(), 4);
}

#[tokio::test(start_paused = true)]
async fn positions_start_where_they_say() {
    let hub = MemoryHub::new(1);
    for body in ["a", "b", "c"] {
        send(&hub, FIRST, &[body]).await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let stored = hub.received();
    let number = |number, inclusive| StartPosition::SequenceNumber { number, inclusive };
    let offset = |index: usize, inclusive| StartPosition::Offset {
        offset: stored[index].offset().into(),
        inclusive,
    };
    let after = |index: usize| StartPosition::EnqueuedAfter(stored[index].enqueued_time().into());
    let table: [(StartPosition, &[&str]); 11] = [
        (StartPosition::Earliest, &["a", "b", "c", "d"]),
        (StartPosition::Latest, &["d"]),
        (number(1, true), &["b", "c", "d"]),
        (number(1, false), &["c", "d"]),
        (number(-1, false), &["a", "b", "c", "d"]),
        (number(2, false), &["d"]),
        (offset(1, true), &["b", "c", "d"]),
        (offset(1, false), &["c", "d"]),
        (offset(2, false), &["d"]),
        (after(0), &["b", "c", "d"]),
        (after(2), &["d"]),
    ];
    let consumer = hub.consumer();
    let mut receivers = Vec::new();
    for (position, expected) in table {
        // An owner of a group of its own, or they would displace one another.
        let options = ReceiverOptions {
            consumer_group: format!("{position:?}"),
            ..from(position)
        };
        receivers.push((open(&consumer, options).await, expected));
    }
    send(&hub, FIRST, &["d"]).await;
    for (mut receiver, expected) in receivers {
        let events = receiver.receive(credit(10)).await.expect("events");
        assert_eq!(bodies(&events), expected, "{receiver:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn positions_beyond_the_end_are_refused() {
    let hub = MemoryHub::new(1);
    send(&hub, FIRST, &["a"]).await;
    let consumer = hub.consumer();
    for inclusive in [true, false] {
        let offset = |offset: &str| StartPosition::Offset {
            offset: offset.into(),
            inclusive,
        };
        let number = StartPosition::SequenceNumber {
            number: 1,
            inclusive,
        };
        for position in [number, offset("1000000"), offset("no offset")] {
            let refused = consumer.open_receiver(from(position)).await.unwrap_err();
            assert_eq!(*refused.kind(), ErrorKind::InvalidPosition);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_equal_or_higher_level_displaces_and_the_old_receiver_learns_it_while_waiting() {
    let hub = MemoryHub::new(1);
    let consumer = hub.consumer();
    let mut old = open(&consumer, owner(Some(0), "old")).await;
    let (ended, mut new) = tokio::join!(
        old.receive(credit(1)),
        open(&consumer, owner(Some(0), "new"))
    );
    let conflict = EpochConflict {
        holder: Some("new".into()),
        holder_level: Some(0),
        own_level: Some(0),
    };
    let lost = OwnershipLostReason::Stolen(conflict);
    assert_eq!(
        *ended.unwrap_err().kind(),
        ErrorKind::OwnershipLost(lost.clone())
    );
    send(&hub, FIRST, &["a"]).await;
    let again = old.receive(credit(1)).await.unwrap_err();
    assert_eq!(*again.kind(), ErrorKind::OwnershipLost(lost));
    assert_eq!(new.receive(credit(1)).await.expect("owner").len(), 1);
    drop(old);
    open(&consumer, owner(Some(3), "higher")).await;
    let ended = new.receive(credit(1)).await.unwrap_err();
    assert!(matches!(ended.kind(), ErrorKind::OwnershipLost(_)));
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

#[tokio::test(start_paused = true)]
async fn five_receivers_without_a_level_share_a_partition_and_yield_to_one_with() {
    let hub = MemoryHub::new(1);
    let consumer = hub.consumer();
    send(&hub, FIRST, &["a"]).await;
    let mut sharing = Vec::new();
    for _ in 0..5 {
        let mut receiver = open(&consumer, owner(None, "one of five")).await;
        assert_eq!(receiver.receive(credit(1)).await.expect("all").len(), 1);
        sharing.push(receiver);
    }
    let sixth = consumer.open_receiver(owner(None, "sixth")).await;
    assert_eq!(*sixth.unwrap_err().kind(), ErrorKind::QuotaExceeded);
    drop(sharing.pop());
    sharing.push(open(&consumer, owner(None, "in the freed place")).await);
    let _owner = open(&consumer, owner(Some(0), "owner")).await;
    for mut receiver in sharing {
        let ended = receiver.receive(credit(1)).await.unwrap_err();
        assert!(matches!(ended.kind(), ErrorKind::OwnershipLost(_)));
    }
    assert_eq!(hub.receiver_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_closed_consumer_ends_its_own_receivers_and_opens_no_more() {
    let hub = MemoryHub::new(2);
    let (closing, staying) = (hub.consumer(), hub.consumer());
    let mut ended = open(&closing, owner(None, "ended")).await;
    let mut other = open(&staying, owner(None, "other")).await;
    closing.close().await.expect("closed");
    closing.close().await.expect("closed already");
    let error = ended.receive(credit(1)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Closed);
    drop(ended);
    let refused = closing.open_receiver(ReceiverOptions::new(FIRST)).await;
    assert_eq!(*refused.unwrap_err().kind(), ErrorKind::Closed);
    send(&hub, FIRST, &["a"]).await;
    assert_eq!(other.receive(credit(1)).await.expect("open").len(), 1);
    other.close().await.expect("closed");
    assert_eq!(hub.receiver_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_closed_producer_hands_batches_back() {
    let hub = MemoryHub::new(1);
    let producer = hub.producer();
    producer.close().await.expect("closed");
    let refused = producer.send_batch(batch(FIRST, &["a"])).await.unwrap_err();
    assert_eq!(*refused.error.kind(), ErrorKind::Closed);
    assert_eq!(refused.batch.len(), 1);
    assert_eq!(hub.event_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn properties_tell_the_partitions_and_their_ends() {
    let hub = MemoryHub::new(2);
    send(&hub, FIRST, &["a", "b"]).await;
    let consumer = hub.consumer();
    let partitions = consumer.hub_properties().await.expect("known").partitions;
    assert_eq!(partitions, [FIRST, PartitionId::new(1)]);
    let full = consumer.partition_properties(FIRST).await.expect("exists");
    let last = hub.received().pop().expect("two events");
    assert_eq!(full.beginning_sequence_number, 0);
    assert_eq!(full.last_enqueued_sequence_number, 1);
    assert_eq!(full.last_enqueued_offset, last.offset());
    assert_eq!(full.last_enqueued_time, last.enqueued_time());
    assert!(!full.is_empty);
    let empty = consumer.partition_properties(PartitionId::new(1)).await;
    let empty = empty.expect("exists");
    assert_eq!(empty.last_enqueued_sequence_number, -1);
    assert!(empty.is_empty);
    let unknown = consumer.partition_properties(PartitionId::new(2)).await;
    assert_eq!(*unknown.unwrap_err().kind(), ErrorKind::InvalidPartition);
}
