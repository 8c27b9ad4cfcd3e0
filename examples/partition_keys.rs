//! Which events go where (the tutorial's step 4).
//!
//! ```text
//! cargo run --example partition_keys
//! ```
//!
//! Events with the same partition key go to the same partition and are read in
//! the order in which they were sent; different keys spread over the partitions.
//!
//! The tutorial writes `batch.tryAdd({ body: 'First event', partitionKey:
//! 'device1' })`. That sets no key: the JavaScript SDK takes it from the options
//! of `createBatch`, one for the whole batch, so the tutorial's events are sent
//! without one. Here each event has its own, and the buffer sorts them.
//!
//! It needs no account: see the example `send`.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use common::{Failure, Place};
use eventhubs_flow::consumer::epoch_safe::EpochSafeConsumerOptions;
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::transport::StartPosition;
use eventhubs_flow::{EventData, EventHub, PartitionId, PartitionKey, ReceivedEvent, Value};
use futures::StreamExt;

const DEVICES: usize = 8;
const READINGS: usize = 25;

/// What the events of this run have in common.
const RUN: &str = "run";

#[tokio::main]
async fn main() -> ExitCode {
    common::exit(run().await)
}

async fn run() -> Result<(), Failure> {
    let place = Place::find().await?;
    println!("{place}");
    let shown = show(&place.hub).await;
    place.leave().await;
    shown
}

async fn show(hub: &EventHub) -> Result<(), Failure> {
    println!("\n{READINGS} events of each of {DEVICES} devices, the device as partition key:");
    let events = send_and_read(hub, true).await?;
    print_spread(&events);
    let mut placed: BTreeMap<&str, BTreeSet<PartitionId>> = BTreeMap::new();
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &events {
        let (device, reading) = parse(event)?;
        placed.entry(device).or_default().insert(event.partition());
        let next = last.get(device).map_or(0, |last| last + 1);
        if reading != next {
            return Err(format!("{device} is out of order: {reading} after {last:?}").into());
        }
        last.insert(device, reading);
    }
    if placed.values().any(|partitions| partitions.len() != 1) {
        return Err("a device has events in two partitions".into());
    }
    println!("Every device has one partition, and its events are in the order sent.");

    println!("\nThe same events without a key, as the tutorial sends them:");
    print_spread(&send_and_read(hub, false).await?);
    println!("They go where a batch has room: nobody promises an order.");
    Ok(())
}

/// Sends the readings of all devices in turns, and reads them back.
async fn send_and_read(hub: &EventHub, keyed: bool) -> Result<Vec<ReceivedEvent>, Failure> {
    // Clocks differ; what is older than this run is left out by its mark.
    let start = SystemTime::now() - Duration::from_secs(60);
    let mark = Value::from(format!("{:?} {keyed}", SystemTime::now()));
    let options = BufferedProducerOptions::default().with_max_batch_events(
        READINGS
            .try_into()
            .map_err(|_| "a batch holds at least one event")?,
    );
    let producer = hub.buffered_producer(options).await?;
    for reading in 0..READINGS {
        for device in 0..DEVICES {
            let device = format!("device{device}");
            let mut event =
                EventData::new(format!("{device} {reading}")).with_property(RUN, mark.clone());
            if keyed {
                event = event.with_target(PartitionKey::new(device)?);
            }
            producer.enqueue(event).await?;
        }
    }
    let report = producer.close(Duration::from_secs(30)).await;
    if let Some(undelivered) = report.undelivered.into_iter().next() {
        return Err(undelivered.error.into());
    }

    let options = EpochSafeConsumerOptions::default()
        .with_position(StartPosition::EnqueuedAfter(start.into()));
    let mut reader = hub.epoch_safe_consumer(options).await?;
    let mut events = Vec::new();
    while events.len() < DEVICES * READINGS {
        let event = reader.next().await.ok_or("the stream has ended")??;
        if event.properties().get(RUN) == Some(&mark) {
            events.push(event);
        }
    }
    reader.close().await?;
    Ok(events)
}

/// The device and the number of its reading.
fn parse(event: &ReceivedEvent) -> Result<(&str, usize), Failure> {
    let body = std::str::from_utf8(event.body())?;
    let (device, reading) = body.split_once(' ').ok_or("not an event of this example")?;
    Ok((device, reading.parse()?))
}

/// Prints which devices are in which partition, and with how many events.
fn print_spread(events: &[ReceivedEvent]) {
    let mut spread: BTreeMap<PartitionId, BTreeMap<&str, usize>> = BTreeMap::new();
    for event in events {
        if let Ok((device, _)) = parse(event) {
            let devices = spread.entry(event.partition()).or_default();
            *devices.entry(device).or_default() += 1;
        }
    }
    for (partition, devices) in spread {
        let devices: Vec<_> = devices
            .iter()
            .map(|(device, events)| format!("{device}: {events}"))
            .collect();
        println!("  partition {partition}  {}", devices.join(", "));
    }
}
