//! Partitions that are added while a producer is open.

mod support;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::producer::buffered::{
    BufferedProducer, BufferedProducerOptions, PartitionGrowth,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{ErrorKind, EventData, PartitionId, PartitionKey, Target};
use futures::FutureExt;
use support::{Unsteady, nonzero};
use tokio::time::{Instant, sleep};

const FOREVER: Duration = Duration::MAX;
/// A little more than the time between two looks at the hub's partitions.
const FOUND: Duration = Duration::from_millis(10_001);

async fn open(hub: &MemoryHub, growth: PartitionGrowth) -> BufferedProducer {
    let options = BufferedProducerOptions::default().with_partition_growth(growth);
    BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open")
}

fn keys() -> Vec<PartitionKey> {
    let key = |number| PartitionKey::new(format!("key {number}")).expect("short");
    (0..100).map(key).collect()
}

fn keyed(key: &PartitionKey, body: &str) -> EventData {
    EventData::new(body.to_owned()).with_target(key.clone())
}

/// A key that belongs elsewhere once there are more partitions.
fn wanderer(before: u32, after: u32) -> PartitionKey {
    let moves = |key: &PartitionKey| key.partition(before) != key.partition(after);
    keys().into_iter().find(moves).expect("most of them move")
}

/// The partitions that each key's events are in.
fn places(hub: &MemoryHub) -> HashMap<PartitionKey, HashSet<PartitionId>> {
    let mut places: HashMap<_, HashSet<_>> = HashMap::new();
    for event in hub.received() {
        if let Some(key) = event.partition_key() {
            places
                .entry(key.clone())
                .or_default()
                .insert(event.partition());
        }
    }
    places
}

#[tokio::test(start_paused = true)]
async fn row_44_added_partitions_are_found_within_the_interval_and_used() {
    let hub = MemoryHub::new(2);
    let producer = open(&hub, PartitionGrowth::KeepKeys).await;
    hub.set_partition_count(6);
    let to_new = || EventData::new("new").with_target(PartitionId::new(5));
    let refused = producer.enqueue(to_new()).await.expect_err("not found yet");
    assert_eq!(*refused.error.kind(), ErrorKind::InvalidPartition);

    let start = Instant::now();
    let mut refused = 0;
    while producer.enqueue(to_new()).await.is_err() {
        refused += 1;
        sleep(Duration::from_secs(1)).await;
    }
    assert!((10..=11).contains(&refused), "{refused}");
    assert!(start.elapsed() <= Duration::from_secs(11));
    // Events without a target reach the new ones, too.
    for _ in 0..12 {
        producer
            .enqueue(EventData::new("any"))
            .await
            .expect("enqueue");
        drop(producer.flush(FOREVER).await);
    }
    let used: HashSet<_> = hub.received().iter().map(|it| it.partition()).collect();
    assert_eq!(used.len(), 6);
    let report = producer.close(FOREVER).await;
    assert_eq!((report.accepted, report.delivered), (13, 13));
}

#[tokio::test(start_paused = true)]
async fn row_44_kept_keys_stay_in_their_partitions() {
    let hub = MemoryHub::new(3);
    let producer = open(&hub, PartitionGrowth::KeepKeys).await;
    for _ in 0..2 {
        for key in keys() {
            producer.enqueue(keyed(&key, "")).await.expect("enqueue");
        }
        drop(producer.flush(FOREVER).await);
        hub.set_partition_count(8);
        sleep(FOUND).await;
    }
    for (key, places) in places(&hub) {
        assert_eq!(places, HashSet::from([key.partition(3)]), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn row_44_rehashed_keys_move_once_all_their_earlier_events_have_arrived() {
    let hub = MemoryHub::new(3);
    let producer = open(&hub, PartitionGrowth::Rehash).await;
    let key = wanderer(3, 8);
    hub.pause();
    producer.enqueue(keyed(&key, "before")).await.expect("room");
    hub.set_partition_count(8);
    sleep(FOUND).await;

    // Its earlier event is under way: the next one waits, and is not lost.
    let mut after = Box::pin(producer.enqueue(keyed(&key, "after")));
    assert!(after.as_mut().now_or_never().is_none());
    let refused = producer.try_enqueue(keyed(&key, "try")).expect_err("held");
    assert_eq!(*refused.error.kind(), ErrorKind::BufferFull);
    let timed_out = producer
        .enqueue_timeout(keyed(&key, "timed"), Duration::from_secs(1))
        .await
        .expect_err("held");
    assert_eq!(*timed_out.error.kind(), ErrorKind::Timeout);
    // Others do not wait.
    let other = EventData::new("other").with_target(PartitionId::new(7));
    producer.try_enqueue(other).expect("room");

    hub.resume();
    after.await.expect("accepted");
    assert_eq!(producer.close(FOREVER).await.delivered, 3);
    let received = hub.received();
    let place = |body: &str| {
        let event = received
            .iter()
            .find(|event| event.body() == body.as_bytes());
        event.expect("stored").partition()
    };
    assert_eq!(place("before"), key.partition(3));
    assert_eq!(place("after"), key.partition(8));
}

#[tokio::test(start_paused = true)]
async fn a_permit_whose_key_has_moved_hands_its_event_back() {
    let hub = MemoryHub::new(3);
    let producer = open(&hub, PartitionGrowth::Rehash).await;
    let key = wanderer(3, 8);
    let target = Target::Key(key.clone());
    let permit = producer.reserve(&target, 100).await.expect("room");
    hub.set_partition_count(8);
    sleep(FOUND).await;
    let refused = permit.enqueue(keyed(&key, "moved")).expect_err("moved");
    assert_eq!(*refused.error.kind(), ErrorKind::InvalidPartition);
    let permit = producer.reserve(&target, 100).await.expect("room");
    assert_eq!(permit.partition(), key.partition(8));
    permit.enqueue(*refused.event).expect("reserved anew");
    assert_eq!(producer.close(FOREVER).await.delivered, 1);
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_for_room_where_its_key_was_is_accepted_where_it_is() {
    let hub = MemoryHub::new(3);
    hub.pause();
    let options = BufferedProducerOptions::default()
        .with_max_events_per_partition(nonzero(1))
        .with_partition_growth(PartitionGrowth::Rehash);
    let producer = BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open");
    let key = wanderer(3, 8);
    producer.enqueue(keyed(&key, "full")).await.expect("room");
    let mut waiting = Box::pin(producer.enqueue(keyed(&key, "waited")));
    assert!(waiting.as_mut().now_or_never().is_none());
    hub.set_partition_count(8);
    sleep(FOUND).await;
    assert!(waiting.as_mut().now_or_never().is_none());
    hub.resume();
    waiting.await.expect("accepted");
    assert_eq!(producer.close(FOREVER).await.delivered, 2);
    let places = &places(&hub)[&key];
    assert_eq!(places, &HashSet::from([key.partition(3), key.partition(8)]));
}

#[tokio::test(start_paused = true)]
async fn callers_held_by_a_rehash_get_their_event_back_when_the_producer_closes() {
    let hub = MemoryHub::new(3);
    let producer = open(&hub, PartitionGrowth::Rehash).await;
    let key = wanderer(3, 8);
    hub.pause();
    producer.enqueue(keyed(&key, "stuck")).await.expect("room");
    hub.set_partition_count(8);
    sleep(FOUND).await;
    let held = tokio::spawn({
        let (producer, event) = (producer.clone(), keyed(&key, "held"));
        async move { producer.enqueue(event).await }
    });
    tokio::task::yield_now().await;
    let report = producer.close(Duration::from_secs(1)).await;
    let refused = held.await.expect("joined").expect_err("closed");
    assert_eq!(*refused.error.kind(), ErrorKind::Closed);
    assert_eq!((report.accepted, report.unknown), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_fails_to_answer_is_asked_again() {
    let hub = MemoryHub::new(1);
    let transport = Arc::new(Unsteady::new(&hub));
    let producer = BufferedProducer::open(transport, BufferedProducerOptions::default())
        .await
        .expect("open");
    hub.set_partition_count(2);
    // An error, a panic, no answer for a minute.
    sleep(Duration::from_secs(3 * 10 + 60 + 11)).await;
    let event = EventData::new("new").with_target(PartitionId::new(1));
    producer.enqueue(event).await.expect("found at last");
    assert_eq!(producer.close(FOREVER).await.delivered, 1);
}
