//! The reliability bar, as far as sending goes: each fault by its row, struck and survived.
#![cfg(feature = "amqp")]

mod amqp_support;
#[path = "support/oracle.rs"]
mod oracle;
mod support;

use std::sync::Arc;
use std::time::Duration;

use amqp_support::{HUB, batch, connect_with, events, partition, start, stored};
use eventhubs_emulator::{Emulator, Fault, When};
use eventhubs_flow::producer::buffered::{BufferedProducerOptions, UndeliveredReason};
use eventhubs_flow::transport::TransportProducer;
use eventhubs_flow::{ErrorKind, EventHub, EventHubOptions};
use oracle::{Load, copies};
use support::nonzero;
use tokio::time::timeout;

/// Far below the try time-out: what takes longer was not noticed.
const PROMPT: Duration = Duration::from_secs(10);

const SOON: Duration = Duration::from_millis(20);

/// Of all four partitions.
const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// The size of a batch, in events.
const BATCH: usize = 10;

/// Full batches, and those that a flush closes.
fn batches() -> BufferedProducerOptions {
    BufferedProducerOptions::default()
        .with_max_batch_events(nonzero(BATCH))
        .with_linger(None)
        .with_retry_backoff(SOON, SOON)
}

async fn open(hub: &EventHub, options: BufferedProducerOptions) -> Load {
    Load::open(Arc::new(hub.producer()), options).await
}

/// An emulator, and a connection whose attempts take no longer than that.
async fn start_with(try_timeout: Duration) -> (Emulator, EventHub) {
    let emulator = Emulator::start().await.unwrap();
    let options = EventHubOptions::default()
        .with_try_timeout(try_timeout)
        .with_reconnect_backoff(SOON, SOON);
    let hub = connect_with(&emulator, options).await;
    (emulator, hub)
}

/// How many events are stored so often.
fn stored_times(emulator: &Emulator, times: usize) -> usize {
    let mut bodies = stored(emulator);
    bodies.sort_unstable();
    let groups = bodies.chunk_by(|a, b| a == b);
    groups.filter(|group| group.len() == times).count()
}

#[tokio::test]
async fn row_1_a_connection_dropped_in_mid_batch_loses_nothing() {
    let (emulator, hub) = start().await;
    // Batches of 100 kB: the cut is in the second of three.
    let mut load = open(&hub, batches()).await.with_padding(10_000);
    let cut = emulator.faults().inject(Fault::cut(150_000).times(1));
    load.send_each(&["a"], 3 * BATCH).await;
    assert_eq!(load.settle().await, 0);
    assert_eq!(cut.struck(), 1);
    assert_eq!(load.finish(|| stored(&emulator)).await.delivered, 31);
    assert_eq!(stored_times(&emulator, 1), 31, "half a batch is none");
    assert_eq!(hub.recoveries(), 1);
}

#[tokio::test]
async fn row_1_connections_dropped_again_and_again_lose_nothing() {
    let (emulator, hub) = start().await;
    let mut load = open(&hub, batches().with_max_retries(20)).await;
    let dropped = Fault::drop_connection(When::OnTransfer).after(2).times(3);
    let dropped = emulator.faults().inject(dropped);
    load.send_each(&KEYS, 50).await;
    load.settle().await;
    assert_eq!(dropped.struck(), 3);
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    assert!(hub.recoveries() <= 3);
}

#[tokio::test]
async fn row_2_a_batch_whose_acknowledgement_was_cut_off_is_sent_again() {
    let (emulator, hub) = start().await;
    let mut load = open(&hub, batches()).await;
    let lost = Fault::drop_connection(When::AfterStoring).after(1).times(1);
    let lost = emulator.faults().inject(lost);
    load.send_each(&["a"], 3 * BATCH).await;
    assert_eq!(load.settle().await, 0);
    assert_eq!(lost.struck(), 1);
    assert_eq!(load.finish(|| stored(&emulator)).await.delivered, 31);
    assert_eq!(
        stored_times(&emulator, 2),
        BATCH,
        "the batch that it struck"
    );
    assert_eq!(stored_times(&emulator, 1), 21);
}

#[tokio::test]
async fn row_2_a_connection_lost_before_the_acknowledgement_is_told_at_once() {
    let (emulator, hub) = start().await;
    let producer = hub.producer();
    let lost = emulator
        .faults()
        .inject(Fault::drop_connection(When::AfterStoring).times(1));
    let sent = timeout(
        PROMPT,
        producer.send_batch(batch(partition(0), events(["a"]))),
    )
    .await;
    let error = sent.expect("told at once").unwrap_err().error;
    assert_eq!(error.kind(), &ErrorKind::Disconnected, "{error}");
    assert!(error.is_fate_unknown());
    assert_eq!(lost.struck(), 1);
    assert_eq!(emulator.event_count(HUB), 1, "it was stored");
}

#[tokio::test]
async fn row_4_a_batch_whose_acknowledgement_was_lost_is_stored_once_for_each_attempt() {
    let (emulator, hub) = start_with(Duration::from_secs(1)).await;
    let mut load = open(&hub, batches()).await;
    let lost = emulator.faults().inject(Fault::lose_outcomes().times(2));
    load.send_each(&["a"], 2 * BATCH).await;
    assert_eq!(load.settle().await, 0);
    assert_eq!(lost.struck(), 2);
    assert_eq!(load.finish(|| stored(&emulator)).await.delivered, 21);
    assert_eq!(stored_times(&emulator, 3), BATCH, "two lost, one told");
    assert_eq!(stored_times(&emulator, 1), 11);
    assert_eq!(hub.recoveries(), 0);
}

#[tokio::test]
async fn row_5_an_acknowledgement_after_the_time_out_is_ignored() {
    let (emulator, hub) = start_with(Duration::from_secs(1)).await;
    let mut load = open(&hub, batches()).await;
    let late = emulator.faults().inject(Fault::hold_outcomes().times(1));
    load.send_each(&["a"], BATCH).await;
    assert_eq!(load.settle().await, 0, "by the second attempt");
    assert_eq!(late.struck(), 1);
    // The late one is on the wire before all that follow.
    late.heal();
    load.send_each(&["a"], 2 * BATCH).await;
    assert_eq!(load.finish(|| stored(&emulator)).await.delivered, 31);
    assert_eq!(stored_times(&emulator, 2), BATCH);
    assert_eq!(hub.recoveries(), 0);
}

#[tokio::test]
async fn row_8_a_batch_rejected_for_good_is_rejected_alone_and_once() {
    let (emulator, hub) = start().await;
    let mut load = open(&hub, batches()).await;
    let rejected = Fault::reject("amqp:not-allowed", "Not that one.");
    let rejected = emulator.faults().inject(rejected.after(1).times(1));
    load.send_each(&["a"], 3 * BATCH).await;
    assert_eq!(load.settle().await, BATCH);
    assert_eq!(rejected.struck(), 1);
    for (place, (name, undelivered)) in load.undelivered().iter().enumerate() {
        assert_eq!(name.number, BATCH + place, "the second batch");
        assert_eq!(undelivered.reason, UndeliveredReason::Rejected);
        let told = undelivered.error.to_string();
        assert!(told.contains("Not that one."), "{told}");
        assert_eq!(copies(&stored(&emulator), name), 0);
    }
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!((counts.rejected, counts.delivered), (10, 21));
    let attempts = emulator.hub_metrics(HUB).user_errors;
    assert_eq!(attempts, 1, "what is refused for good is not sent again");
}

#[tokio::test]
async fn row_9_released_and_modified_do_not_count_as_delivered() {
    for given_back in [Fault::release(), Fault::modify()] {
        let (emulator, hub) = start().await;
        let mut load = open(&hub, batches().with_max_retries(0)).await;
        let given_back = emulator.faults().inject(given_back.times(1));
        load.send_each(&["a"], 2 * BATCH).await;
        assert_eq!(load.settle().await, BATCH);
        assert_eq!(given_back.struck(), 1);
        for (_, undelivered) in load.undelivered() {
            assert_eq!(undelivered.error.kind(), &ErrorKind::NotAcknowledged);
        }
        let counts = load.finish(|| stored(&emulator)).await;
        assert_eq!((counts.unknown, counts.delivered), (10, 11));
    }
}

#[tokio::test]
async fn row_9_released_and_modified_batches_are_sent_again() {
    let (emulator, hub) = start().await;
    let mut load = open(&hub, batches()).await;
    let released = emulator.faults().inject(Fault::release().times(1));
    let modified = emulator.faults().inject(Fault::modify().times(1));
    load.send_each(&KEYS, 20).await;
    assert_eq!(load.settle().await, 0);
    assert_eq!((released.struck(), modified.struck()), (1, 1));
    assert_eq!(load.finish(|| stored(&emulator)).await.delivered, 168);
    assert_eq!(stored_times(&emulator, 1), 168);
}

#[tokio::test]
async fn row_10_a_link_detached_with_an_error_is_attached_again_after_one_backoff() {
    let (emulator, hub) = start().await;
    // One retry: what is not well after one backoff fails.
    let mut load = open(&hub, batches().with_max_retries(1)).await;
    let detached = Fault::detach(When::OnTransfer, "amqp:internal-error", "Oops.");
    let detached = emulator.faults().inject(detached.after(4).times(1));
    load.send_each(&KEYS, 50).await;
    assert_eq!(load.settle().await, 0);
    assert_eq!(detached.struck(), 1);
    assert_eq!(load.finish(|| stored(&emulator)).await.delivered, 408);
    assert_eq!(hub.recoveries(), 0, "the connection was not harmed");
}
