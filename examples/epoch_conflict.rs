//! The tutorial's error, met, explained, and solved by three policies (step 3).
//!
//! ```text
//! cargo run --example epoch_conflict
//! ```
//!
//! A reader with an owner level (epoch) has its partition for itself in a consumer
//! group: a second one without a level is refused with "At least one receiver for
//! the endpoint is created with epoch of '0' ...". The tutorial's consumer has no
//! level, so it meets this error as soon as a processor of any SDK, all of which
//! have level 0, reads the same group.
//!
//! It needs no account: see the example `send`. With a hub of yours it takes
//! partition 0 of `$Default` from whoever reads it.

mod common;

use std::error::Error as _;
use std::process::ExitCode;
use std::time::Duration;

use common::{Failure, Place};
use eventhubs_flow::consumer::epoch_safe::{
    EpochPolicy, EpochSafeConsumer, EpochSafeConsumerOptions,
};
use eventhubs_flow::transport::{StartPosition, TransportProducer};
use eventhubs_flow::{Error, EventBatch, EventData, EventHub, PartitionId, ReceivedEvent};
use futures::StreamExt;

const PARTITION: PartitionId = PartitionId::new(0);

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
    send(hub).await?;

    println!("\n'processor' reads partition {PARTITION} with owner level 0.");
    let level = 0;
    let mut processor = open(hub, "processor", EpochPolicy::TakeOver { level }).await?;
    print_event("processor", &first(&mut processor).await?);

    println!("\n'tutorial' reads it without a level:");
    let mut tutorial = open(hub, "tutorial", EpochPolicy::NonEpoch).await?;
    let Err(error) = first(&mut tutorial).await else {
        return Err("a reader without a level was let in".into());
    };
    explain("tutorial", &error);

    println!("\nPolicy 1: take over. 'newest' opens at the same level, and the last one wins:");
    let mut newest = open(hub, "newest", EpochPolicy::TakeOver { level }).await?;
    print_event("newest", &first(&mut newest).await?);
    if let Some(Err(error)) = processor.next().await {
        explain("processor", &error);
    }

    println!("\nPolicy 2: wait for the release. 'patient' looks, and disturbs nobody:");
    let timeout = Duration::from_secs(30);
    let waiting = EpochPolicy::WaitForRelease { level, timeout };
    let mut patient = open(hub, "patient", waiting).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let state = patient.handle().snapshot().partitions[0].state;
    println!("  patient is {state:?}; now 'newest' closes.");
    newest.close().await?;
    print_event("patient", &first(&mut patient).await?);
    patient.close().await?;

    println!("\nPolicy 3: escalate. 'stale' holds it at level 4, as after a bad restart:");
    let mut stale = open(hub, "stale", EpochPolicy::TakeOver { level: 4 }).await?;
    print_event("stale", &first(&mut stale).await?);
    let escalating = EpochPolicy::Escalate { from: 0, max: 9 };
    let mut risen = open(hub, "risen", escalating).await?;
    print_event("risen", &first(&mut risen).await?);
    let seen = risen.handle().snapshot();
    let level = seen.partitions[0].owner_level.unwrap_or_default();
    println!("  risen went from level 0 to level {level}.");
    risen.close().await?;
    Ok(())
}

async fn open(hub: &EventHub, name: &str, policy: EpochPolicy) -> Result<EpochSafeConsumer, Error> {
    let options = EpochSafeConsumerOptions::default()
        .with_partitions([PARTITION])
        .with_position(StartPosition::Earliest)
        .with_policy(policy)
        .with_name(name);
    hub.epoch_safe_consumer(options).await
}

async fn send(hub: &EventHub) -> Result<(), Error> {
    let producer = hub.producer();
    let mut batch = EventBatch::new(PARTITION.into(), producer.limits(&PARTITION.into()));
    batch.try_add(EventData::new("First event"))?;
    Ok(producer.send_batch(batch).await?)
}

/// What a consumer yields first.
async fn first(events: &mut EpochSafeConsumer) -> Result<ReceivedEvent, Error> {
    let ended = || Error::new(eventhubs_flow::ErrorKind::Closed, "the stream has ended");
    events.next().await.unwrap_or_else(|| Err(ended()))
}

fn print_event(name: &str, event: &ReceivedEvent) {
    let body = String::from_utf8_lossy(event.body());
    let generation = event.generation();
    println!("  {name} reads {body:?}, as generation {generation}.");
}

/// Our sentence, then the service's own words.
fn explain(name: &str, error: &Error) {
    println!("  {name}: {error}");
    let mut innermost = error.source();
    while let Some(cause) = innermost.and_then(|error| error.source()) {
        innermost = Some(cause);
    }
    if let Some(words) = innermost {
        println!("    the service: {words}");
    }
}
