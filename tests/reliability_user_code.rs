//! The reliability bar, as far as a user's code goes: rows 39 to 41.

mod support;

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use eventhubs_flow::producer::buffered::{
    BufferedProducer, BufferedProducerOptions, UndeliveredReason,
};
use eventhubs_flow::transport::memory::{MemoryHub, MemoryProducer};
use eventhubs_flow::transport::{
    HubProperties, PartitionProperties, TransportManagement, TransportProducer,
};
use eventhubs_flow::{
    BatchLimits, Error, ErrorKind, EventBatch, EventData, PartitionId, SendBatchError, Target,
};
use futures::FutureExt;
use support::nonzero;
use tokio::time::Instant;

const FOREVER: Duration = Duration::MAX;
const SECOND: Duration = Duration::from_secs(1);

async fn open(
    transport: impl TransportProducer,
    options: BufferedProducerOptions,
) -> BufferedProducer {
    let opened = BufferedProducer::open(Arc::new(transport), options);
    opened.await.expect("open")
}

fn event() -> EventData {
    EventData::new("event").with_target(PartitionId::new(0))
}

/// Lets every task run until all of them wait.
async fn settle() {
    // The paused clock moves only when every task waits.
    tokio::time::sleep(Duration::from_nanos(1)).await;
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Takes what is logged on this thread from now on.
    fn begin(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn warnings(&self) -> usize {
        let text = self.0.lock().unwrap();
        let text = String::from_utf8_lossy(&text);
        text.matches("dropped without close").count()
    }
}

#[tokio::test(start_paused = true)]
async fn row_39_a_drop_without_close_resolves_every_outcome_and_warns() {
    let log = Log::default();
    let _logging = log.begin();
    let hub = MemoryHub::new(1);
    hub.pause();
    let options = BufferedProducerOptions::default().with_max_batch_events(nonzero(1));
    let producer = open(hub.producer(), options).await;
    let in_flight = producer.send(event()).await.expect("room");
    let buffered = producer.send(event()).await.expect("room");
    settle().await;
    let clone = producer.clone();
    drop(producer);
    settle().await;
    assert_eq!(log.warnings(), 0, "a handle is left");
    drop(clone);
    assert_eq!(log.warnings(), 1);
    let (in_flight, buffered) = (in_flight.await, buffered.await);
    let reason = in_flight.expect_err("aborted").reason;
    assert_eq!(reason, UndeliveredReason::Unknown);
    let reason = buffered.expect_err("returned").reason;
    assert_eq!(reason, UndeliveredReason::Returned);
    hub.resume();
    settle().await;
    assert!(hub.event_count() <= 1, "nothing more is sent");
}

#[tokio::test(start_paused = true)]
async fn row_39_a_drop_after_close_does_not_warn() {
    let log = Log::default();
    let _logging = log.begin();
    let hub = MemoryHub::new(1);
    let producer = open(hub.producer(), BufferedProducerOptions::default()).await;
    producer.enqueue(event()).await.expect("room");
    assert_eq!(producer.close(FOREVER).await.delivered, 1);
    drop(producer);
    assert_eq!(log.warnings(), 0);
}

/// What waits in the public API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Enqueue,
    Send,
    EnqueueTimeout,
    SendTimeout,
    Reserve,
    Flush,
    Close,
}

const CALLS: [Call; 7] = [
    Call::Enqueue,
    Call::Send,
    Call::EnqueueTimeout,
    Call::SendTimeout,
    Call::Reserve,
    Call::Flush,
    Call::Close,
];

impl Call {
    /// Calls it; tells whether an event was accepted.
    async fn on(self, producer: BufferedProducer, target: Target) -> bool {
        let event = EventData::new("event").with_target(target.clone());
        match self {
            Self::Enqueue => producer.enqueue(event).await.is_ok(),
            Self::Send => producer.send(event).await.is_ok(),
            Self::EnqueueTimeout => producer.enqueue_timeout(event, FOREVER).await.is_ok(),
            Self::SendTimeout => producer.send_timeout(event, FOREVER).await.is_ok(),
            Self::Reserve => {
                drop(producer.reserve(&target, event.encoded_size()).await);
                false
            }
            Self::Flush => {
                drop(producer.flush(FOREVER).await);
                false
            }
            Self::Close => {
                drop(producer.close(FOREVER).await);
                false
            }
        }
    }
}

/// What happens before the future is dropped.
#[derive(Debug, Clone, Copy)]
enum Step {
    Poll,
    /// There is room again.
    Resume,
    /// Some other caller is served first.
    Other,
}

/// The ways in which a wait may go; it is dropped after each of their steps.
const WAYS: [&[Step]; 3] = [
    &[Step::Poll, Step::Poll, Step::Resume, Step::Poll],
    &[Step::Resume, Step::Poll],
    &[Step::Other, Step::Poll, Step::Resume, Step::Poll],
];

/// A producer with room for two events, and both places taken.
async fn full(hub: &MemoryHub, options: BufferedProducerOptions) -> BufferedProducer {
    hub.pause();
    let options = options.with_max_batch_events(nonzero(1)).with_linger(None);
    let producer = open(hub.producer(), options).await;
    for _ in 0..2 {
        producer.enqueue(event()).await.expect("room");
    }
    producer
}

async fn drop_after(call: Call, target: Target, options: BufferedProducerOptions, way: &[Step]) {
    let what = format!("{call:?} to {target:?}, dropped after {way:?}");
    let hub = MemoryHub::new(1);
    let producer = full(&hub, options).await;
    let mut accepted = 2;
    let mut other = Box::pin(producer.enqueue(event()));
    let mut waits_also = false;
    {
        let mut call = pin!(call.on(producer.clone(), target));
        let mut over = false;
        for step in way {
            match step {
                Step::Poll if over => {}
                Step::Poll => {
                    let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                    over = polled.is_ready();
                    accepted += u64::from(polled == Poll::Ready(true));
                }
                Step::Resume => {
                    hub.resume();
                    settle().await;
                }
                Step::Other => {
                    waits_also = true;
                    assert!(other.as_mut().now_or_never().is_none());
                }
            }
        }
    }
    hub.resume();
    let is_closed = call == Call::Close && way.iter().any(|step| matches!(step, Step::Poll));
    if waits_also {
        let served = other.await.is_ok();
        assert!(served || is_closed, "{what}: the other caller starves");
        accepted += u64::from(served);
    } else {
        drop(other);
    }
    assert_eq!(producer.flush(FOREVER).await.pending, 0, "{what}");
    if !is_closed {
        // All the room came back, and no more.
        hub.pause();
        for _ in 0..2 {
            producer.try_enqueue(event()).expect(&what);
        }
        let refused = producer.try_enqueue(event()).expect_err(&what);
        assert_eq!(*refused.error.kind(), ErrorKind::BufferFull, "{what}");
        accepted += 2;
        hub.resume();
    }
    let report = producer.close(FOREVER).await;
    assert_eq!(report.accepted, accepted, "{what}");
    assert_eq!(report.delivered, accepted, "{what}");
    assert_eq!(hub.event_count(), accepted, "{what}");
}

#[tokio::test(start_paused = true)]
async fn row_40_a_future_dropped_at_any_await_was_accepted_or_was_not_and_takes_no_room() {
    let options = BufferedProducerOptions::default;
    let two = nonzero(2);
    for call in CALLS {
        for target in [Target::Any, PartitionId::new(0).into()] {
            for options in [
                options().with_max_events_per_partition(two),
                options().with_max_events(two),
            ] {
                for way in WAYS {
                    for steps in 0..=way.len() {
                        let way = &way[..steps];
                        drop_after(call, target.clone(), options.clone(), way).await;
                    }
                }
            }
        }
    }
}

/// What a transport asks of the producer above it, in the middle of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Flush,
    Close,
    Abort,
}

/// A transport that calls the producer above it wherever it is called itself.
#[derive(Debug, Clone)]
struct Meddler {
    inner: Arc<MemoryProducer>,
    above: Arc<OnceLock<BufferedProducer>>,
    ask: Ask,
}

#[async_trait]
impl TransportManagement for Meddler {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        self.inner.hub_properties().await
    }

    async fn partition_properties(&self, id: PartitionId) -> Result<PartitionProperties, Error> {
        self.inner.partition_properties(id).await
    }
}

#[async_trait]
impl TransportProducer for Meddler {
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
        let above = self.above.get().expect("set");
        match self.ask {
            // It waits for the very batch that is sent here.
            Ask::Flush => assert_eq!(above.flush(SECOND).await.delivered, 0),
            Ask::Close => drop(above.close(SECOND).await),
            Ask::Abort => {
                above.abort();
                // It ends here.
                tokio::task::yield_now().await;
            }
        }
        self.inner.send_batch(batch).await
    }

    fn limits(&self, target: &Target) -> BatchLimits {
        if let Some(above) = self.above.get() {
            let flush = pin!(above.flush(SECOND));
            let _ = flush.poll(&mut Context::from_waker(Waker::noop()));
        }
        self.inner.limits(target)
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}

#[tokio::test(start_paused = true)]
async fn row_41_flush_close_and_abort_from_a_transport_do_not_deadlock() {
    for ask in [Ask::Flush, Ask::Close, Ask::Abort] {
        let hub = MemoryHub::new(1);
        let transport = Meddler {
            inner: Arc::new(hub.producer()),
            above: Arc::default(),
            ask,
        };
        let producer = open(transport.clone(), BufferedProducerOptions::default()).await;
        transport.above.set(producer.clone()).expect("once");
        let start = Instant::now();
        let delivery = producer.send(event()).await.expect("room");
        let outcome = delivery.await;
        assert!(start.elapsed() <= 2 * SECOND, "{ask:?}");
        match ask {
            Ask::Flush => outcome.expect("delivered"),
            Ask::Close | Ask::Abort => {
                let reason = outcome.expect_err("ended").reason;
                assert_eq!(reason, UndeliveredReason::Unknown, "{ask:?}");
            }
        }
        let report = producer.close(SECOND).await;
        let settled = report.delivered + report.unknown + report.returned;
        assert_eq!((report.accepted, settled), (1, 1), "{ask:?}");
    }
}
