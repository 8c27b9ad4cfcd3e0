//! The reliability bar, as far as growth goes. Alone in its process, whose memory
//! is measured.
#![cfg(all(feature = "amqp", target_os = "linux"))]

mod amqp_support;

use std::num::NonZeroU32;
use std::time::Duration;

use amqp_support::{batch, connect, events, partition};
use eventhubs_emulator::Emulator;
use eventhubs_flow::transport::{
    ReceiverOptions, StartPosition, TransportConsumer, TransportProducer,
};
use eventhubs_flow::{EventHub, PartitionId};
use tokio::runtime::Handle;
use tokio::time::timeout;

const CYCLES: usize = 1000;
const HUBS: usize = 100;

/// What a process may grow by, in KiB, for reasons of its allocator's: no more
/// than a KiB per cycle.
const TOLERANCE: u64 = 1024;

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().strip_suffix(" kB").unwrap();
    number.parse().unwrap()
}

fn alive() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Waits until there are no more tasks than before: what is dropped ends in the
/// background.
async fn tasks_end(before: usize) {
    let end = async {
        while alive() > before {
            tokio::task::yield_now().await;
        }
    };
    let ended = timeout(Duration::from_secs(10), end).await;
    assert!(ended.is_ok(), "{} tasks live, {before} did before", alive());
}

/// Opens a producer and a receiver, uses them, and closes or drops them.
async fn cycle(hub: &EventHub, closing: bool) {
    let producer = hub.producer();
    let sent = batch(partition(0), events(["a"]));
    producer.send_batch(sent).await.unwrap();
    let options = ReceiverOptions {
        position: StartPosition::EnqueuedAfter(std::time::UNIX_EPOCH.into()),
        ..ReceiverOptions::new(PartitionId::new(0))
    };
    let consumer = hub.consumer();
    let mut receiver = consumer.open_receiver(options).await.unwrap();
    receiver.receive(NonZeroU32::MIN).await.unwrap();
    if closing {
        producer.close().await.unwrap();
        receiver.close().await.unwrap();
        consumer.close().await.unwrap();
    }
}

async fn hub_cycle(emulator: &Emulator, closing: bool) {
    let hub = connect(emulator).await;
    cycle(&hub, closing).await;
    hub.properties().await.unwrap();
    if closing {
        hub.close().await.unwrap();
    }
}

#[tokio::test]
async fn row_48_a_thousand_openings_and_closings_leave_no_memory_and_no_task() {
    let emulator = Emulator::start().await.unwrap();
    let before = alive();
    let hub = connect(&emulator).await;
    let connected = alive();
    let cycles = async |count| {
        for number in 0..count {
            cycle(&hub, number % 2 == 0).await;
        }
        tasks_end(connected).await;
        resident_kib()
    };
    // What is made once, and what an allocator keeps, does not count.
    let memory = cycles(CYCLES / 2).await;
    let grown = cycles(CYCLES).await.saturating_sub(memory);
    assert!(grown < TOLERANCE, "{grown} KiB in {CYCLES} cycles");
    drop(hub);

    let hubs = async |count| {
        for number in 0..count {
            hub_cycle(&emulator, number % 2 == 0).await;
        }
        tasks_end(before).await;
        resident_kib()
    };
    let memory = hubs(HUBS / 2).await;
    let grown = hubs(HUBS).await.saturating_sub(memory);
    assert!(grown < TOLERANCE, "{grown} KiB in {HUBS} hubs");
}
