//! Processes that share a hub: start it in three terminals and watch partitions move
//! (beyond one machine: Azure Blob Storage in place of the store in files).
//!
//! ```text
//! cargo run --example processor        # and again, in two more terminals
//! ```
//!
//! Each prints who owns what whenever that changes. Press Ctrl-C in one: it hands its
//! partitions over, and the others take them at once. Kill another (`kill -9`): its
//! partitions are without an owner until it has expired, for 6 s here, and then move.
//! What was handled after the last checkpoint of a killed process is handled again; at
//! no other time is anything handled twice.
//!
//! It needs no account: the first one hosts an Event Hubs emulator and sends the events,
//! the others join it. So stop that one last. To share a hub of yours, set
//! `EVENTHUB_CONNECTION_STRING` and `EVENTHUB_NAME`; `EMULATOR_PORT` moves the emulator.

mod common;

use std::collections::HashMap;
use std::convert::Infallible;
use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Failure, Place};
use eventhubs_flow::EventData;
use eventhubs_flow::consumer::processor::{
    EventProcessorOptions, OwnershipState, PartitionOwnership, ProcessorHandle,
};
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use tokio::time::{interval, sleep};

/// Short, to be watched.
const INTERVAL: Duration = Duration::from_secs(1);
const EXPIRY: Duration = Duration::from_secs(6);

#[tokio::main]
async fn main() -> ExitCode {
    common::exit(run().await)
}

async fn run() -> Result<(), Failure> {
    let mut stop = pin!(common::stop()?);
    let place = Place::find().await?;
    println!("{place}");
    let handled = Arc::new(AtomicU64::new(0));
    let options = EventProcessorOptions::new(place.store("processor").await?)
        .with_load_balancing_interval(INTERVAL)
        .with_ownership_expiry(EXPIRY)
        .with_store_timeout(EXPIRY / 3)
        .with_checkpoint_every(NonZeroU32::new(100).expect("not zero"), INTERVAL);
    let processor = place.hub.event_processor(options).await?;
    let handle = processor.handle();
    println!(
        "This process is {}. Ctrl-C hands its partitions over.",
        handle.snapshot().owner
    );

    let counting = Arc::clone(&handled);
    let limit = NonZeroUsize::new(8).expect("not zero");
    let handling = tokio::spawn(processor.process(limit, move |_event| {
        let handled = Arc::clone(&counting);
        async move {
            sleep(Duration::from_millis(5)).await;
            handled.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(())
        }
    }));

    tokio::select! {
        // An emulator that was joined has stopped, or Ctrl-C.
        _ = place.over(stop.as_mut()) => {}
        sent = send(&place), if place.connection_string().is_some() => sent?,
        never = watch(&handle, &handled) => match never {},
    }
    handle.stop();
    let report = handling.await?;
    println!("Handed over. Handled {} events here.", report.handled);
    place.leave().await;
    Ok(())
}

/// Sends a hundred events per second, for as long as it is let.
async fn send(place: &Place) -> Result<(), Failure> {
    let producer = place
        .hub
        .buffered_producer(BufferedProducerOptions::default())
        .await?;
    let mut ticks = interval(Duration::from_millis(10));
    loop {
        ticks.tick().await;
        producer.enqueue(EventData::new("tick")).await?;
    }
}

/// Prints who owns what, whenever that changes.
async fn watch(handle: &ProcessorHandle, handled: &AtomicU64) -> Infallible {
    let names = Mutex::new(HashMap::new());
    let mut told = String::new();
    loop {
        let now = handle.snapshot();
        let owner = now.owner.clone();
        let of = |it: &PartitionOwnership| match it.state {
            OwnershipState::Unowned => format!("{}: nobody", it.partition),
            OwnershipState::Elsewhere => {
                let mut names = names.lock().expect("no panic");
                let other = it.owner.clone().unwrap_or_default();
                let next = names.len() + 1;
                let number = *names.entry(other).or_insert(next);
                format!("{}: other {number}", it.partition)
            }
            OwnershipState::Waiting => format!("{}: ME, soon", it.partition),
            OwnershipState::HandingOver => format!("{}: leaving", it.partition),
            _ => format!("{}: ME", it.partition),
        };
        let partitions: Vec<_> = now.partitions.iter().map(of).collect();
        let line = partitions.join(" | ");
        if line != told {
            let counts = &now.counts;
            println!(
                "{line}   ({owner}: {} handled, {} claimed, {} taken from others, {} lost)",
                handled.load(Ordering::Relaxed),
                counts.claims + counts.claims_of_expired,
                counts.steals,
                counts.stolen + counts.lapsed,
            );
            told = line;
        }
        sleep(Duration::from_millis(100)).await;
    }
}
