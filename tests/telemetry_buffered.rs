//! What a buffered producer tells: metrics, snapshots, spans.

#[path = "support/metrics.rs"]
mod readings;
mod support;

use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::producer::buffered::{
    BufferedProducer, BufferedProducerOptions, OutcomeCounts, OverflowPolicy,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{Error, ErrorKind, EventData, PartitionId, telemetry};
use metrics_util::debugging::DebuggingRecorder;
use readings::Readings;
use support::nonzero;
use tokio::time::{Instant, sleep};

const FOREVER: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

fn to(partition: u32, body: &'static str) -> EventData {
    EventData::new(body).with_target(PartitionId::new(partition))
}

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "planted")
}

fn options() -> BufferedProducerOptions {
    BufferedProducerOptions::default()
}

async fn open(hub: &MemoryHub, options: BufferedProducerOptions) -> BufferedProducer {
    let producer = BufferedProducer::open(Arc::new(hub.producer()), options).await;
    producer.expect("open")
}

async fn accept(producer: &BufferedProducer, events: usize) {
    for _ in 0..events {
        producer.enqueue(to(0, "event")).await.expect("room");
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_counted_and_timed_by_its_partition_and_error() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let hub = MemoryHub::new(2);
    hub.fail_next(1, error(ErrorKind::Disconnected));
    let producer = open(&hub, options()).await;
    accept(&producer, 3).await;
    assert_eq!(producer.flush(FOREVER).await.delivered, 3);

    let seen = Readings::take(&recorder.snapshotter());
    let failed = [
        (telemetry::SYSTEM, "eventhubs"),
        (telemetry::DESTINATION_NAME, "memory"),
        (telemetry::DESTINATION_PARTITION_ID, "0"),
        (telemetry::OPERATION_NAME, "send"),
        (telemetry::ERROR_TYPE, "disconnected"),
    ];
    let (_, attempt) = failed.split_last().unwrap();
    let elsewhere = [(telemetry::DESTINATION_PARTITION_ID, "1")];
    let sent = |labels| seen.counter(telemetry::SENT_MESSAGES, labels);
    let timed = |labels| seen.histogram(telemetry::OPERATION_DURATION, labels).len();
    assert_eq!((sent(attempt), sent(&failed), sent(&elsewhere)), (6, 3, 0));
    assert_eq!(
        (timed(attempt), timed(&failed), timed(&elsewhere)),
        (2, 1, 0)
    );
    assert_eq!(seen.counter(telemetry::RETRIES, &[]), 1);

    let snapshot = producer.snapshot();
    assert_eq!((snapshot.attempts, snapshot.retries), (2, 1));
    assert_eq!((snapshot.batches, snapshot.throttled), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_as_long_as_the_transport_took() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let hub = MemoryHub::new(1);
    let slow = support::Slow::new(&hub, Duration::from_millis(250), 0);
    let producer = BufferedProducer::open(Arc::new(slow), options())
        .await
        .unwrap();
    accept(&producer, 1).await;
    assert_eq!(producer.flush(FOREVER).await.delivered, 1);
    let seen = Readings::take(&recorder.snapshotter());
    assert_eq!(seen.histogram(telemetry::OPERATION_DURATION, &[]), [0.25]);
}

#[tokio::test(start_paused = true)]
async fn batches_are_measured_and_counted_by_what_closed_them() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let hub = MemoryHub::new(4);
    let producer = open(&hub, options().with_max_batch_events(nonzero(4))).await;
    accept(&producer, 4).await;
    accept(&producer, 3).await;
    let _ = producer.flush(FOREVER).await;
    let lingering = producer.send(to(0, "event")).await.expect("room");
    lingering.await.expect("delivered");
    accept(&producer, 2).await;
    let _ = producer.close(FOREVER).await;

    let seen = Readings::take(&recorder.snapshotter());
    let closed = |by| seen.counter(telemetry::BATCHES, &[(telemetry::CLOSED_BY, by)]);
    let each = ["full", "linger", "pressure", "flush", "close"].map(closed);
    assert_eq!(each, [1, 1, 0, 1, 1]);
    let events = seen.histogram(telemetry::BATCH_EVENTS, &[]);
    assert_eq!(events, [4.0, 3.0, 1.0, 2.0]);
    let size = to(0, "event").encoded_size() as f64;
    let bytes = seen.histogram(telemetry::BATCH_BYTES, &[]);
    assert_eq!(bytes, [4.0, 3.0, 1.0, 2.0].map(|events| events * size));

    // No timer and no flush: only the total bound lets a batch go.
    let narrow = options()
        .with_linger(None)
        .with_max_events(nonzero(8))
        .with_max_events_per_partition(nonzero(8));
    let producer = open(&hub, narrow).await;
    for event in 0..16 {
        producer
            .enqueue(to(event % 4, "event"))
            .await
            .expect("room");
    }
    let seen = Readings::take(&recorder.snapshotter());
    let pressed = [(telemetry::CLOSED_BY, "pressure")];
    let pressed = seen.counter(telemetry::BATCHES, &pressed);
    assert!(pressed > 0, "events went through");
    assert_eq!(seen.counter(telemetry::BATCHES, &[]), pressed);
}

#[tokio::test(start_paused = true)]
async fn outcomes_are_counted_by_class() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let hub = MemoryHub::new(1);
    let once = || {
        options()
            .with_max_retries(0)
            .with_max_batch_events(nonzero(8))
    };
    let mut counts = OutcomeCounts::default();
    let mut add = |producer: &BufferedProducer| {
        let outcomes = producer.snapshot().outcomes;
        counts.delivered += outcomes.delivered;
        counts.rejected += outcomes.rejected;
        counts.failed += outcomes.failed;
        counts.expired += outcomes.expired;
        counts.unknown += outcomes.unknown;
        counts.dropped += outcomes.dropped;
        counts.returned += outcomes.returned;
    };

    let producer = open(&hub, once()).await;
    for (events, failure) in [
        (1, None),
        (2, Some(error(ErrorKind::Unauthorized))),
        (3, Some(error(ErrorKind::Disconnected))),
        (4, Some(error(ErrorKind::Timeout).with_unknown_fate())),
    ] {
        failure
            .into_iter()
            .for_each(|failure| hub.fail_next(1, failure));
        accept(&producer, events).await;
        let _ = producer.flush(FOREVER).await;
    }
    add(&producer);

    hub.pause();
    let producer = open(&hub, once()).await;
    // One is in flight and held, so that those behind it wait in the queue.
    accept(&producer, 1).await;
    sleep(SECOND).await;
    let expiring = |_| to(0, "event").with_deadline(SECOND);
    for event in (0..5).map(expiring) {
        producer.enqueue(event).await.expect("room");
    }
    sleep(2 * SECOND).await;
    accept(&producer, 7).await;
    producer.abort();
    sleep(SECOND).await;
    add(&producer);

    let newest = once()
        .with_overflow(OverflowPolicy::DropOldest)
        .with_linger(None)
        .with_max_events_per_partition(nonzero(16))
        .with_max_events(nonzero(16));
    let producer = open(&hub, newest).await;
    accept(&producer, 16 + 6).await;
    let dropped = producer.snapshot().outcomes.dropped;
    assert!(dropped >= 6, "as many as had no room: {dropped}");
    hub.resume();
    let _ = producer.close(FOREVER).await;
    add(&producer);

    let seen = Readings::take(&recorder.snapshotter());
    let told = |outcome| seen.counter(telemetry::OUTCOMES, &[(telemetry::OUTCOME, outcome)]);
    assert_eq!(counts_of(told), counts);
    assert_eq!((counts.rejected, counts.failed, counts.expired), (2, 3, 5));
    assert_eq!((counts.unknown, counts.returned), (4 + 1, 7));
    assert_eq!(counts.delivered + counts.dropped, 1 + 22);
}

fn counts_of(told: impl Fn(&'static str) -> u64) -> OutcomeCounts {
    let mut counts = OutcomeCounts::default();
    counts.delivered = told("delivered");
    counts.rejected = told("rejected");
    counts.failed = told("failed");
    counts.expired = told("expired");
    counts.unknown = told("unknown");
    counts.dropped = told("dropped");
    counts.returned = told("returned");
    counts
}

#[tokio::test(start_paused = true)]
async fn the_gauges_and_the_snapshot_follow_the_buffer_and_end_at_zero() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let hub = MemoryHub::new(2);
    hub.pause();
    let producer = open(&hub, options()).await;
    accept(&producer, 5).await;
    sleep(Duration::from_millis(3500)).await;

    let bytes = 5 * (to(0, "event").encoded_size() + 128);
    let snapshot = producer.snapshot();
    assert_eq!((snapshot.events, snapshot.bytes), (5, bytes));
    assert_eq!(snapshot.oldest_age, Some(Duration::from_millis(3500)));
    assert_eq!((snapshot.under_way, snapshot.waiting), (1, 0));
    let [first, second] = &snapshot.partitions[..] else {
        panic!("two partitions");
    };
    assert_eq!((first.events, first.bytes), (5, bytes));
    assert_eq!((second.events, second.oldest_age), (0, None));

    let seen = Readings::take(&recorder.snapshotter());
    let gauge = |name| seen.gauge(name, &[(telemetry::NAME, "default")]);
    assert_eq!(gauge(telemetry::BUFFER_EVENTS), 5.0);
    assert_eq!(gauge(telemetry::BUFFER_BYTES), bytes as f64);
    // As of the last whole second.
    assert_eq!(gauge(telemetry::BUFFER_OLDEST_AGE), 3.0);
    assert_eq!(gauge(telemetry::BUFFER_PAUSED), 0.0);

    // Set again, to what it would stay at.
    sleep(2 * SECOND).await;
    hub.resume();
    let report = producer.close(FOREVER).await;
    assert_eq!(report.delivered, 5);
    let seen = Readings::take(&recorder.snapshotter());
    for name in [
        telemetry::BUFFER_EVENTS,
        telemetry::BUFFER_BYTES,
        telemetry::BUFFER_OLDEST_AGE,
    ] {
        assert_eq!(seen.gauge(name, &[]), 0.0, "{name}");
    }
    let snapshot = producer.snapshot();
    assert_eq!(
        (snapshot.events, snapshot.bytes, snapshot.under_way),
        (0, 0, 0)
    );
    assert_eq!(snapshot.oldest_age, None);
}

#[tokio::test(start_paused = true)]
async fn the_bounds_are_those_of_the_partitions_together_and_the_total_where_it_is_less() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let each = options()
        .with_max_events_per_partition(nonzero(100))
        .with_max_bytes_per_partition(nonzero(10_000));
    let total = each
        .clone()
        .with_max_events(nonzero(250))
        .with_max_bytes(nonzero(25_000))
        .with_name("total");
    for (options, name, events, bytes) in [
        (each, "default", 300, 30_000),
        (total, "total", 250, 25_000),
    ] {
        let hub = MemoryHub::new(3);
        hub.pause();
        let producer = open(&hub, options).await;
        accept(&producer, 1).await;
        sleep(SECOND).await;
        let snapshot = producer.snapshot();
        assert_eq!((snapshot.max_events, snapshot.max_bytes), (events, bytes));
        let seen = Readings::take(&recorder.snapshotter());
        let gauge = |of| seen.gauge(of, &[(telemetry::NAME, name)]);
        assert_eq!(gauge(telemetry::BUFFER_MAX_EVENTS), events as f64);
        assert_eq!(gauge(telemetry::BUFFER_MAX_BYTES), bytes as f64);
    }
}

#[tokio::test(start_paused = true)]
async fn the_oldest_is_in_flight_waits_or_is_open() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let producer = open(&hub, options().with_max_batch_events(nonzero(1))).await;
    let age = || producer.snapshot().oldest_age.expect("there is one");
    accept(&producer, 1).await;
    sleep(SECOND).await;
    accept(&producer, 1).await;
    sleep(SECOND).await;
    assert_eq!(age(), 2 * SECOND);
    producer.abort();

    let hub = MemoryHub::new(1);
    let producer = open(&hub, options().with_linger(None)).await;
    accept(&producer, 1).await;
    sleep(SECOND).await;
    assert_eq!(producer.snapshot().oldest_age, Some(SECOND));
    assert_eq!(producer.snapshot().under_way, 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_room_is_timed_however_it_ends() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let hub = MemoryHub::new(1);
    hub.pause();
    let full = options()
        .with_max_events_per_partition(nonzero(2))
        .with_max_events(nonzero(2));
    let producer = open(&hub, full).await;
    accept(&producer, 2).await;
    let seen = Readings::take(&recorder.snapshotter());
    assert!(seen.histogram(telemetry::BUFFER_WAIT, &[]).is_empty());

    let begun = Instant::now();
    let given_up = producer.enqueue_timeout(to(0, "event"), SECOND);
    let served = producer.enqueue(to(0, "event"));
    let anywhere = producer.enqueue(EventData::new("event"));
    let resume = async {
        sleep(Duration::from_millis(500)).await;
        assert_eq!(producer.snapshot().waiting, 3);
        sleep(Duration::from_millis(2000)).await;
        hub.resume();
    };
    let (given_up, served, anywhere, ()) = tokio::join!(given_up, served, anywhere, resume);
    assert!(matches!(
        given_up.unwrap_err().error.kind(),
        ErrorKind::Timeout
    ));
    served.expect("room");
    anywhere.expect("room");
    assert!(begun.elapsed() >= Duration::from_millis(2500));

    let seen = Readings::take(&recorder.snapshotter());
    let mut waits = seen.histogram(telemetry::BUFFER_WAIT, &[]);
    waits.sort_by(f64::total_cmp);
    assert_eq!(waits.len(), 3, "{waits:?}");
    assert_eq!(waits[0], 1.0);
    assert!(waits[1] >= 2.5 && waits[2] < 2.6, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn throttling_is_counted_and_the_pause_is_seen() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let hub = MemoryHub::new(2);
    let retry_after = 4 * SECOND;
    hub.fail_next(1, error(ErrorKind::Throttled { retry_after }));
    let producer = open(&hub, options()).await;
    accept(&producer, 1).await;
    sleep(Duration::from_millis(2500)).await;
    let paused = producer.snapshot();
    assert_eq!((paused.throttled, paused.paused_partitions), (1, 1));
    assert!(paused.partitions[0].paused_for.is_some());
    assert_eq!(paused.partitions[1].paused_for, None);
    let seen = Readings::take(&recorder.snapshotter());
    assert_eq!(seen.gauge(telemetry::BUFFER_PAUSED, &[]), 1.0);
    assert_eq!(seen.counter(telemetry::THROTTLED, &[]), 1);
    assert_eq!(seen.counter(telemetry::RETRIES, &[]), 0);

    assert_eq!(producer.flush(FOREVER).await.delivered, 1);
    sleep(2 * SECOND).await;
    let seen = Readings::take(&recorder.snapshotter());
    assert_eq!(seen.gauge(telemetry::BUFFER_PAUSED, &[]), 0.0);
    let waits = seen.histogram(telemetry::THROTTLE_WAIT, &[]);
    assert!(
        matches!(waits[..], [wait] if (4.0..=4.9).contains(&wait)),
        "{waits:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn producers_of_one_hub_are_told_apart_by_name() {
    let recorder = DebuggingRecorder::new();
    let _here = metrics::set_default_local_recorder(&recorder);
    let hub = MemoryHub::new(1);
    let orders = open(&hub, options().with_name("orders")).await;
    let audit = open(&hub, options().with_name("audit")).await;
    accept(&orders, 1).await;
    accept(&audit, 2).await;
    let _ = orders.close(FOREVER).await;
    let _ = audit.close(FOREVER).await;
    let seen = Readings::take(&recorder.snapshotter());
    let events = |name| seen.histogram(telemetry::BATCH_EVENTS, &[(telemetry::NAME, name)]);
    assert_eq!((events("orders"), events("audit")), (vec![1.0], vec![2.0]));
}
