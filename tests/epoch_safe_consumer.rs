//! `EpochSafeConsumer` on a paused clock, over the memory transport.

mod support;

use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::consumer::epoch_safe::{
    EpochPolicy, EpochSafeConsumer, EpochSafeConsumerOptions,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::transport::{
    ReceiverOptions, StartPosition, TransportConsumer, TransportProducer,
};
use eventhubs_flow::{
    BatchLimits, Error, ErrorKind, EventBatch, EventData, OwnershipLostReason, PartitionId,
    ReceivedEvent, Target,
};
use futures::{FutureExt, StreamExt};
use support::{CountingConsumer, FlakyConsumer, nonzero};

fn options() -> EpochSafeConsumerOptions {
    EpochSafeConsumerOptions::default().with_position(StartPosition::Earliest)
}

async fn open(hub: &MemoryHub, options: EpochSafeConsumerOptions) -> EpochSafeConsumer {
    EpochSafeConsumer::open(Arc::new(hub.consumer()), options)
        .await
        .expect("open")
}

async fn send(hub: &MemoryHub, partition: u32, bodies: &[&str]) {
    let target = Target::Partition(PartitionId::new(partition));
    let mut batch = EventBatch::new(target, BatchLimits::STANDARD);
    for body in bodies {
        batch
            .try_add(EventData::new(body.to_string()))
            .expect("fits");
    }
    hub.producer().send_batch(batch).await.expect("sent");
}

fn bodies(events: &[ReceivedEvent]) -> Vec<&str> {
    let text = |event| std::str::from_utf8(ReceivedEvent::body(event)).expect("text");
    events.iter().map(text).collect()
}

async fn take(consumer: &mut EpochSafeConsumer, count: usize) -> Vec<ReceivedEvent> {
    let items: Vec<_> = consumer.take(count).collect().await;
    items
        .into_iter()
        .map(|item| item.expect("an event"))
        .collect()
}

/// A receiver of somebody else's.
fn intruder(owner_level: Option<i64>) -> ReceiverOptions {
    ReceiverOptions {
        owner_level,
        name: Some("intruder".into()),
        ..ReceiverOptions::new(PartitionId::new(0))
    }
}

#[tokio::test(start_paused = true)]
async fn every_partition_is_read_in_order_and_they_take_turns() {
    let hub = MemoryHub::new(2);
    send(&hub, 0, &["a0", "a1", "a2"]).await;
    send(&hub, 1, &["b0", "b1", "b2"]).await;
    let mut consumer = open(&hub, options()).await;
    // Both pumps have run once the first item is there.
    let events = take(&mut consumer, 6).await;
    for (partition, expected) in [(0, ["a0", "a1", "a2"]), (1, ["b0", "b1", "b2"])] {
        let of = |event: &&ReceivedEvent| event.partition().number() == partition;
        let of: Vec<_> = events.iter().filter(of).cloned().collect();
        assert_eq!(bodies(&of), expected);
    }
    assert!(consumer.next().now_or_never().is_none(), "nothing more yet");
    send(&hub, 1, &["b3"]).await;
    assert_eq!(bodies(&take(&mut consumer, 1).await), ["b3"]);
}

#[tokio::test(start_paused = true)]
async fn by_default_only_new_events_are_read() {
    let hub = MemoryHub::new(1);
    send(&hub, 0, &["old"]).await;
    let mut consumer = open(&hub, EpochSafeConsumerOptions::default()).await;
    tokio::time::sleep(Duration::from_nanos(1)).await;
    send(&hub, 0, &["new"]).await;
    assert_eq!(bodies(&take(&mut consumer, 1).await), ["new"]);
}

#[tokio::test(start_paused = true)]
async fn a_theft_ends_its_partition_and_discards_what_was_buffered() {
    let hub = MemoryHub::new(2);
    send(&hub, 0, &["a0", "a1", "a2"]).await;
    let mut consumer = open(&hub, options()).await;
    assert_eq!(bodies(&take(&mut consumer, 1).await), ["a0"]);
    let thief = hub.consumer().open_receiver(intruder(Some(0))).await;
    let _thief = thief.expect("an equal level wins");
    tokio::time::sleep(Duration::from_nanos(1)).await;

    let lost = consumer.next().await.expect("an item").expect_err("lost");
    let ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(conflict)) = lost.kind() else {
        panic!("{lost:?}");
    };
    assert_eq!(conflict.holder.as_deref(), Some("intruder"));
    assert_eq!(conflict.least_winning_level(), Some(0));
    assert!(lost.to_string().contains("partition 0"), "{lost}");

    send(&hub, 0, &["a3"]).await;
    send(&hub, 1, &["b0"]).await;
    assert_eq!(bodies(&take(&mut consumer, 1).await), ["b0"]);
    assert!(consumer.next().now_or_never().is_none(), "never taken back");
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_when_every_partition_is_lost() {
    let hub = MemoryHub::new(1);
    let mut consumer = open(&hub, options()).await;
    tokio::time::sleep(Duration::from_nanos(1)).await;
    let _thief = hub
        .consumer()
        .open_receiver(intruder(Some(7)))
        .await
        .expect("higher");
    assert!(consumer.next().await.expect("an item").is_err());
    assert!(consumer.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lower_level_is_refused_and_told_which_one_would_win() {
    let hub = MemoryHub::new(1);
    let _holder = hub
        .consumer()
        .open_receiver(intruder(Some(5)))
        .await
        .expect("free");
    let policy = EpochPolicy::TakeOver { level: 3 };
    let mut consumer = open(&hub, options().with_policy(policy)).await;
    let refused = consumer
        .next()
        .await
        .expect("an item")
        .expect_err("refused");
    assert!(matches!(refused.kind(), ErrorKind::OwnershipRefused(_)));
    let sentence = refused.to_string();
    assert!(sentence.contains("owner level 5 or higher"), "{sentence}");
    assert!(consumer.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_without_a_level_is_refused_beside_one_with_a_level() {
    let hub = MemoryHub::new(1);
    let holder = hub
        .consumer()
        .open_receiver(intruder(Some(0)))
        .await
        .expect("free");
    let non_epoch = options().with_policy(EpochPolicy::NonEpoch);
    let mut consumer = open(&hub, non_epoch.clone()).await;
    let refused = consumer
        .next()
        .await
        .expect("an item")
        .expect_err("refused");
    assert!(matches!(refused.kind(), ErrorKind::OwnershipRefused(_)));
    drop(holder);
    send(&hub, 0, &["a0"]).await;
    let mut consumer = open(&hub, non_epoch).await;
    assert_eq!(bodies(&take(&mut consumer, 1).await), ["a0"]);
}

#[tokio::test(start_paused = true)]
async fn a_transient_fault_is_resumed_behind_the_last_event() {
    let hub = MemoryHub::new(1);
    send(&hub, 0, &["a0", "a1", "a2", "a3"]).await;
    let flaky = FlakyConsumer::new(hub.consumer(), 1);
    let mut consumer = EpochSafeConsumer::open(Arc::new(flaky), options())
        .await
        .expect("open");
    let events = take(&mut consumer, 4).await;
    assert_eq!(bodies(&events), ["a0", "a1", "a2", "a3"]);
    let generations: Vec<_> = events.iter().map(ReceivedEvent::generation).collect();
    assert!(generations[0] > 0 && generations.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test(start_paused = true)]
async fn a_later_ownership_has_a_higher_generation() {
    let hub = MemoryHub::new(1);
    send(&hub, 0, &["a0"]).await;
    let mut first = open(&hub, options()).await;
    let earlier = take(&mut first, 1).await[0].generation();
    first.close().await;
    let mut second = open(&hub, options()).await;
    assert!(take(&mut second, 1).await[0].generation() > earlier);
    assert!(!second.is_fencing());
}

#[tokio::test(start_paused = true)]
async fn a_stopped_reader_stops_the_wire() {
    let hub = MemoryHub::new(1);
    let all: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    send(&hub, 0, &all).await;
    let counting = Arc::new(CountingConsumer::new(hub.consumer()));
    let transport: Arc<dyn TransportConsumer> = Arc::<CountingConsumer>::clone(&counting);
    let bounded = options().with_prefetch_events(nonzero(50));
    let mut consumer = EpochSafeConsumer::open(transport, bounded)
        .await
        .expect("open");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(counting.received(), 50);
    let events = take(&mut consumer, 1000).await;
    assert_eq!(bodies(&events), all);
}

#[tokio::test(start_paused = true)]
async fn the_bound_in_bytes_holds_back_large_events() {
    let hub = MemoryHub::new(1);
    let large = "x".repeat(1000);
    for _ in 0..100 {
        send(&hub, 0, &[&large]).await;
    }
    let counting = Arc::new(CountingConsumer::new(hub.consumer()));
    let transport: Arc<dyn TransportConsumer> = Arc::<CountingConsumer>::clone(&counting);
    let bounded = options().with_prefetch_bytes(nonzero(20_000));
    let _consumer = EpochSafeConsumer::open(transport, bounded)
        .await
        .expect("open");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(counting.received() <= 20, "{} events", counting.received());
    assert!(counting.received() >= 16);
}

#[tokio::test(start_paused = true)]
async fn a_closed_consumer_lets_others_in() {
    let hub = MemoryHub::new(1);
    let consumer = open(
        &hub,
        options().with_policy(EpochPolicy::TakeOver { level: 9 }),
    )
    .await;
    tokio::time::sleep(Duration::from_nanos(1)).await;
    assert!(hub.consumer().open_receiver(intruder(None)).await.is_err());
    consumer.close().await;
    assert!(hub.consumer().open_receiver(intruder(None)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_partition_is_named() {
    let hub = MemoryHub::new(2);
    let wanted = options().with_partitions([PartitionId::new(2)]);
    let refused: Error = EpochSafeConsumer::open(Arc::new(hub.consumer()), wanted)
        .await
        .expect_err("no such partition");
    assert_eq!(*refused.kind(), ErrorKind::InvalidPartition);
}
