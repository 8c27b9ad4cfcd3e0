//! A token bucket in place of `delay(1000)` (the tutorial's step 7).
//!
//! ```text
//! cargo run --example throttling
//! ```
//!
//! The tutorial waits a second after each send. That slows down whoever asked,
//! and nobody else: forty requests at once are forty batches at once. A token
//! bucket limits what is sent, however many ask for it, and it lets a burst pass
//! that the service has room for.
//!
//! It needs no account: it hosts an Event Hubs emulator that has one throughput
//! unit, which takes 1000 events and 1,000,000 bytes a second. To send to a hub
//! of yours, set `EVENTHUB_CONNECTION_STRING` and `EVENTHUB_NAME`.

mod common;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use common::{Failure, Place, progress};
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
use eventhubs_flow::transport::TransportProducer;
use eventhubs_flow::{Error, EventBatch, EventData, Target};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Requests that come in at the same time.
const REQUESTS: usize = 40;
/// What each of them sends.
const EVENTS: usize = 100;

#[tokio::main]
async fn main() -> ExitCode {
    common::exit(run().await)
}

async fn run() -> Result<(), Failure> {
    let place = Place::with_one_unit().await?;
    println!("{place}");
    println!("{REQUESTS} requests at once send {EVENTS} events each.");

    println!("\nWith delay(1000) after each send:");
    let refused = all_at_once(place.hub.producer(), Duration::from_secs(1)).await?;
    if let Some(error) = refused {
        println!("  The service says: {error}");
        let wait = error.retry_after().unwrap_or_default();
        progress::pass(wait, || "waiting as it asked".to_owned()).await;
    }

    println!("\nWith a token bucket of one throughput unit:");
    // The service saves up a second. Half of that leaves room for batches that
    // arrive closer together than they left.
    let limit = RateLimit::throughput_units(1).with_events_burst(500);
    let limiter = RateLimiter::new(limit)?;
    let limited = place.hub.producer().rate_limited(&limiter);
    all_at_once(limited, Duration::ZERO).await?;

    place.leave().await;
    Ok(())
}

/// Sends for all requests at the same time, each of which then waits before it
/// answers. Tells what became of them, and returns one of the refusals.
async fn all_at_once(
    producer: impl TransportProducer,
    delay: Duration,
) -> Result<Option<Error>, Failure> {
    let producer = Arc::new(producer);
    let start = Instant::now();
    let mut requests = JoinSet::new();
    for _ in 0..REQUESTS {
        let producer = Arc::clone(&producer);
        requests.spawn(async move {
            let mut batch = EventBatch::new(Target::Any, producer.limits(&Target::Any));
            for _ in 0..EVENTS {
                batch.try_add(EventData::new("New event"))?;
            }
            let sent = producer.send_batch(batch).await;
            let took = start.elapsed();
            sleep(delay).await;
            sent.map_err(Error::from).map(|()| took)
        });
    }

    let (mut stored, mut refused, mut last, mut why) = (0, 0, Duration::ZERO, None);
    let bar = progress::steps(REQUESTS, "requests answered");
    while let Some(answer) = requests.join_next().await {
        bar.inc(1);
        match answer? {
            Ok(took) => {
                stored += EVENTS;
                last = last.max(took);
            }
            Err(error) if error.retry_after().is_some() => {
                refused += EVENTS;
                why = Some(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    bar.finish_and_clear();
    println!("  {stored} events stored in {last:.1?}, {refused} refused.");
    Ok(why)
}
