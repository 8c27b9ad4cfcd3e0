//! The main job: events through all three primitives, over real AMQP, into the
//! embedded Event Hubs and back.
#![cfg(feature = "amqp")]

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use eventhubs_emulator::{Emulator, RecordedEvent};
use eventhubs_flow::consumer::epoch_safe::{EpochPolicy, EpochSafeConsumerOptions};
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
use eventhubs_flow::transport::StartPosition;
use eventhubs_flow::{EventData, EventHub, PartitionKey};
use futures::StreamExt;
use tokio::time::Instant;

const EVENTS: usize = 100_000;
const KEYS: usize = 1000;
const TASKS: usize = 8;
const THROUGHPUT_UNITS: u32 = 20;

/// The key and the running number stand in front of a body of 1 KiB.
fn body(key: usize, number: usize) -> Vec<u8> {
    let mut body = format!("{key} {number} ").into_bytes();
    body.resize(1024, b'.');
    body
}

fn parse(body: &[u8]) -> (usize, usize) {
    let text = std::str::from_utf8(body).expect("ASCII");
    let mut numbers = text
        .split(' ')
        .map(|number| number.parse().expect("a number"));
    let mut next = || numbers.next().expect("two numbers");
    (next(), next())
}

/// Each task owns the keys that are congruent to it and numbers their events.
async fn send_share(producer: BufferedProducer, task: usize) {
    let keys: Vec<_> = (0..KEYS)
        .map(|key| PartitionKey::new(format!("key {key}")).expect("short"))
        .collect();
    for number in 0..EVENTS / KEYS {
        for key in (task..KEYS).step_by(TASKS) {
            let event = EventData::new(body(key, number)).with_target(keys[key].clone());
            producer.enqueue(event).await.expect("accepted");
        }
    }
}

fn assert_exactly_once_and_in_order<'a>(bodies: impl Iterator<Item = &'a [u8]>) {
    let mut next = HashMap::new();
    let mut count = 0;
    for body in bodies {
        let (key, number) = parse(body);
        let expected: &mut usize = next.entry(key).or_default();
        assert_eq!(number, *expected, "key {key}");
        *expected += 1;
        count += 1;
    }
    assert_eq!((count, next.len()), (EVENTS, KEYS));
}

/// What a limiter counts for a stored event.
fn encoded_size(event: &RecordedEvent) -> usize {
    let key = event.partition_key.clone().expect("every event has a key");
    let key = PartitionKey::new(key).expect("short");
    EventData::new(event.body.clone())
        .with_target(key)
        .encoded_size()
}

/// At no time have more events, or more bytes, arrived than a burst and what the rate
/// let pass since `begun`: that holds however long each batch is on its way. (A window
/// that begins later can hold more, where what left before was slower.)
fn assert_never_ahead(events: &[RecordedEvent], begun: SystemTime, units: u32) {
    let mut arrivals: Vec<(SystemTime, usize)> = events
        .iter()
        .map(|event| (event.enqueued_time, encoded_size(event)))
        .collect();
    arrivals.sort_unstable();
    let mut bytes = 0;
    for (number, (time, size)) in arrivals.iter().enumerate() {
        bytes += size;
        let elapsed = time.duration_since(begun).expect("later");
        // The burst is one second of the rate.
        let seconds = 1.0 + elapsed.as_secs_f64();
        let most = |rate: u32| f64::from(rate) * f64::from(units) * seconds;
        let count = number + 1;
        assert!(count as f64 <= most(1000), "{count} events by {elapsed:?}");
        assert!(
            bytes as f64 <= most(1_000_000),
            "{bytes} bytes by {elapsed:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_pass_all_three_primitives_exactly_once_in_order_and_at_the_limited_rate() {
    let emulator = Emulator::start().await.expect("start");
    let hub = EventHub::connect(&emulator.connection_string_for("eh1"))
        .await
        .expect("connect");
    let begun = SystemTime::now();
    let limit = RateLimit::throughput_units(THROUGHPUT_UNITS);
    let limiter = RateLimiter::new(limit).expect("a limit");
    let producer = hub
        .producer()
        .rate_limited(&limiter)
        .buffered(BufferedProducerOptions::default())
        .await
        .expect("open");

    let start = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| tokio::spawn(send_share(producer.clone(), task)))
        .collect();
    for task in tasks {
        task.await.expect("joined");
    }
    let report = producer.close(Duration::from_secs(30)).await;
    let elapsed = start.elapsed();

    assert_eq!(
        (report.accepted, report.delivered),
        (EVENTS as u64, EVENTS as u64)
    );
    assert!(report.undelivered.is_empty());
    let stored = emulator.received("eh1");
    assert_exactly_once_and_in_order(stored.iter().map(|event| &event.body[..]));
    // 100,000 events are 105 MB: a burst of 20 MB, then 20 MB a second.
    let seconds = elapsed.as_secs_f64();
    assert!((3.5..7.0).contains(&seconds), "took {seconds} s");
    assert_never_ahead(&stored, begun, THROUGHPUT_UNITS);

    let options = EpochSafeConsumerOptions::default()
        .with_position(StartPosition::Earliest)
        .with_policy(EpochPolicy::TakeOver { level: 0 });
    let mut consumer = hub.epoch_safe_consumer(options).await.expect("open");
    let mut read = Vec::with_capacity(EVENTS);
    while read.len() < EVENTS {
        let event = consumer.next().await.expect("the stream goes on");
        read.push(event.expect("no partition is lost"));
    }
    assert_exactly_once_and_in_order(read.iter().map(|event| &event.body()[..]));
    consumer.close().await.expect("close");
    hub.close().await.expect("close");
    emulator.stop().await;
}
