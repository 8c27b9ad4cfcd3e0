//! When an open batch goes, and who gets room first, on a paused clock.

mod support;

use std::sync::Arc;
use std::time::Duration;

use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{ErrorKind, EventData, PartitionId, Target};
use futures::FutureExt;
use support::nonzero;
use tokio::time::{Instant, advance, timeout};

const FOREVER: Duration = Duration::MAX;

async fn open(hub: &MemoryHub, options: BufferedProducerOptions) -> BufferedProducer {
    let opened = BufferedProducer::open(Arc::new(hub.producer()), options);
    opened.await.expect("open")
}

/// No timer: what goes was pressed.
fn no_linger() -> BufferedProducerOptions {
    BufferedProducerOptions::default().with_linger(None)
}

fn target() -> Target {
    PartitionId::new(0).into()
}

fn event(body: usize) -> EventData {
    EventData::new(vec![0; body]).with_target(target())
}

/// Waits for what comes without any timer.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    let waited = timeout(Duration::from_secs(60), future).await;
    waited.expect("nothing is left to wait for")
}

#[tokio::test(start_paused = true)]
async fn the_linger_of_a_batch_that_is_gone_lets_no_later_one_go() {
    let hub = MemoryHub::new(1);
    let options = BufferedProducerOptions::default().with_max_batch_events(nonzero(2));
    let producer = open(&hub, options).await;
    producer.enqueue(event(1)).await.expect("accepted");
    advance(Duration::from_millis(40)).await;
    producer.enqueue(event(1)).await.expect("accepted");
    // The batch is full and goes; this one begins the next.
    let start = Instant::now();
    let later = producer.send(event(1)).await.expect("accepted");
    later.await.expect("delivered");
    assert_eq!(start.elapsed().as_millis(), 50);
}

#[tokio::test(start_paused = true)]
async fn an_open_batch_goes_when_reserved_room_leaves_none_for_a_caller() {
    let hub = MemoryHub::new(1);
    let producer = open(&hub, no_linger().with_max_events_per_partition(nonzero(4))).await;
    let mut permits = Vec::new();
    for _ in 0..3 {
        permits.push(producer.reserve(&target(), 200).await.expect("room"));
    }
    let first = producer.send(event(1)).await.expect("accepted");
    in_time(producer.enqueue(event(1))).await.expect("accepted");
    first.await.expect("delivered");
    drop(permits);
    assert_eq!(producer.close(FOREVER).await.delivered, 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_permit_goes_at_once_while_a_caller_waits() {
    let hub = MemoryHub::new(1);
    let producer = open(&hub, no_linger().with_max_events_per_partition(nonzero(4))).await;
    let mut permits = Vec::new();
    // Exactly what an event takes: nothing is given back on use.
    let size = event(1).encoded_size();
    for _ in 0..4 {
        permits.push(producer.reserve(&target(), size).await.expect("room"));
    }
    let mut waiting = Box::pin(producer.enqueue(event(1)));
    assert!(waiting.as_mut().now_or_never().is_none());
    let permit = permits.pop().expect("one of four");
    permit.enqueue(event(1)).expect("it has room");
    in_time(waiting).await.expect("accepted");
    drop(permits);
    assert_eq!(producer.close(FOREVER).await.delivered, 2);
}

#[tokio::test(start_paused = true)]
async fn a_small_event_does_not_overtake_a_large_one_that_waits() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let options = no_linger().with_max_bytes_per_partition(nonzero(4096));
    let producer = open(&hub, options).await;
    producer.enqueue(event(2000)).await.expect("accepted");
    let mut large = Box::pin(producer.enqueue(event(2000)));
    assert!(large.as_mut().now_or_never().is_none());
    let refused = producer.try_enqueue(event(1)).expect_err("it would fit");
    assert_eq!(*refused.error.kind(), ErrorKind::BufferFull);
    hub.resume();
    large.await.expect("accepted");
    producer.enqueue(event(1)).await.expect("accepted");
    assert_eq!(producer.close(FOREVER).await.delivered, 3);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_no_batch_can_hold_is_refused_at_once() {
    let hub = MemoryHub::new(1);
    let producer = open(&hub, no_linger()).await;
    let refused = producer.try_enqueue(event(2 << 20)).expect_err("2 MiB");
    let limit = 1 << 20;
    assert!(matches!(
        refused.error.kind(),
        ErrorKind::TooLarge { limit: told, .. } if *told == limit
    ));
    assert_eq!(refused.event.body().len(), 2 << 20);
    assert_eq!(producer.close(FOREVER).await.accepted, 0);
}
