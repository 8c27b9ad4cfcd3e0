//! `Adaptive` over the wire: one throughput unit of an emulator, shared with
//! another writer that takes 600 events/s, and then 200.
//!
//! What is left is 400 events/s and then 800. Each phase takes
//! `ADAPTIVE_PHASE_SECONDS`, 20 by default, and the limiter recovers in as long.
//! The first third of a phase is not counted.
#![cfg(feature = "amqp")]

use std::env;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use eventhubs_emulator::Emulator;
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::ThrottleGate;
use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use eventhubs_flow::producer::rate_limited::{Adaptive, RateLimit, RateLimiter};
use eventhubs_flow::transport::{
    AmqpProducer, HubProperties, PartitionProperties, TransportManagement, TransportProducer,
};
use eventhubs_flow::{
    BatchLimits, Error, ErrorKind, EventBatch, EventData, EventHub, PartitionId, SendBatchError,
    Target,
};
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep};

/// How often the other writer sends.
const TICK: Duration = Duration::from_millis(50);

fn phase() -> Duration {
    let seconds = env::var("ADAPTIVE_PHASE_SECONDS");
    let seconds = seconds.map_or(20, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

async fn one_unit() -> Emulator {
    let builder = Emulator::builder().throughput_units(NonZeroU32::MIN);
    builder.start().await.expect("an emulator")
}

/// A connection of its own.
async fn producer(emulator: &Emulator) -> AmqpProducer {
    let hub = EventHub::connect(&emulator.connection_string_for("eh1")).await;
    hub.expect("connected").producer()
}

fn batch(events: u64) -> EventBatch {
    let mut batch = EventBatch::new(Target::Any, BatchLimits::STANDARD);
    for _ in 0..events {
        batch.try_add(EventData::new("other")).expect("it fits");
    }
    batch
}

/// A writer with a fixed rate, which nothing holds up: what is refused is lost.
fn other_writer(producer: AmqpProducer, events_per_second: u64) -> JoinHandle<()> {
    let batch = batch(events_per_second * TICK.as_millis() as u64 / 1000);
    tokio::spawn(async move {
        let mut tick = interval(TICK);
        loop {
            tick.tick().await;
            match producer.send_batch(batch.clone()).await {
                Ok(()) => {}
                Err(refused) if refused.error.retry_after().is_some() => {}
                Err(refused) => panic!("{refused}"),
            }
        }
    })
}

/// What became of the batches.
#[derive(Debug, Default)]
struct Counts {
    events: AtomicU64,
    batches: AtomicU64,
    throttled: AtomicU64,
}

/// The counts now: events delivered, batches sent, batches throttled.
type Counted = [u64; 3];

impl Counts {
    fn now(&self) -> Counted {
        [&self.events, &self.batches, &self.throttled].map(|it| it.load(Ordering::Relaxed))
    }
}

/// A transport that counts what becomes of its batches.
#[derive(Debug)]
struct Counting {
    inner: AmqpProducer,
    counts: Arc<Counts>,
}

#[async_trait]
impl TransportManagement for Counting {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        self.inner.hub_properties().await
    }

    async fn partition_properties(&self, id: PartitionId) -> Result<PartitionProperties, Error> {
        self.inner.partition_properties(id).await
    }
}

#[async_trait]
impl TransportProducer for Counting {
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
        let events = batch.len() as u64;
        let sent = self.inner.send_batch(batch).await;
        let counts = &self.counts;
        counts.batches.fetch_add(1, Ordering::Relaxed);
        match sent.as_ref().map_err(|refused| refused.error.kind()) {
            Ok(()) => counts.events.fetch_add(events, Ordering::Relaxed),
            Err(ErrorKind::Throttled { .. }) => counts.throttled.fetch_add(1, Ordering::Relaxed),
            Err(other) => panic!("{other:?}"),
        };
        sent
    }

    fn limits(&self, target: &Target) -> BatchLimits {
        self.inner.limits(target)
    }

    fn throttle_gate(&self) -> Option<ThrottleGate> {
        self.inner.throttle_gate()
    }

    async fn close(&self) -> Result<(), Error> {
        self.inner.close().await
    }
}

async fn counting(emulator: &Emulator) -> (Counting, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    let counting = Counting {
        inner: producer(emulator).await,
        counts: Arc::clone(&counts),
    };
    (counting, counts)
}

/// Puts in as many events as the buffer takes.
fn load(producer: &BufferedProducer) -> JoinHandle<()> {
    let producer = producer.clone();
    tokio::spawn(async move {
        let event = EventData::new(vec![0; 100]);
        while producer.enqueue(event.clone()).await.is_ok() {}
    })
}

/// What is counted in the last two thirds of a phase.
async fn counted(phase: Duration, counts: &Counts) -> Counted {
    sleep(phase / 3).await;
    let begin = counts.now();
    sleep(phase - phase / 3).await;
    let end = counts.now();
    [0, 1, 2].map(|it| end[it] - begin[it])
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adaptive_limiter_takes_what_another_writer_leaves_and_is_hardly_throttled() {
    let emulator = one_unit().await;
    let phase = phase();
    let adaptive = Adaptive::default().with_recovery(phase);
    // Batches of 25 events, for enough of them in a short phase.
    let limit = RateLimit::throughput_units(1).with_events_burst(25);
    let limiter = RateLimiter::adaptive(limit, adaptive).unwrap();
    let (transport, counts) = counting(&emulator).await;
    let limited = transport.rate_limited(&limiter);
    let options = BufferedProducerOptions::default();
    let buffered = limited.buffered(options).await.unwrap();
    let loading = load(&buffered);

    let mut totals = [0; 2];
    for (taken, left) in [(600, 400), (200, 800)] {
        let other = other_writer(producer(&emulator).await, taken);
        let [events, batches, throttled] = counted(phase, &counts).await;
        other.abort();
        let due = left * (phase - phase / 3).as_millis() as u64 / 1000;
        println!(
            "{left} events/s left: {:.0}% delivered, {throttled} of {batches} batches throttled",
            share(events, due) * 100.0
        );
        assert!(share(events, due) >= 0.8, "{events} of {due} events");
        totals[0] += throttled;
        totals[1] += batches;
    }
    let [throttled, batches] = totals;
    assert!(
        share(throttled, batches) <= 0.02,
        "{throttled} of {batches} batches were throttled"
    );
    loading.abort();
    buffered.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_limiter_the_same_load_is_throttled_hard() {
    let emulator = one_unit().await;
    let other = other_writer(producer(&emulator).await, 600);
    let (transport, counts) = counting(&emulator).await;
    let options = BufferedProducerOptions::default();
    let buffered = transport.buffered(options).await.unwrap();
    let loading = load(&buffered);
    let [_, batches, throttled] = counted(phase(), &counts).await;
    println!("{throttled} of {batches} batches throttled");
    assert!(
        share(throttled, batches) >= 0.2,
        "{throttled} of {batches} batches were throttled"
    );
    other.abort();
    loading.abort();
    buffered.abort();
}
