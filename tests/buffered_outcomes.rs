//! The stream of what became of events.

mod support;

use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::producer::buffered::{
    BufferedProducer, BufferedProducerOptions, EventOutcome, OverflowPolicy, UndeliveredReason,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{Error, ErrorKind, EventData, PartitionId};
use futures::{FutureExt, StreamExt};
use support::nonzero;

const FOREVER: Duration = Duration::MAX;

async fn open(hub: &MemoryHub, capacity: usize) -> BufferedProducer {
    let options = BufferedProducerOptions::default()
        .with_max_batch_events(nonzero(1))
        .with_outcome_stream(nonzero(capacity));
    BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open")
}

fn refused() -> Error {
    Error::new(ErrorKind::NotFound, "planted")
}

fn event(body: impl Into<String>) -> EventData {
    EventData::new(body.into()).with_target(PartitionId::new(0))
}

/// What the stream tells of each item.
fn told(outcome: EventOutcome) -> String {
    match outcome {
        EventOutcome::Delivered { events, .. } => format!("{events} delivered"),
        EventOutcome::Undelivered { reason, event, .. } => {
            let body = event.map(|event| String::from_utf8_lossy(event.body()).into_owned());
            format!("{reason:?} {body:?}")
        }
        _ => unreachable!("there are two kinds"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_outcome_is_told_in_order_and_hands_back_what_nobody_else_has() {
    let hub = MemoryHub::new(1);
    let producer = open(&hub, 100).await;
    let outcomes = producer.outcomes().expect("the first one to ask");
    assert!(producer.outcomes().is_none(), "there is one stream");

    hub.fail_next(2, refused());
    producer.enqueue(event("nobody waits")).await.expect("room");
    let kept = producer.send(event("kept")).await.expect("room");
    drop(producer.flush(FOREVER).await);
    producer.enqueue(event("stored")).await.expect("room");
    drop(producer.flush(FOREVER).await);
    hub.pause();
    producer.enqueue(event("in flight")).await.expect("room");
    producer.enqueue(event("returned")).await.expect("room");
    let report = producer.close(Duration::from_secs(1)).await;

    let mut told: Vec<_> = outcomes.map(told).collect().await;
    // What is returned and what is in flight end at the same time.
    told[3..].sort();
    assert_eq!(
        told,
        [
            "Rejected Some(\"nobody waits\")",
            "Rejected None",
            "1 delivered",
            "Returned None",
            "Unknown None",
        ]
    );
    assert_eq!(kept.await.expect_err("refused").event.body(), "kept");
    assert_eq!(report.undelivered.len(), 2, "the report has these");
}

#[tokio::test(start_paused = true)]
async fn without_the_option_there_is_no_stream() {
    let hub = MemoryHub::new(1);
    let options = BufferedProducerOptions::default();
    let producer = BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open");
    assert!(producer.outcomes().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_sleeps_holds_nobody_up_and_loses_deliveries_first() {
    let hub = MemoryHub::new(1);
    let producer = open(&hub, 4).await;
    let outcomes = producer.outcomes().expect("asked for");
    for number in 0..10 {
        if number % 3 == 0 {
            hub.fail_next(1, refused());
        }
        let event = event(number.to_string());
        producer.enqueue(event).await.expect("room");
        assert_eq!(producer.flush(FOREVER).await.pending, 0);
    }
    // Four were refused: all other outcomes gave way.
    assert_eq!(
        (outcomes.lost().delivered, outcomes.lost().undelivered),
        (6, 0)
    );
    for number in ["late", "later"] {
        hub.fail_next(1, refused());
        producer.enqueue(event(number)).await.expect("room");
        drop(producer.flush(FOREVER).await);
    }
    let lost = outcomes.lost();
    assert_eq!((lost.delivered, lost.undelivered), (6, 2));
    drop(producer.close(FOREVER).await);
    let told: Vec<_> = outcomes.map(told).collect().await;
    let bodies = ["6", "9", "late", "later"];
    assert_eq!(told, bodies.map(|body| format!("Rejected Some({body:?})")));
}

#[tokio::test(start_paused = true)]
async fn events_handed_back_take_8_mib_at_most() {
    let hub = MemoryHub::new(1);
    let producer = open(&hub, 1000).await;
    let mut outcomes = producer.outcomes().expect("asked for");
    let large = event("x".repeat(1 << 20).split_off(1 << 16));
    let size = large.encoded_size();
    for _ in 0..20 {
        hub.fail_next(1, refused());
        producer.enqueue(large.clone()).await.expect("room");
        drop(producer.flush(FOREVER).await);
    }
    let mut bytes = 0;
    while let Some(Some(outcome)) = outcomes.next().now_or_never() {
        assert!(matches!(
            outcome,
            EventOutcome::Undelivered { event: Some(_), .. }
        ));
        bytes += size;
    }
    assert!((4 << 20..=8 << 20).contains(&bytes), "{bytes}");
    assert_eq!(
        outcomes.lost().undelivered,
        20 - u64::try_from(bytes / size).unwrap()
    );
}

#[tokio::test(start_paused = true)]
async fn the_stream_wakes_its_reader_and_ends_with_the_last_handle() {
    let hub = MemoryHub::new(1);
    let producer = open(&hub, 100).await;
    let mut outcomes = producer.outcomes().expect("asked for");
    let reader = tokio::spawn(async move {
        let first = outcomes.next().await.map(told);
        (first, outcomes.next().await.is_none())
    });
    tokio::task::yield_now().await;
    producer.enqueue(event("stored")).await.expect("room");
    drop(producer.flush(FOREVER).await);
    drop(producer);
    let (first, ended) = reader.await.expect("joined");
    assert_eq!((first.as_deref(), ended), (Some("1 delivered"), true));
}

#[tokio::test(start_paused = true)]
async fn displaced_events_are_told_too() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let options = BufferedProducerOptions::default()
        .with_max_events_per_partition(nonzero(2))
        .with_linger(None)
        .with_overflow(OverflowPolicy::DropOldest)
        .with_outcome_stream(nonzero(10));
    let producer = BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open");
    let mut outcomes = producer.outcomes().expect("asked for");
    for body in ["a", "b", "c"] {
        producer.try_enqueue(event(body)).expect("room is made");
    }
    let outcome = outcomes.next().now_or_never().flatten().expect("told");
    let EventOutcome::Undelivered { reason, event, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(reason, UndeliveredReason::Dropped);
    assert_eq!(event.expect("nobody else has it").body(), "a");
}
