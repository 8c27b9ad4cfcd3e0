//! The parts together, over the wire.
#![cfg(feature = "amqp")]

mod amqp_support;

use std::num::NonZeroU32;
use std::time::Duration;

use amqp_support::{HUB, bounded, start};
use eventhubs_emulator::Emulator;
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
use eventhubs_flow::stream::BatchOptions;
use eventhubs_flow::transport::TransportProducer;
use eventhubs_flow::{EventData, PartitionId, Target};
use futures::stream::{self, StreamExt};
use tokio::time::Instant;

const EVENTS: u32 = 100_000;
const PARTITIONS: u32 = 4;

/// Numbered events, in turns for each partition.
fn events() -> impl stream::Stream<Item = EventData> {
    stream::iter((0..EVENTS).map(|number| {
        let mut body = number.to_be_bytes().to_vec();
        body.resize(100, 0);
        EventData::new(body).with_target(PartitionId::new(number % PARTITIONS))
    }))
}

/// Every event is stored once, in its partition and in order.
fn assert_all_stored(emulator: &Emulator) {
    let mut next: Vec<u32> = (0..PARTITIONS).collect();
    for event in emulator.received(HUB) {
        let number = u32::from_be_bytes(event.body[..4].try_into().unwrap());
        let expected = &mut next[event.partition as usize];
        assert_eq!(number, *expected);
        *expected += PARTITIONS;
    }
    let all: Vec<u32> = (EVENTS..EVENTS + PARTITIONS).collect();
    assert_eq!(next, all);
}

#[tokio::test]
async fn batched_rate_limited_send_through_moves_100_000_events() {
    let (emulator, hub) = start().await;
    // 40,000 events/s and as many at once: the limiter has to wait.
    let limiter = RateLimiter::new(RateLimit::events_per_second(40_000)).unwrap();
    let producer = hub.producer();
    let limits = producer.limits(&Target::Any);
    let limits = limits.min(limiter.limit().batch_limits());
    let start = Instant::now();
    let outcomes = events()
        .batched(BatchOptions::default().with_limits(limits))
        .rate_limited(&limiter)
        .send_through(producer);
    let sent = outcomes.map(|outcome| outcome.unwrap().events);
    let sent: usize = bounded(sent.fold(0, |sum, events| async move { sum + events })).await;
    assert_eq!(sent, EVENTS as usize);
    assert!(start.elapsed() > Duration::from_millis(1400), "limited");
    assert_all_stored(&emulator);
}

#[tokio::test]
async fn forwarding_into_the_sink_of_a_buffered_producer_moves_100_000_events() {
    let (emulator, hub) = start().await;
    let options = BufferedProducerOptions::default();
    let producer = hub.buffered_producer(options).await.unwrap();
    let forwarded = events().map(Ok).forward(producer.clone().into_sink());
    bounded(forwarded).await.unwrap();
    // Closing the sink was a barrier: all have arrived.
    assert_all_stored(&emulator);
    let report = producer.close(Duration::MAX).await;
    assert_eq!(report.delivered, u64::from(EVENTS));
}

/// 5000 events over a hub and a limiter of one throughput unit, with defaults.
async fn pass_one_throughput_unit(size: usize) {
    let emulator = Emulator::builder().throughput_units(NonZeroU32::MIN);
    let emulator = emulator.start().await.unwrap();
    let hub = amqp_support::connect(&emulator).await;
    let limiter = RateLimiter::new(RateLimit::throughput_units(1)).unwrap();
    let producer = hub.producer().rate_limited(&limiter);
    let producer = producer.buffered(BufferedProducerOptions::default());
    let producer = producer.await.unwrap();
    let start = Instant::now();
    let mut deliveries = Vec::new();
    for _ in 0..5000 {
        let event = EventData::new(vec![0; size]);
        deliveries.push(producer.send(event).await.unwrap());
    }
    for delivery in deliveries {
        bounded(delivery).await.expect("delivered");
    }
    // A second's worth goes at once, the rest takes four seconds more.
    let took = start.elapsed();
    assert!(took > Duration::from_millis(3900), "limited: {took:?}");
    assert_eq!(producer.close(Duration::MAX).await.delivered, 5000);
    assert_eq!(emulator.event_count(HUB), 5000, "none twice");
    let throttled = emulator.metrics().throttled_requests;
    println!("{size} B: {took:?}, {throttled} batches throttled");
}

#[tokio::test]
async fn with_defaults_5000_events_of_1_kib_pass_one_throughput_unit() {
    pass_one_throughput_unit(1024).await;
}

#[tokio::test]
async fn with_defaults_5000_events_of_100_bytes_pass_one_throughput_unit() {
    pass_one_throughput_unit(100).await;
}
