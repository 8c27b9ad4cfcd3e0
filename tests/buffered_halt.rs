//! A partition that stops after a failure, until it is told to go on.

mod support;

use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::producer::buffered::{
    BufferedProducer, BufferedProducerOptions, OnFailure, UndeliveredReason,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{Error, ErrorKind, EventData, PartitionId};
use support::nonzero;
use tokio::time::Instant;

const FOREVER: Duration = Duration::MAX;
const FIRST: PartitionId = PartitionId::new(0);

async fn open(hub: &MemoryHub, policy: OnFailure) -> BufferedProducer {
    let options = BufferedProducerOptions::default()
        .with_max_batch_events(nonzero(1))
        .with_on_failure(policy);
    BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open")
}

fn refused() -> Error {
    Error::new(ErrorKind::NotFound, "planted")
}

fn to(partition: PartitionId, body: &'static str) -> EventData {
    EventData::new(body).with_target(partition)
}

fn bodies(hub: &MemoryHub) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    hub.received()
        .iter()
        .map(|event| text(event.body()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn by_default_a_partition_goes_on_after_a_failure() {
    let hub = MemoryHub::new(1);
    hub.fail_next(1, refused());
    let producer = open(&hub, OnFailure::Continue).await;
    for body in ["a", "b", "c"] {
        producer.enqueue(to(FIRST, body)).await.expect("room");
    }
    let report = producer.flush(FOREVER).await;
    assert_eq!((report.delivered, report.failed), (2, 1));
    assert!(producer.halted().is_empty());
    assert!(!producer.resume(FIRST));
}

#[tokio::test(start_paused = true)]
async fn a_halted_partition_sends_nothing_until_it_is_resumed_and_keeps_its_order() {
    let hub = MemoryHub::new(2);
    hub.fail_next(1, refused());
    let producer = open(&hub, OnFailure::HaltPartition).await;
    let first = producer.send(to(FIRST, "a")).await.expect("room");
    assert_eq!(
        first.await.expect_err("refused").reason,
        UndeliveredReason::Rejected
    );
    for body in ["b", "c"] {
        producer.enqueue(to(FIRST, body)).await.expect("room");
    }
    let other = producer.send(to(PartitionId::new(1), "other")).await;
    other.expect("room").await.expect("others go on");
    let report = producer.flush(Duration::from_secs(60)).await;
    assert_eq!((report.failed, report.pending), (1, 2));
    assert_eq!(bodies(&hub), ["other"]);
    assert_eq!(producer.halted(), [FIRST]);

    assert!(producer.resume(FIRST));
    assert_eq!(producer.flush(FOREVER).await.delivered, 2);
    assert_eq!(bodies(&hub), ["b", "c", "other"]);
    assert!(producer.halted().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_split_batch_waits_for_the_resume() {
    let hub = MemoryHub::new(1);
    let too_large = Error::new(ErrorKind::TooLarge { size: 0, limit: 1 }, "planted");
    // Split into single events, the first of which is too large all the same.
    hub.fail_next(2, too_large);
    let options = BufferedProducerOptions::default().with_on_failure(OnFailure::HaltPartition);
    let producer = BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open");
    for body in ["a", "b", "c"] {
        producer.enqueue(to(FIRST, body)).await.expect("room");
    }
    drop(producer.flush(Duration::from_secs(60)).await);
    assert_eq!((producer.halted(), hub.event_count()), (vec![FIRST], 0));
    assert!(producer.resume(FIRST));
    drop(producer.flush(FOREVER).await);
    assert_eq!(bodies(&hub), ["b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn events_without_a_target_pass_over_a_halted_partition() {
    let hub = MemoryHub::new(3);
    hub.fail_next(1, refused());
    let producer = open(&hub, OnFailure::HaltPartition).await;
    let first = producer.send(EventData::new("halts")).await.expect("room");
    drop(first.await.expect_err("refused"));
    let halted = producer.halted();
    for _ in 0..9 {
        producer
            .enqueue(EventData::new("any"))
            .await
            .expect("elsewhere");
    }
    let report = producer.flush(Duration::from_secs(60)).await;
    assert_eq!((report.delivered, report.pending), (9, 0));
    let received = hub.received();
    assert!(received.iter().all(|event| event.partition() != halted[0]));
}

#[tokio::test(start_paused = true)]
async fn a_close_waits_for_no_halted_partition_beyond_its_time() {
    let hub = MemoryHub::new(1);
    hub.fail_next(1, refused());
    let producer = open(&hub, OnFailure::HaltPartition).await;
    for body in ["a", "b"] {
        producer.enqueue(to(FIRST, body)).await.expect("room");
    }
    let start = Instant::now();
    let report = producer.close(Duration::from_secs(5)).await;
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!((report.rejected, report.returned), (1, 1));
    assert_eq!(report.undelivered.last().expect("b").event.body(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_resumed_while_it_closes_is_drained() {
    let hub = MemoryHub::new(1);
    hub.fail_next(1, refused());
    let producer = open(&hub, OnFailure::HaltPartition).await;
    for body in ["a", "b"] {
        producer.enqueue(to(FIRST, body)).await.expect("room");
    }
    let closing = tokio::spawn({
        let producer = producer.clone();
        async move { producer.close(FOREVER).await }
    });
    drop(producer.flush(Duration::from_secs(1)).await);
    assert!(producer.resume(FIRST));
    let report = closing.await.expect("joined");
    assert_eq!((report.delivered, report.rejected), (1, 1));
}
