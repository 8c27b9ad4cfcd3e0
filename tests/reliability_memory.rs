//! The reliability bar, as far as memory goes: rows 15 and 45. A hub stalls under
//! the full load of 8 tasks for 5 s; `RELIABILITY_STALL_SECONDS` asks for more.
#![cfg(all(feature = "amqp", target_os = "linux"))]

mod amqp_support;
#[path = "support/child.rs"]
mod child;
#[path = "support/process.rs"]
mod process;

use std::time::Duration;

use amqp_support::{HUB, bounded};
use child::{Child, say};
use eventhubs_emulator::{Emulator, Fault, HubConfig};
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::{EventData, EventHub};
use process::resident_kib;
use tokio::time::{Instant, interval_at};

const TASKS: usize = 8;
const PARTITIONS: u32 = 32;
/// The default of the options, in bytes.
const BOUND: u64 = 64 << 20;
const NEARLY_FULL: u64 = BOUND / 100 * 95;
/// A batch in flight of each partition, each of as many bytes as a link takes.
const IN_FLIGHT: u64 = PARTITIONS as u64 * (1 << 20);

fn seconds() -> u64 {
    let seconds = std::env::var("RELIABILITY_STALL_SECONDS");
    seconds.map_or(5, |seconds| seconds.parse().expect("a number of seconds"))
}

fn event(size: usize) -> EventData {
    EventData::new(vec![0; size])
}

/// Sends as much as fits; says how much memory that takes, each second until the
/// time is over and the buffer full, and at last how many bytes are held.
async fn send(connection_string: &str, size: usize) {
    let hub = EventHub::connect(connection_string).await.unwrap();
    let producer = hub.buffered_producer(BufferedProducerOptions::default());
    let producer = producer.await.unwrap();
    let before = resident_kib();
    for _ in 0..TASKS {
        let producer = producer.clone();
        tokio::spawn(async move { while producer.enqueue(event(size)).await.is_ok() {} });
    }
    let second = Duration::from_secs(1);
    let mut ticks = interval_at(Instant::now() + second, second);
    let cost = event(size).encoded_size() as u64 + 128;
    let mut held = 0;
    // A slow machine takes a while to fill it.
    for second in 1..seconds() + 60 {
        ticks.tick().await;
        say(resident_kib().saturating_sub(before));
        held = producer.flush(Duration::ZERO).await.pending * cost;
        if second >= seconds() && held > NEARLY_FULL {
            break;
        }
    }
    say(held);
}

async fn stall(test: &str, fault: Fault) {
    if let Some(told) = child::told() {
        let (connection_string, size) = told.split_once('|').unwrap();
        return send(connection_string, size.parse().unwrap()).await;
    }
    for size in [100, 1024] {
        let emulator = Emulator::builder()
            .hub(HubConfig::new(HUB).with_partitions(PARTITIONS))
            .start()
            .await
            .unwrap();
        let stalled = emulator.faults().inject(fault.clone());
        let connection_string = emulator.connection_string_for(HUB);
        let mut child = Child::start(test, &format!("{connection_string}|{size}"));
        bounded(stalled.wait_for(PARTITIONS.into())).await;
        let mut said = Vec::new();
        while let Some(line) = child.next().await {
            said.push(line.parse::<u64>().unwrap());
        }
        child.succeeds().await;
        let held = said.pop().unwrap();
        assert!(held <= BOUND, "{size}: {held} bytes are held");
        assert!(held > NEARLY_FULL, "{size}: only {held} bytes are held");
        let allowed = (BOUND + BOUND / 10 + IN_FLIGHT) / 1024;
        println!("events of {size} bytes: {said:?} KiB, {allowed} allowed, {held} bytes held");
        let most = said.iter().max().unwrap();
        assert!(*most <= allowed, "{size}: {most} KiB, {allowed} allowed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_45_a_stalled_hub_costs_no_more_memory_than_the_bound_and_what_is_in_flight() {
    stall(
        "row_45_a_stalled_hub_costs_no_more_memory_than_the_bound_and_what_is_in_flight",
        Fault::hold_outcomes(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_15_without_link_credit_memory_is_flat() {
    stall(
        "row_15_without_link_credit_memory_is_flat",
        Fault::withhold_credit(),
    )
    .await;
}
