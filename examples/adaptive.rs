//! A rate limit that finds its share of a throughput unit.
//!
//! ```text
//! cargo run --example adaptive
//! ```
//!
//! A namespace's throughput units are for all of its writers, and nobody tells a
//! writer of the others. Here another one takes 600 events/s and then 200; what
//! is left of the unit's 1000 goes unused, or is asked for in vain. An adaptive
//! limiter falls to half with each throttling and then rises little by little, so
//! that it finds what is left and finds it again when that changes. One line per
//! second shows how.
//!
//! It needs no account: it hosts an Event Hubs emulator that has one throughput
//! unit. To use a hub of yours, set `EVENTHUB_CONNECTION_STRING` and
//! `EVENTHUB_NAME`: it should have one unit, and no other writer.

mod common;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{Failure, Place};
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::rate_limited::{Adaptive, RateLimit, RateLimiter};
use eventhubs_flow::transport::TransportProducer;
use eventhubs_flow::{BatchLimits, Error, EventBatch, EventData, Target};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

const SECOND: Duration = Duration::from_secs(1);
/// How long the other writer keeps a rate.
const PHASE_SECONDS: usize = 15;
/// Tasks that send for us, a batch at a time each.
const TASKS: usize = 4;
/// How many events a character of the printed bar stands for.
const EVENTS_PER_MARK: usize = 25;

#[derive(Default)]
struct Counts {
    delivered: AtomicU64,
    throttled: AtomicU64,
}

#[tokio::main]
async fn main() -> ExitCode {
    common::exit(run().await)
}

async fn run() -> Result<(), Failure> {
    let place = Place::with_one_unit().await?;
    println!("{place}");

    // Faster than the default of a minute, for those who watch.
    let adaptive = Adaptive::default().with_recovery(Duration::from_secs(20));
    let limiter = RateLimiter::adaptive(RateLimit::throughput_units(1), adaptive)?;
    let producer = Arc::new(place.hub.producer().rate_limited(&limiter));
    let counts = Arc::new(Counts::default());
    let mut ours = JoinSet::new();
    for _ in 0..TASKS {
        ours.spawn(send_on(Arc::clone(&producer), Arc::clone(&counts)));
    }

    let mut second = interval(SECOND);
    second.tick().await;
    for taken in [600, 200] {
        println!(
            "\nAnother writer takes {taken} events/s, {} are left.",
            1000 - taken
        );
        let mut other = JoinSet::new();
        other.spawn(take(place.hub.producer(), taken));
        for _ in 0..PHASE_SECONDS {
            second.tick().await;
            if let Some(ended) = ours.try_join_next() {
                ended??;
            }
            print_line(&limiter, &counts);
        }
    }

    ours.shutdown().await;
    place.leave().await;
    Ok(())
}

fn print_line(limiter: &RateLimiter, counts: &Counts) {
    let rate = limiter.current_limit().events_rate().unwrap_or_default();
    let delivered = counts.delivered.swap(0, Ordering::Relaxed) as usize;
    let throttled = counts.throttled.swap(0, Ordering::Relaxed);
    let bar = "#".repeat(delivered / EVENTS_PER_MARK);
    let refusals = match throttled {
        0 => String::new(),
        _ => format!(" {throttled} batches throttled"),
    };
    println!("rate {rate:>4}/s, delivered {delivered:>4} {bar}{refusals}");
}

/// Sends as much as the limiter lets pass; what was throttled, again.
async fn send_on(producer: Arc<impl TransportProducer>, counts: Arc<Counts>) -> Result<(), Error> {
    loop {
        let mut batch = full_batch(producer.limits(&Target::Any));
        let events = batch.len() as u64;
        while let Err(refused) = producer.send_batch(batch).await {
            let Some(wait) = refused.error.retry_after() else {
                return Err(refused.error);
            };
            counts.throttled.fetch_add(1, Ordering::Relaxed);
            sleep(wait).await;
            batch = refused.batch;
        }
        counts.delivered.fetch_add(events, Ordering::Relaxed);
    }
}

fn full_batch(limits: BatchLimits) -> EventBatch {
    let mut batch = EventBatch::new(Target::Any, limits);
    while batch.try_add(EventData::new("New event")).is_ok() {}
    batch
}

/// The other writer: a fixed rate, come what may.
async fn take(producer: impl TransportProducer, events_per_second: usize) {
    let limits = BatchLimits {
        events: events_per_second / 20,
        ..BatchLimits::STANDARD
    };
    let batch = full_batch(limits);
    let mut tick = interval(SECOND / 20);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        // What is refused is lost: this one does not care.
        let _ = producer.send_batch(batch.clone()).await;
    }
}
