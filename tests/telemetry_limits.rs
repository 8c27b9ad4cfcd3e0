//! What a rate limiter and a throttle gate tell: metrics and snapshots.

#[path = "support/metrics.rs"]
mod readings;

use std::time::Duration;

use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::ThrottleGate;
use eventhubs_flow::producer::rate_limited::{Adaptive, RateLimit, RateLimiter};
use eventhubs_flow::transport::TransportProducer;
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{BatchLimits, EventBatch, EventData, PartitionId, Target, telemetry};
use metrics_util::debugging::DebuggingRecorder;
use readings::Readings;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);
const INGEST: readings::Labels<'_> = &[(telemetry::NAME, "ingest")];

/// 10 events/s, and at most 10 at once.
fn ten() -> RateLimit {
    RateLimit::events_per_second(10)
}

fn batch(events: usize) -> EventBatch {
    let mut batch = EventBatch::new(Target::Any, BatchLimits::STANDARD);
    for _ in 0..events {
        batch.try_add(EventData::new("event")).expect("it fits");
    }
    batch
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_tokens_is_timed_and_none_where_there_was_no_wait() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let limiter = RateLimiter::new(ten()).unwrap().named("ingest");
    limiter.acquire(10, 0).await.unwrap();
    let seen = Readings::take(&recorder.snapshotter());
    assert!(seen.histogram(telemetry::RATE_WAIT, INGEST).is_empty());

    let look = async {
        sleep(Duration::from_millis(100)).await;
        assert_eq!(limiter.snapshot().waiting, 2);
    };
    let (first, second, ()) = tokio::join!(limiter.acquire(5, 0), limiter.acquire(5, 0), look);
    first.and(second).unwrap();
    assert_eq!(limiter.snapshot().waiting, 0);
    let seen = Readings::take(&recorder.snapshotter());
    let waits = seen.histogram(telemetry::RATE_WAIT, INGEST);
    assert_eq!(waits, [0.5, 1.0]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_is_timed_and_counted_no_more() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let limiter = RateLimiter::new(ten()).unwrap();
    limiter.acquire(10, 0).await.unwrap();
    let given_up = tokio::time::timeout(SECOND / 4, limiter.acquire(10, 0)).await;
    given_up.expect_err("it takes a second");
    assert_eq!(limiter.snapshot().waiting, 0);
    let seen = Readings::take(&recorder.snapshotter());
    assert_eq!(seen.histogram(telemetry::RATE_WAIT, &[]), [0.25]);
}

#[tokio::test(start_paused = true)]
async fn tokens_and_rate_are_those_of_the_moment() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let limit = ten().with_bytes_per_second(1000);
    let limiter = RateLimiter::new(limit).unwrap();
    let producer = MemoryHub::new(1).producer().rate_limited(&limiter);
    let batch = batch(4);
    let size = batch.encoded_size();
    producer.send_batch(batch).await.unwrap();

    let now = limiter.snapshot();
    let bytes = 1000 - size as u64;
    assert_eq!((now.event_tokens, now.byte_tokens), (Some(6), Some(bytes)));
    assert_eq!(now.current_limit, limit);
    let seen = Readings::take(&recorder.snapshotter());
    let gauges = [
        telemetry::RATE_EVENTS,
        telemetry::RATE_BYTES,
        telemetry::TOKENS_EVENTS,
        telemetry::TOKENS_BYTES,
    ];
    let gauges = gauges.map(|name| seen.gauge(name, &[(telemetry::NAME, "default")]));
    assert_eq!(gauges, [10.0, 1000.0, 6.0, bytes as f64]);

    sleep(Duration::from_millis(250)).await;
    assert_eq!(limiter.snapshot().event_tokens, Some(8));
    sleep(SECOND).await;
    assert_eq!(limiter.snapshot().event_tokens, Some(10), "a burst at most");

    limiter.set_limit(RateLimit::events_per_second(20)).unwrap();
    let now = limiter.snapshot();
    assert_eq!((now.event_tokens, now.byte_tokens), (Some(10), None));
    let seen = Readings::take(&recorder.snapshotter());
    assert_eq!(seen.gauge(telemetry::RATE_EVENTS, &[]), 20.0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_counted_and_lowers_the_rate_that_is_told() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let limiter = RateLimiter::adaptive(ten(), Adaptive::default()).unwrap();
    limiter.throttled(4 * SECOND);
    let now = limiter.snapshot();
    assert_eq!(now.current_limit.events_rate(), Some(5));
    assert_eq!((now.event_tokens, now.throttled), (Some(0), 1));
    let seen = Readings::take(&recorder.snapshotter());
    assert_eq!(seen.gauge(telemetry::RATE_EVENTS, &[]), 5.0);
    assert_eq!(seen.counter(telemetry::RATE_THROTTLED, &[]), 1);
}

#[tokio::test(start_paused = true)]
async fn a_gates_snapshot_tells_who_is_paused_and_how_often() {
    let gate = ThrottleGate::new();
    assert_eq!(gate.snapshot(), Default::default());
    let refuse = |partition| {
        let target = Target::Partition(PartitionId::new(partition));
        gate.refused(&target, 4 * SECOND);
    };
    refuse(0);
    refuse(0);
    let one = gate.snapshot();
    assert_eq!((one.all_paused_for, one.pauses), (None, 1));
    let [(partition, left)] = one.partitions_paused_for[..] else {
        panic!("one partition");
    };
    assert_eq!(partition.number(), 0);
    assert!((4 * SECOND..5 * SECOND).contains(&left), "{left:?}");

    refuse(1);
    let all = gate.snapshot();
    assert!(all.all_paused_for.is_some());
    assert_eq!((all.partitions_paused_for.len(), all.pauses), (2, 3));

    sleep(5 * SECOND).await;
    let over = gate.snapshot();
    assert_eq!((over.all_paused_for, over.is_probing), (None, false));
    assert!(over.partitions_paused_for.is_empty());
    assert_eq!(over.pauses, 3);
    refuse(0);
    assert_eq!(gate.snapshot().pauses, 3 + 2, "another one, of all");
}
