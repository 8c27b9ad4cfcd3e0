//! Steering and seeing a consumer while something reads it, on a paused clock.

#[path = "support/consuming.rs"]
mod consuming;

use std::collections::BTreeMap;
use std::time::Duration;

use consuming::{FIRST, SECOND, earliest, idle, open, send};
use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::consumer::epoch_safe::{
    EpochSafeConsumer, EpochSafeConsumerOptions, PartitionSnapshot, PartitionState,
};
use eventhubs_flow::transport::StartPosition;
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{ErrorKind, PartitionId};
use futures::{FutureExt as _, StreamExt as _};

/// All that can be had without anything new.
async fn drain(events: &mut EpochSafeConsumer) -> Vec<(PartitionId, i64)> {
    let mut drained = Vec::new();
    loop {
        idle().await;
        let Some(item) = events.next().now_or_never() else {
            return drained;
        };
        let event = item.expect("more").expect("an event");
        drained.push((event.partition(), event.sequence_number()));
    }
}

fn seen(events: &EpochSafeConsumer, partition: PartitionId) -> PartitionSnapshot {
    let partitions = events.handle().snapshot().partitions;
    let mut partitions = partitions.into_iter();
    partitions
        .find(|seen| seen.partition == partition)
        .expect("read")
}

#[tokio::test(start_paused = true)]
async fn a_paused_partition_yields_nothing_while_the_others_go_on_and_nothing_is_lost() {
    let hub = MemoryHub::new(2);
    send(&hub, FIRST, 100).await;
    send(&hub, SECOND, 100).await;
    let mut events = open(&hub, earliest()).await;
    let handle = events.handle();
    // In the middle of a delivery of it.
    let mut before = 0;
    loop {
        let event = events.next().await.expect("more").expect("an event");
        if event.partition() == FIRST {
            break;
        }
        before += 1;
    }
    handle.pause(FIRST).expect("read here");
    assert!(seen(&events, FIRST).paused);
    let rest = drain(&mut events).await;
    assert_eq!(
        rest,
        (before..100)
            .map(|number| (SECOND, number))
            .collect::<Vec<_>>()
    );
    handle.resume(FIRST).expect("read here");
    let rest = drain(&mut events).await;
    assert_eq!(
        rest,
        (1..100).map(|number| (FIRST, number)).collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn a_paused_partition_stops_the_wire_at_its_bound() {
    let hub = MemoryHub::new(1);
    send(&hub, FIRST, 1000).await;
    let events = open(&hub, earliest()).await;
    events.handle().pause(FIRST).expect("read here");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(hub.delivered_count() <= 300, "{}", hub.delivered_count());
    assert_eq!(seen(&events, FIRST).state, PartitionState::Reading);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_not_read_is_neither_paused_nor_resumed() {
    let hub = MemoryHub::new(2);
    let events = open(&hub, earliest().with_partitions([FIRST])).await;
    let handle = events.handle();
    for refused in [handle.pause(SECOND), handle.resume(SECOND)] {
        let kind = refused.expect_err("not read").kind().clone();
        assert_eq!(kind, ErrorKind::InvalidPartition);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_consumer_yields_nothing_more_and_keeps_its_partitions_until_it_is_closed() {
    let hub = MemoryHub::new(2);
    send(&hub, FIRST, 100).await;
    let mut events = open(&hub, earliest()).await;
    events.next().await.expect("more").expect("an event");
    events.handle().stop();
    assert!(events.next().await.is_none());
    idle().await;
    let pulled = hub.delivered_count();
    send(&hub, SECOND, 100).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(hub.receiver_count(), 2);
    // What was asked for before may still come.
    assert!(hub.delivered_count() <= pulled + 8);
    EventStream::close(events).await.expect("closed");
    assert_eq!(hub.receiver_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn split_streams_have_a_partition_each_and_hold_none_of_the_others_up() {
    let hub = MemoryHub::new(3);
    for number in 0..3 {
        send(&hub, PartitionId::new(number), 1000).await;
    }
    let mut events = open(&hub, earliest()).await;
    // One event is out, and the rest of its delivery at hand.
    let first = events.next().await.expect("more").expect("an event");
    let mut partitions = events.split();
    let mut streams = BTreeMap::new();
    for _ in 0..3 {
        let stream = partitions.next().await.expect("a partition");
        streams.insert(stream.partition(), stream);
    }
    assert!(partitions.next().now_or_never().is_none(), "no others yet");
    let mut abandoned = streams.remove(&first.partition()).expect("it");
    for (partition, stream) in &mut streams {
        for number in 0..1000 {
            let event = stream.next().await.expect("more").expect("an event");
            assert_eq!(event.partition(), *partition);
            assert_eq!(event.sequence_number(), number);
        }
    }
    let event = abandoned.next().await.expect("more").expect("an event");
    assert_eq!(event.sequence_number(), first.sequence_number() + 1);

    EventStream::close(abandoned).await.expect("closed");
    assert_eq!(hub.receiver_count(), 2, "one alone is closed");
    partitions.close().await.expect("closed");
    assert_eq!(hub.receiver_count(), 0);
    for stream in streams.values_mut() {
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn split_streams_keep_the_consumer_open_and_the_last_one_closes_it() {
    let hub = MemoryHub::new(2);
    let mut partitions = open(&hub, earliest()).await.split();
    let mut first = partitions.next().await.expect("a partition");
    let second = partitions.next().await.expect("a partition");
    drop(partitions);
    drop(second);
    send(&hub, first.partition(), 1).await;
    first.next().await.expect("more").expect("an event");
    drop(first);
    idle().await;
    assert_eq!(hub.receiver_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn partitions_that_are_added_are_read_from_their_first_event() {
    for split in [false, true] {
        let hub = MemoryHub::new(1);
        // Of the old partition only what is new is asked for.
        let options = EpochSafeConsumerOptions::default();
        let mut events = open(&hub, options).await;
        idle().await;
        hub.set_partition_count(2);
        send(&hub, SECOND, 3).await;
        let numbers: Vec<_> = if split {
            let mut partitions = events.split();
            let _old = partitions.next().await.expect("the old one");
            let new = partitions.next().await.expect("the new one");
            assert_eq!(new.partition(), SECOND);
            new.take(3).collect().await
        } else {
            events.by_ref().take(3).collect().await
        };
        let numbers: Vec<_> = numbers
            .into_iter()
            .map(|event| event.expect("an event").sequence_number())
            .collect();
        assert_eq!(numbers, [0, 1, 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_is_named_is_read_of_a_hub_that_grows() {
    let hub = MemoryHub::new(1);
    let events = open(&hub, earliest().with_partitions([FIRST])).await;
    hub.set_partition_count(2);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(events.partitions(), [FIRST]);
    assert_eq!(hub.receiver_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_partition_starts_where_it_is_told() {
    let hub = MemoryHub::new(3);
    for number in 0..3 {
        send(&hub, PartitionId::new(number), 10).await;
    }
    let at = |number| StartPosition::SequenceNumber {
        number,
        inclusive: true,
    };
    let options = earliest()
        .with_position_of(SECOND, at(7))
        .with_position_of(PartitionId::new(2), at(9));
    let mut events = open(&hub, options).await;
    let mut firsts = BTreeMap::new();
    for _ in 0..14 {
        let event = events.next().await.expect("more").expect("an event");
        let number = event.partition().number();
        firsts.entry(number).or_insert(event.sequence_number());
    }
    assert_eq!(firsts, BTreeMap::from([(0, 0), (1, 7), (2, 9)]));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_tells_lag_credit_and_what_is_buffered() {
    let hub = MemoryHub::new(1);
    send(&hub, FIRST, 100).await;
    let mut events = open(&hub, earliest().with_name("ours")).await;
    idle().await;
    let before = seen(&events, FIRST);
    assert_eq!(before.state, PartitionState::Reading);
    assert_eq!(before.owner_level, Some(0));
    assert_eq!(before.owner.as_deref(), Some("ours"));
    assert!(before.generation.is_some());
    assert_eq!(before.buffered_events, 100);
    assert!(before.buffered_bytes > 500 && before.credit > 0);
    assert_eq!((before.last_yielded, before.lag_events), (None, None));
    for _ in 0..40 {
        events.next().await.expect("more").expect("an event");
    }
    let after = seen(&events, FIRST);
    assert_eq!(after.last_yielded, Some(39));
    assert_eq!(after.lag_events, Some(60));
    assert!(after.lag.is_some_and(|lag| lag > Duration::ZERO));
    for _ in 0..60 {
        events.next().await.expect("more").expect("an event");
    }
    let done = seen(&events, FIRST);
    assert_eq!((done.lag_events, done.lag), (Some(0), Some(Duration::ZERO)));
    assert_eq!(done.unacknowledged, 0, "nothing is counted without a store");
}
