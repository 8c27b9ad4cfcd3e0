//! The reliability bar, as far as a buffer over a slow, silent or shrinking
//! service goes: rows 14, 15 and 20.
#![cfg(feature = "amqp")]

mod amqp_support;
#[path = "support/oracle.rs"]
mod oracle;
mod support;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use amqp_support::{HUB, bounded, start, stored};
use eventhubs_emulator::{Emulator, Fault, When};
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::{EventHub, PartitionKey, Target};
use futures::FutureExt;
use oracle::Load;
use support::nonzero;
use tokio::time::Instant;

/// Of all four partitions.
const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// One key of each of the four partitions.
fn spread() -> Vec<&'static str> {
    let mut keys = KEYS.to_vec();
    let place = |key: &&str| PartitionKey::new(*key).unwrap().partition(4);
    keys.sort_by_key(place);
    keys.dedup_by_key(|key| place(key));
    assert_eq!(keys.len(), 4);
    keys
}

async fn open(hub: &EventHub, options: BufferedProducerOptions) -> Load {
    Load::open(Arc::new(hub.producer()), options).await
}

/// Sends over a line with a round trip of 300 ms, and demands four fifths of
/// what so many batches at once can carry.
async fn far_away(keys: &[&str], per_partition: usize) {
    const ROUND_TRIP: Duration = Duration::from_millis(300);
    const BATCH: usize = 50;
    const ROUNDS: usize = 10;
    let (emulator, hub) = start().await;
    let options = BufferedProducerOptions::default()
        .with_max_batch_events(nonzero(BATCH))
        .with_max_in_flight_per_partition(nonzero(per_partition));
    let mut load = open(&hub, options).await;
    // Attached before.
    load.send_each(keys, 1).await;
    assert_eq!(load.settle().await, 0);
    let far = emulator.faults().inject(Fault::latency(ROUND_TRIP / 2));

    let start = Instant::now();
    load.send_each(keys, ROUNDS * BATCH * per_partition).await;
    assert_eq!(load.settle().await, 0);
    let took = start.elapsed();
    assert_eq!(far.struck(), 1);
    let ideal = ROUND_TRIP * u32::try_from(ROUNDS).unwrap();
    assert!(took >= ideal.mul_f64(0.9), "the line is far: {took:?}");
    assert!(took <= ideal.div_f64(0.8), "{took:?}, {ideal:?} at best");
    far.heal();
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
}

#[tokio::test]
async fn row_14_a_far_service_gets_what_one_batch_of_each_partition_can_carry() {
    far_away(&spread(), 1).await;
}

#[tokio::test]
async fn row_14_a_far_service_gets_what_the_batches_in_flight_of_a_partition_can_carry() {
    far_away(&KEYS[..1], 4).await;
}

#[tokio::test]
async fn row_15_without_link_credit_producers_wait_and_no_more_than_the_bound_is_held() {
    const BOUND: usize = 64 * 1024;
    let (emulator, hub) = start().await;
    let options = BufferedProducerOptions::default().with_max_bytes(nonzero(BOUND));
    let mut load = open(&hub, options).await;
    load = load.with_padding(500).with_bound(BOUND);
    load.send_each(&KEYS, 10).await;
    assert_eq!(load.settle().await, 0, "before");
    let stored_before = emulator.event_count(HUB);

    let dry = emulator.faults().inject(Fault::withhold_credit());
    dry.wait_for(4).await;
    load.fill(&KEYS);
    let target = Target::Key(PartitionKey::new(KEYS[0]).unwrap());
    let producer = load.producer().clone();
    let mut waiting = pin!(producer.reserve(&target, 500));
    assert!(waiting.as_mut().now_or_never().is_none(), "it waits");
    let report = producer.flush(Duration::from_millis(500)).await;
    assert_eq!(report.delivered, 0);
    assert!(report.pending > 50, "{report:?}");
    assert_eq!(emulator.event_count(HUB), stored_before);
    assert!(waiting.as_mut().now_or_never().is_none(), "and still does");

    dry.heal();
    drop(bounded(waiting).await.expect("room, once there is credit"));
    load.send_each(&KEYS, 50).await;
    assert_eq!(load.settle().await, 0, "no event failed");
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    assert_eq!(emulator.event_count(HUB), counts.accepted, "none twice");
}

#[tokio::test]
async fn row_20_a_batch_is_split_when_the_max_message_size_shrinks_after_a_new_attach() {
    const SMALLER: u64 = 20 * 1024;
    const BATCH: usize = 100;
    let (emulator, hub) = start().await;
    let soon = Duration::from_millis(20);
    let options = BufferedProducerOptions::default()
        .with_max_batch_events(nonzero(BATCH))
        .with_linger(None)
        .with_retry_backoff(soon, soon);
    let mut load = open(&hub, options).await.with_padding(500);
    load.send_each(&["a"], BATCH).await;
    assert_eq!(load.settle().await, 0, "a whole batch");
    let batches = |emulator: &Emulator| emulator.hub_metrics(HUB).successful_requests;
    let before = batches(&emulator);

    let shrunk = emulator.faults().inject(Fault::max_message_size(SMALLER));
    let detached = Fault::detach(When::OnTransfer, "amqp:internal-error", "Oops.");
    let detached = emulator.faults().inject(detached.times(1));
    load.send_each(&["a"], BATCH).await;
    assert_eq!(load.settle().await, 0, "no event failed");
    assert_eq!((detached.struck(), shrunk.struck()), (1, 1));
    let pieces = batches(&emulator) - before;
    assert!((3..=4).contains(&pieces), "53 kB in {pieces} pieces");
    // From then on batches are small enough, and nobody splits.
    load.send_each(&["a"], BATCH).await;
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    assert_eq!(emulator.event_count(HUB), counts.accepted, "none twice");
    let refused = emulator.hub_metrics(HUB).user_errors;
    assert_eq!(refused, 0, "no message was too large for its link");
}
