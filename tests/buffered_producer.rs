//! `BufferedProducer` on a paused clock, over the memory transport.

mod support;

use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::producer::buffered::{
    BufferedProducer, BufferedProducerOptions, UndeliveredReason,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{Error, ErrorKind, EventData, PartitionId, PartitionKey, Target};
use futures::FutureExt;
use support::{PanickingTransport, nonzero};
use tokio::time::{Instant, advance, timeout};

const FOREVER: Duration = Duration::MAX;

async fn open(hub: &MemoryHub, options: BufferedProducerOptions) -> BufferedProducer {
    BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open")
}

fn no_linger() -> BufferedProducerOptions {
    BufferedProducerOptions::default().with_linger(None)
}

fn to(partition: u32) -> EventData {
    EventData::new("event").with_target(PartitionId::new(partition))
}

/// Lets every task run until all of them wait.
async fn settle() {
    // The paused clock moves only when every task waits.
    tokio::time::sleep(Duration::from_nanos(1)).await;
}

#[tokio::test(start_paused = true)]
async fn the_linger_counts_from_a_batchs_first_event() {
    let hub = MemoryHub::new(1);
    let producer = open(&hub, BufferedProducerOptions::default()).await;
    let start = Instant::now();
    let first = producer.send(to(0)).await.expect("send");
    advance(Duration::from_millis(40)).await;
    let second = producer.send(to(0)).await.expect("send");
    first.await.expect("delivered");
    assert_eq!(start.elapsed().as_millis(), 50);
    second.await.expect("delivered");
    assert_eq!(start.elapsed().as_millis(), 50);
    assert_eq!(hub.batch_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_when_its_count_is_reached() {
    let hub = MemoryHub::new(1);
    let producer = open(&hub, no_linger().with_max_batch_events(nonzero(3))).await;
    for _ in 0..7 {
        producer.enqueue(to(0)).await.expect("enqueue");
    }
    settle().await;
    assert_eq!((hub.batch_count(), hub.event_count()), (2, 6));
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_when_its_bytes_are_reached() {
    let hub = MemoryHub::new(1);
    let size = to(0).encoded_size();
    let producer = open(&hub, no_linger().with_max_batch_bytes(nonzero(3 * size))).await;
    for _ in 0..7 {
        producer.enqueue(to(0)).await.expect("enqueue");
    }
    settle().await;
    assert_eq!((hub.batch_count(), hub.event_count()), (2, 6));
}

#[tokio::test(start_paused = true)]
async fn without_linger_a_batch_fills_only_while_another_is_in_flight() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let options = BufferedProducerOptions::default().with_linger(Duration::ZERO);
    let producer = open(&hub, options).await;
    producer.enqueue(to(0)).await.expect("enqueue");
    settle().await;
    for _ in 0..10 {
        producer.enqueue(to(0)).await.expect("enqueue");
    }
    settle().await;
    hub.resume();
    let report = producer.flush(FOREVER).await;
    assert_eq!((report.delivered, hub.batch_count()), (11, 2));
}

#[tokio::test(start_paused = true)]
async fn row_42_a_flush_does_not_wait_for_the_linger_and_reports_each_event_once() {
    let hub = MemoryHub::new(4);
    let options = BufferedProducerOptions::default().with_linger(Duration::from_secs(3600));
    let producer = open(&hub, options).await;
    let start = Instant::now();
    for partition in 0..4 {
        producer.enqueue(to(partition)).await.expect("enqueue");
    }
    let report = producer.flush(FOREVER).await;
    assert_eq!((report.delivered, report.failed, report.pending), (4, 0, 0));
    assert!(start.elapsed() < Duration::from_secs(1));
    producer.enqueue(to(0)).await.expect("enqueue");
    assert_eq!(producer.flush(FOREVER).await.delivered, 1);
    assert_eq!(producer.flush(FOREVER).await.delivered, 0);
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_runs_out_of_time_leaves_its_events_to_the_next_report() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let producer = open(&hub, no_linger()).await;
    producer.enqueue(to(0)).await.expect("enqueue");
    let report = producer.flush(Duration::from_secs(1)).await;
    assert_eq!((report.delivered, report.pending), (0, 1));
    let late = report.into_result().expect_err("pending");
    assert_eq!(*late.kind(), ErrorKind::Timeout);
    hub.resume();
    let report = producer.flush(FOREVER).await;
    assert_eq!((report.delivered, report.pending), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn row_42_a_flush_tells_of_events_that_failed() {
    let hub = MemoryHub::new(1);
    let refused = Error::new(ErrorKind::Unauthorized, "no");
    hub.fail_next(1, refused);
    let producer = open(&hub, no_linger()).await;
    producer.enqueue(to(0)).await.expect("enqueue");
    let report = producer.flush(FOREVER).await;
    assert_eq!((report.delivered, report.failed), (0, 1));
    let error = report.into_result().expect_err("failed");
    assert_eq!(*error.kind(), ErrorKind::Unauthorized);
}

#[tokio::test(start_paused = true)]
async fn a_close_drains_and_refuses_what_comes_later() {
    let hub = MemoryHub::new(4);
    let producer = open(&hub, no_linger()).await;
    for number in 0..100 {
        let key = PartitionKey::new(format!("key {number}")).expect("key");
        let event = EventData::new("event").with_target(key);
        producer.enqueue(event).await.expect("enqueue");
    }
    let report = producer.close(FOREVER).await;
    assert_eq!((report.accepted, report.delivered), (100, 100));
    assert!(report.undelivered.is_empty());
    assert_eq!(hub.event_count(), 100);

    let refused = producer.enqueue(to(0)).await.expect_err("closed");
    assert_eq!(*refused.error.kind(), ErrorKind::Closed);
    assert_eq!(*refused.event, to(0));
    assert_eq!(producer.close(FOREVER).await.delivered, 100);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_runs_out_of_time_hands_the_rest_back() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let producer = open(&hub, no_linger().with_max_batch_events(nonzero(2))).await;
    for _ in 0..4 {
        producer.enqueue(to(0)).await.expect("enqueue");
    }
    let kept = producer.send(to(0)).await.expect("send");
    settle().await;
    let report = producer.close(Duration::from_secs(1)).await;
    assert_eq!((report.accepted, report.delivered), (5, 0));
    assert_eq!((report.unknown, report.returned), (2, 3));
    let reasons: Vec<_> = report
        .undelivered
        .iter()
        .map(|event| event.reason)
        .collect();
    // The fifth event is in its delivery.
    let count = |reason| reasons.iter().filter(|of| **of == reason).count();
    assert_eq!(count(UndeliveredReason::Unknown), 2);
    assert_eq!(count(UndeliveredReason::Returned), 2);
    let undelivered = kept.await.expect_err("returned");
    assert_eq!(undelivered.reason, UndeliveredReason::Returned);
    assert!(producer.close(FOREVER).await.undelivered.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_close_hands_waiting_callers_their_event_back() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let producer = open(&hub, no_linger().with_max_events_per_partition(nonzero(1))).await;
    producer.enqueue(to(0)).await.expect("enqueue");
    let keyed = tokio::spawn({
        let producer = producer.clone();
        async move { producer.enqueue(to(0)).await }
    });
    let unkeyed = tokio::spawn({
        let producer = producer.clone();
        async move { producer.enqueue(EventData::new("any")).await }
    });
    settle().await;
    drop(producer.close(Duration::ZERO).await);
    for waiting in [keyed, unkeyed] {
        let refused = waiting.await.expect("joined").expect_err("closed");
        assert_eq!(*refused.error.kind(), ErrorKind::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_hands_back_an_event_that_was_refused_for_good() {
    let hub = MemoryHub::new(1);
    hub.fail_next(1, Error::new(ErrorKind::Unauthorized, "no"));
    let producer = open(&hub, no_linger()).await;
    let kept = producer.send(to(0)).await.expect("send");
    drop(producer.send(to(0)).await.expect("send"));
    drop(producer.flush(FOREVER).await);
    let undelivered = kept.await.expect_err("rejected");
    assert_eq!(undelivered.reason, UndeliveredReason::Rejected);
    assert_eq!(undelivered.event, to(0));
    let report = producer.close(FOREVER).await;
    assert_eq!((report.accepted, report.rejected), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn errors_decide_the_outcome() {
    let disconnected = Error::new(ErrorKind::Disconnected, "gone");
    let cases = [
        (
            disconnected.clone(),
            UndeliveredReason::Failed { attempts: 4 },
        ),
        (disconnected.with_unknown_fate(), UndeliveredReason::Unknown),
        (
            Error::new(ErrorKind::NotFound, "no hub"),
            UndeliveredReason::Rejected,
        ),
    ];
    for (error, reason) in cases {
        let hub = MemoryHub::new(1);
        hub.fail_next(4, error);
        let producer = open(&hub, BufferedProducerOptions::default()).await;
        let delivery = producer.send(to(0)).await.expect("send");
        assert_eq!(delivery.await.expect_err("failed").reason, reason);
    }
}

#[tokio::test(start_paused = true)]
async fn room_is_held_until_the_outcome_and_given_in_turn() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let producer = open(&hub, no_linger().with_max_events_per_partition(nonzero(2))).await;
    producer.enqueue(to(0)).await.expect("enqueue");
    producer.enqueue(to(0)).await.expect("enqueue");
    let refused = producer.try_enqueue(to(0)).expect_err("full");
    assert_eq!(*refused.error.kind(), ErrorKind::BufferFull);

    let mut first =
        Box::pin(producer.enqueue(EventData::new("first").with_target(PartitionId::new(0))));
    assert!(first.as_mut().now_or_never().is_none());
    let mut second =
        Box::pin(producer.enqueue(EventData::new("second").with_target(PartitionId::new(0))));
    assert!(second.as_mut().now_or_never().is_none());
    settle().await;
    assert!(
        first.as_mut().now_or_never().is_none(),
        "room came before the outcome"
    );
    hub.resume();
    first.await.expect("first");
    second.await.expect("second");
    drop(producer.close(FOREVER).await);
    let bodies: Vec<_> = hub
        .received()
        .iter()
        .map(|event| event.body().clone())
        .collect();
    assert_eq!(bodies, ["event", "event", "first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn row_40_a_waiter_that_gives_up_takes_nothing_with_it() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let producer = open(&hub, no_linger().with_max_events_per_partition(nonzero(1))).await;
    producer.enqueue(to(0)).await.expect("enqueue");
    for target in [Target::Partition(PartitionId::new(0)), Target::Any] {
        let event = EventData::new("given up").with_target(target);
        let waited = timeout(Duration::from_secs(1), producer.enqueue(event)).await;
        assert!(waited.is_err());
    }
    hub.resume();
    for _ in 0..10 {
        producer.enqueue(to(0)).await.expect("enqueue");
    }
    let report = producer.close(FOREVER).await;
    assert_eq!((report.accepted, report.delivered), (11, 11));
}

#[tokio::test(start_paused = true)]
async fn row_40_room_granted_to_a_dropped_future_comes_back() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let producer = open(&hub, no_linger().with_max_events_per_partition(nonzero(1))).await;
    producer.enqueue(to(0)).await.expect("enqueue");
    let mut granted = Box::pin(producer.enqueue(to(0)));
    assert!(granted.as_mut().now_or_never().is_none());
    hub.resume();
    settle().await;
    drop(granted);
    producer.try_enqueue(to(0)).expect("the room is free again");
}

#[tokio::test(start_paused = true)]
async fn a_full_partition_does_not_hold_up_another() {
    let hub = MemoryHub::new(2);
    hub.pause();
    let producer = open(&hub, no_linger().with_max_events_per_partition(nonzero(1))).await;
    producer.enqueue(to(0)).await.expect("enqueue");
    let mut waiting = Box::pin(producer.enqueue(to(0)));
    assert!(waiting.as_mut().now_or_never().is_none());
    producer.try_enqueue(to(1)).expect("room elsewhere");
}

#[tokio::test(start_paused = true)]
async fn events_without_a_target_pass_over_full_partitions_and_wait_for_any() {
    let hub = MemoryHub::new(3);
    hub.pause();
    let producer = open(&hub, no_linger().with_max_events_per_partition(nonzero(2))).await;
    for _ in 0..6 {
        producer
            .try_enqueue(EventData::new("any"))
            .expect("room in one of three");
    }
    let mut waiting = Box::pin(producer.enqueue(EventData::new("any")));
    assert!(waiting.as_mut().now_or_never().is_none());
    hub.resume();
    waiting.await.expect("room in whichever is free first");
    assert_eq!(producer.close(FOREVER).await.delivered, 7);
}

#[tokio::test(start_paused = true)]
async fn events_without_a_target_stay_together_until_the_batch_closes() {
    let hub = MemoryHub::new(4);
    let producer = open(&hub, no_linger().with_max_batch_events(nonzero(10))).await;
    for _ in 0..40 {
        producer
            .enqueue(EventData::new("any"))
            .await
            .expect("enqueue");
    }
    drop(producer.close(FOREVER).await);
    assert_eq!(hub.batch_count(), 4);
    for partition in 0..4 {
        let of = |event: &&eventhubs_flow::ReceivedEvent| event.partition().number() == partition;
        assert_eq!(hub.received().iter().filter(of).count(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_could_never_go_is_refused_at_once() {
    let hub = MemoryHub::new(1);
    let producer = open(
        &hub,
        no_linger().with_max_bytes_per_partition(nonzero(2000)),
    )
    .await;
    for size in [3000, 2 << 20] {
        let refused = producer.enqueue(EventData::new(vec![0; size])).await;
        let refused = refused.expect_err("too large");
        assert!(matches!(refused.error.kind(), ErrorKind::TooLarge { .. }));
        assert_eq!(refused.event.body().len(), size);
    }
    let refused = producer
        .enqueue(to(1))
        .await
        .expect_err("no such partition");
    assert_eq!(*refused.error.kind(), ErrorKind::InvalidPartition);
}

#[tokio::test(start_paused = true)]
async fn an_event_larger_than_a_batch_goes_alone() {
    let hub = MemoryHub::new(1);
    let producer = open(&hub, no_linger().with_max_batch_bytes(nonzero(100))).await;
    producer.enqueue(to(0)).await.expect("enqueue");
    producer
        .enqueue(EventData::new(vec![0; 1000]))
        .await
        .expect("enqueue");
    producer.enqueue(to(0)).await.expect("enqueue");
    assert_eq!(producer.close(FOREVER).await.delivered, 3);
    assert_eq!(hub.batch_count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_used_without_waiting_and_checks_its_event() {
    let hub = MemoryHub::new(2);
    let producer = open(&hub, no_linger().with_max_events_per_partition(nonzero(1))).await;
    let target = Target::Partition(PartitionId::new(1));
    let size = to(1).encoded_size();
    let permit = producer.reserve(&target, size).await.expect("reserve");
    assert!(
        producer.try_enqueue(to(1)).is_err(),
        "the permit holds the room"
    );
    permit.enqueue(EventData::new("event")).expect("fits");
    drop(producer.flush(FOREVER).await);

    let permit = producer.reserve(&target, size).await.expect("reserve");
    let large = permit
        .enqueue(EventData::new(vec![0; 100]))
        .expect_err("larger");
    assert!(matches!(large.error.kind(), ErrorKind::TooLarge { .. }));
    let permit = producer.reserve(&target, size).await.expect("reserve");
    assert!(permit.enqueue(to(0)).is_err(), "another target");
    let permit = producer.reserve(&target, size).await.expect("reserve");
    drop(permit);
    producer.try_enqueue(to(1)).expect("all came back");
    let report = producer.close(FOREVER).await;
    assert_eq!((report.accepted, report.delivered), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_panics_harms_its_batch_alone() {
    let transport = Arc::new(PanickingTransport::new(1));
    let producer = BufferedProducer::open(transport, BufferedProducerOptions::default())
        .await
        .expect("open");
    let first = producer.send(to(0)).await.expect("send");
    let undelivered = first.await.expect_err("the transport panicked");
    assert_eq!(undelivered.reason, UndeliveredReason::Unknown);
    assert_eq!(*undelivered.error.kind(), ErrorKind::Panicked);
    let second = producer.send(to(0)).await.expect("send");
    second.await.expect("the worker lives");
}

#[tokio::test(start_paused = true)]
async fn waiting_with_a_time_out_hands_the_event_back() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let producer = open(&hub, no_linger().with_max_events_per_partition(nonzero(1))).await;
    producer.enqueue(to(0)).await.expect("enqueue");
    let start = Instant::now();
    let second = Duration::from_secs(1);
    let late = producer.enqueue_timeout(to(0), second).await;
    let late = late.expect_err("no room");
    assert_eq!(*late.error.kind(), ErrorKind::Timeout);
    assert_eq!(*late.event, to(0));
    let any = EventData::new("any");
    let late = producer.send_timeout(any.clone(), second).await;
    assert_eq!(*late.expect_err("no room").event, any);
    assert_eq!(start.elapsed(), 2 * second);

    let mut in_time = Box::pin(producer.send_timeout(to(0), second));
    assert!(in_time.as_mut().now_or_never().is_none());
    hub.resume();
    let delivery = in_time.await.expect("room in time");
    delivery.await.expect("delivered");
    assert_eq!(producer.close(FOREVER).await.delivered, 2);
}
