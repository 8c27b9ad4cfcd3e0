//! The reliability bar, as far as idling goes: row 47. An hour, scaled down to
//! 5 s; `RELIABILITY_IDLE_SECONDS` asks for more.
#![cfg(all(feature = "amqp", target_os = "linux"))]

mod amqp_support;
#[path = "support/child.rs"]
mod child;
#[path = "support/process.rs"]
mod process;

use std::time::Duration;

use amqp_support::HUB;
use child::{Child, say};
use eventhubs_emulator::Emulator;
use eventhubs_flow::consumer::epoch_safe::EpochSafeConsumerOptions;
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
use eventhubs_flow::{EventData, EventHub, PartitionId};
use futures::StreamExt;
use process::{processor_ticks, resident_kib, wake_ups};

const PARTITIONS: u64 = 4;

fn seconds() -> u64 {
    let seconds = std::env::var("RELIABILITY_IDLE_SECONDS");
    seconds.map_or(5, |seconds| seconds.parse().expect("a number of seconds"))
}

/// Has all of the library open, after some work, and lets it idle.
async fn idle(connection_string: &str) {
    let hub = EventHub::connect(connection_string).await.unwrap();
    let limiter = RateLimiter::new(RateLimit::throughput_units(1)).unwrap();
    let producer = hub.producer().rate_limited(&limiter);
    let producer = producer.buffered(BufferedProducerOptions::default());
    let producer = producer.await.unwrap();
    let consumer = hub.epoch_safe_consumer(EpochSafeConsumerOptions::default());
    let mut consumer = consumer.await.unwrap();
    for partition in 0..PARTITIONS {
        let partition = PartitionId::new(partition.try_into().unwrap());
        let event = EventData::new("work").with_target(partition);
        producer.send(event).await.unwrap().await.unwrap();
        consumer.next().await.unwrap().unwrap();
    }
    let reading = tokio::spawn(async move { consumer.next().await.is_some() });

    let before = [wake_ups(), processor_ticks(), resident_kib()];
    tokio::time::sleep(Duration::from_secs(seconds())).await;
    let after = [wake_ups(), processor_ticks(), resident_kib()];
    for (before, after) in before.into_iter().zip(after) {
        say(after.saturating_sub(before));
    }
    assert!(!reading.is_finished(), "there was nothing to read");
    // Still there.
    producer.enqueue(EventData::new("more")).await.unwrap();
    assert!(reading.await.unwrap());
    assert_eq!(
        producer.close(Duration::MAX).await.delivered,
        PARTITIONS + 1
    );
}

#[tokio::test]
async fn row_47_idling_takes_next_to_no_time_no_memory_and_few_wake_ups() {
    if let Some(connection_string) = child::told() {
        return idle(&connection_string).await;
    }
    let emulator = Emulator::start().await.unwrap();
    let mut child = Child::start(
        "row_47_idling_takes_next_to_no_time_no_memory_and_few_wake_ups",
        &emulator.connection_string_for(HUB),
    );
    let mut numbers = Vec::new();
    while let Some(said) = child.next().await {
        numbers.push(said.parse::<u64>().unwrap());
    }
    child.succeeds().await;
    let [wake_ups, ticks, kib] = numbers[..] else {
        panic!("{numbers:?}");
    };
    println!(
        "in {} s: {wake_ups} wake-ups, {ticks} ticks, {kib} KiB",
        seconds()
    );
    assert!(wake_ups <= seconds() + 5, "{wake_ups} wake-ups");
    assert!(
        ticks <= seconds(),
        "one per cent of a processor: {ticks} ticks"
    );
    assert!(kib <= 512, "{kib} KiB more");
}
