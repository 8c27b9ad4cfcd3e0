//! What a consumer tells: metrics by partition.

#[path = "support/consuming.rs"]
mod consuming;
#[path = "support/metrics.rs"]
mod readings;
#[path = "support/stores.rs"]
mod stores;

use std::time::Duration;

use consuming::{FIRST, earliest, intrude, next_event, open, send};
use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::consumer::epoch_safe::EpochPolicy;
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{Error, ErrorKind, telemetry};
use metrics_util::debugging::DebuggingRecorder;
use readings::Readings;
use stores::{Mood, Moody};

const LABELS: [(&str, &str); 4] = [
    (telemetry::SYSTEM, "eventhubs"),
    (telemetry::DESTINATION_NAME, "memory"),
    (telemetry::CONSUMER_GROUP_NAME, "$Default"),
    (telemetry::DESTINATION_PARTITION_ID, "0"),
];

fn with<'a>(label: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    LABELS.into_iter().chain([(label, value)]).collect()
}

async fn steal(hub: &MemoryHub, level: i64) {
    let thief = intrude(hub, Some(level)).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    drop(thief);
}

#[tokio::test(start_paused = true)]
async fn events_lag_credit_and_checkpoints_are_told_by_partition() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let hub = MemoryHub::new(1);
    send(&hub, FIRST, 10).await;
    let store = Moody::new();
    let options = earliest().with_namespace("ns").with_store(store.clone());
    let mut events = open(&hub, options).await;
    for _ in 0..4 {
        let event = next_event(&mut events).await;
        events.ack(&event).expect("ours");
    }
    store.set(Mood::Failing);
    events.handle().checkpoint().await.expect_err("planted");
    store.set(Mood::Well);
    events.handle().checkpoint().await.expect("stored");
    // The gauges are set at a look, twice in each liveness time-out of a minute.
    tokio::time::sleep(Duration::from_secs(31)).await;

    let seen = Readings::take(&recorder.snapshotter());
    let received = with(telemetry::OPERATION_NAME, "receive");
    assert_eq!(seen.counter(telemetry::CONSUMED_MESSAGES, &received), 10);
    let gauge = |name| seen.gauge(name, &LABELS);
    assert_eq!(gauge(telemetry::LAG_EVENTS), 6.0);
    assert_eq!(gauge(telemetry::PREFETCHED_EVENTS), 10.0);
    assert!(gauge(telemetry::PREFETCHED_BYTES) > 50.0);
    assert!(gauge(telemetry::CREDIT) > 0.0);
    assert_eq!(gauge(telemetry::GENERATION), 1.0);
    assert_eq!(gauge(telemetry::UNACKNOWLEDGED), 0.0);
    assert!(gauge(telemetry::CHECKPOINT_AGE) >= 29.0);
    let mut stored = with(telemetry::OPERATION_NAME, "checkpoint");
    stored.push((telemetry::OPERATION_TYPE, "settle"));
    let timed = |labels: &[_]| seen.histogram(telemetry::OPERATION_DURATION, labels).len();
    assert_eq!(timed(&stored), 2);
    stored.push((telemetry::ERROR_TYPE, "store_unavailable"));
    assert_eq!(timed(&stored), 1);
}

#[tokio::test(start_paused = true)]
async fn thefts_refusals_and_interruptions_are_counted_apart() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let hub = MemoryHub::new(1);
    let _holder = intrude(&hub, Some(2)).await;
    let policy = EpochPolicy::Escalate { from: 0, max: 9 };
    let options = earliest().with_policy(policy);
    let mut events = open(&hub, options).await;
    send(&hub, FIRST, 1).await;
    next_event(&mut events).await;
    steal(&hub, 2).await;
    send(&hub, FIRST, 1).await;
    next_event(&mut events).await;
    hub.break_receivers(&Error::new(ErrorKind::Timeout, "planted"));
    send(&hub, FIRST, 1).await;
    next_event(&mut events).await;

    let seen = Readings::take(&recorder.snapshotter());
    assert_eq!(seen.counter(telemetry::REFUSALS, &LABELS), 1);
    assert_eq!(seen.counter(telemetry::THEFTS, &LABELS), 1);
    let timeouts = with(telemetry::ERROR_TYPE, "timeout");
    assert_eq!(seen.counter(telemetry::INTERRUPTIONS, &timeouts), 1);
    let now = events.handle().snapshot().partitions.remove(0);
    assert_eq!((now.thefts, now.refusals, now.reopened), (1, 1, 1));
}
