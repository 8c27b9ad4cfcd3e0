//! What a user's code does wrong harms nobody else.

mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions, Delivery};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{Error, ErrorKind, EventData, PartitionId};
use futures::StreamExt;
use support::nonzero;

const FOREVER: Duration = Duration::MAX;

/// Wakes with a panic.
#[derive(Default)]
struct Alarm {
    woken: AtomicUsize,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::Relaxed);
        panic!("a planted panic");
    }
}

/// Polls a future that is not ready yet, with a waker that panics.
fn poll_with<F: Future>(alarm: &Arc<Alarm>, future: Pin<&mut F>) {
    let waker = Waker::from(Arc::clone(alarm));
    let polled = future.poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
}

/// A body whose drop panics.
struct Spiteful(Arc<AtomicUsize>);

impl AsRef<[u8]> for Spiteful {
    fn as_ref(&self) -> &[u8] {
        b"spiteful"
    }
}

impl Drop for Spiteful {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        // A second one while the first unwinds would end the process.
        panic!("a planted panic");
    }
}

async fn open(hub: &MemoryHub, options: BufferedProducerOptions) -> BufferedProducer {
    BufferedProducer::open(Arc::new(hub.producer()), options)
        .await
        .expect("open")
}

fn event(body: impl Into<Bytes>) -> EventData {
    EventData::new(body).with_target(PartitionId::new(0))
}

async fn assert_alive(producer: &BufferedProducer) {
    let delivery = producer.send(event("alive")).await.expect("accepted");
    delivery.await.expect("the worker lives");
}

#[tokio::test(start_paused = true)]
async fn wakers_of_deliveries() {
    let hub = MemoryHub::new(1);
    let producer = open(&hub, BufferedProducerOptions::default()).await;
    let alarm = Arc::new(Alarm::default());
    let mut deliveries = Vec::new();
    for _ in 0..3 {
        let mut delivery: Delivery = producer.send(event("one")).await.expect("accepted");
        poll_with(&alarm, Pin::new(&mut delivery));
        deliveries.push(delivery);
    }
    let last = producer.send(event("last")).await.expect("accepted");
    last.await.expect("delivered, and told");
    for delivery in deliveries {
        delivery.await.expect("delivered, and told when asked");
    }
    assert_eq!(alarm.woken.load(Ordering::Relaxed), 3);
    assert_alive(&producer).await;
}

#[tokio::test(start_paused = true)]
async fn wakers_of_those_who_wait_for_room() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let options = BufferedProducerOptions::default().with_max_events_per_partition(nonzero(2));
    let producer = open(&hub, options).await;
    for _ in 0..2 {
        producer.enqueue(event("full")).await.expect("room");
    }
    let alarm = Arc::new(Alarm::default());
    let mut first = Box::pin(producer.enqueue(event("first")));
    poll_with(&alarm, first.as_mut());
    let mut any = Box::pin(producer.enqueue(EventData::new("any")));
    poll_with(&alarm, any.as_mut());
    let second = tokio::spawn({
        let producer = producer.clone();
        async move { producer.enqueue(event("second")).await }
    });
    tokio::task::yield_now().await;
    hub.resume();
    second.await.expect("joined").expect("room");
    first.await.expect("room");
    any.await.expect("room");
    assert_eq!(alarm.woken.load(Ordering::Relaxed), 2);
    assert_eq!(producer.close(FOREVER).await.delivered, 5);
}

#[tokio::test(start_paused = true)]
async fn wakers_of_flushes_and_of_the_outcome_stream() {
    let hub = MemoryHub::new(1);
    hub.pause();
    let options = BufferedProducerOptions::default().with_outcome_stream(nonzero(10));
    let producer = open(&hub, options).await;
    let mut outcomes = producer.outcomes().expect("asked for");
    producer.enqueue(event("one")).await.expect("room");
    let alarm = Arc::new(Alarm::default());
    let mut next = Box::pin(outcomes.next());
    poll_with(&alarm, next.as_mut());
    let mut flushes = Vec::new();
    for _ in 0..3 {
        let mut flush = Box::pin(producer.flush(FOREVER));
        poll_with(&alarm, flush.as_mut());
        flushes.push(flush);
    }
    let flush = tokio::spawn({
        let producer = producer.clone();
        async move { producer.flush(FOREVER).await }
    });
    tokio::task::yield_now().await;
    hub.resume();
    assert_eq!(flush.await.expect("joined").pending, 0);
    for flush in flushes {
        assert_eq!(flush.await.pending, 0);
    }
    assert!(next.await.is_some());
    assert_eq!(alarm.woken.load(Ordering::Relaxed), 4);
    assert_alive(&producer).await;
}

#[tokio::test(start_paused = true)]
async fn drops_of_bodies() {
    let hub = MemoryHub::discarding(1);
    let producer = open(&hub, BufferedProducerOptions::default()).await;
    let drops = Arc::new(AtomicUsize::new(0));
    let spiteful = || event(Bytes::from_owner(Spiteful(Arc::clone(&drops))));
    // Two of them in one batch.
    for event in [spiteful(), event("between"), spiteful()] {
        producer.enqueue(event).await.expect("room");
    }
    let report = producer.flush(FOREVER).await;
    assert_eq!((report.delivered, drops.load(Ordering::Relaxed)), (3, 2));

    hub.fail_next(1, Error::new(ErrorKind::NotFound, "planted"));
    for event in [spiteful(), event("between"), spiteful()] {
        producer.enqueue(event).await.expect("room");
    }
    let report = producer.flush(FOREVER).await;
    assert_eq!((report.failed, drops.load(Ordering::Relaxed)), (3, 4));
    assert_alive(&producer).await;
    let report = producer.close(FOREVER).await;
    assert_eq!(
        (report.accepted, report.delivered, report.rejected),
        (7, 4, 3)
    );
}

/// Calls back when it is woken or dropped.
struct Caller(Box<dyn Fn() + Send + Sync>);

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

struct CallsWhenDropped(Arc<Caller>);

impl AsRef<[u8]> for CallsWhenDropped {
    fn as_ref(&self) -> &[u8] {
        b"calls"
    }
}

impl Drop for CallsWhenDropped {
    fn drop(&mut self) {
        (self.0.0)();
    }
}

#[tokio::test(start_paused = true)]
async fn row_41_calls_from_wakers_and_drops_do_not_deadlock() {
    let hub = MemoryHub::discarding(1);
    let producer = open(&hub, BufferedProducerOptions::default()).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let caller = Arc::new(Caller(Box::new({
        let (producer, calls) = (producer.clone(), Arc::clone(&calls));
        move || {
            calls.fetch_add(1, Ordering::Relaxed);
            producer.try_enqueue(event("from a call")).expect("room");
            let mut context = Context::from_waker(Waker::noop());
            let flush = std::pin::pin!(producer.flush(FOREVER));
            assert!(flush.poll(&mut context).is_pending());
        }
    })));
    let body = Bytes::from_owner(CallsWhenDropped(Arc::clone(&caller)));
    let mut delivery = producer.send(event(body)).await.expect("room");
    let waker = Waker::from(caller);
    let polled = Pin::new(&mut delivery).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    // The second one covers what the calls enqueued.
    for _ in 0..2 {
        assert_eq!(producer.flush(FOREVER).await.pending, 0);
    }
    delivery.await.expect("delivered");
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert_eq!(hub.event_count(), 3);

    // Closing and ending from there, too.
    let closer = Arc::new(Caller(Box::new({
        let producer = producer.clone();
        move || {
            let mut context = Context::from_waker(Waker::noop());
            let close = std::pin::pin!(producer.close(FOREVER));
            let _ = close.poll(&mut context);
            producer.abort();
        }
    })));
    let body = Bytes::from_owner(CallsWhenDropped(closer));
    producer.enqueue(event(body)).await.expect("room");
    let report = producer.close(FOREVER).await;
    assert_eq!((report.accepted, report.delivered), (4, 4));
}
