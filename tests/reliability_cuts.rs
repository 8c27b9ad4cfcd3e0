//! A connection cut again and again under load: nothing acknowledged is lost, order per key holds, and there are no
//! more recoveries than cuts.
//!
//! It takes 3 s; `RELIABILITY_CUTS_SECONDS` asks for more.
#![cfg(feature = "amqp")]

mod amqp_support;
#[path = "support/oracle.rs"]
mod oracle;
mod support;

use std::sync::Arc;
use std::time::Duration;

use amqp_support::{HUB, connect_with, stored};
use eventhubs_emulator::{Emulator, Fault, When};
use eventhubs_flow::EventHubOptions;
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use oracle::Load;
use support::nonzero;
use tokio::time::{Instant, MissedTickBehavior, interval};

const CUT_EVERY: Duration = Duration::from_millis(200);

/// Of all four partitions.
const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// For how long.
fn duration() -> Duration {
    let seconds = std::env::var("RELIABILITY_CUTS_SECONDS");
    let seconds = seconds.map_or(3, |seconds| seconds.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

/// Cuts until the time is over, and tells how often: by turns between two
/// batches, in mid frame, and with an acknowledgement under way.
async fn cut(emulator: &Emulator, until: Instant) -> u64 {
    let mut cuts = 0;
    let mut ticks = interval(CUT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    for turn in 0.. {
        if Instant::now() >= until {
            break;
        }
        let fault = match turn % 3 {
            0 => Fault::drop_connection(When::Now),
            1 => Fault::cut(500),
            _ => Fault::drop_connection(When::AfterStoring),
        };
        let fault = emulator.faults().inject(fault.times(1));
        ticks.tick().await;
        cuts += fault.struck();
    }
    cuts
}

#[tokio::test]
async fn a_connection_cut_every_200_ms_under_load_loses_nothing() {
    // So that there is always something under way.
    let acknowledgement_delay = Duration::from_millis(10);
    let emulator = Emulator::builder().acknowledgement_delay(acknowledgement_delay);
    let emulator = Arc::new(emulator.start().await.unwrap());
    let soon = Duration::from_millis(10);
    let options = EventHubOptions::default().with_reconnect_backoff(soon, soon);
    let hub = connect_with(&emulator, options).await;
    let options = BufferedProducerOptions::default()
        .with_max_batch_events(nonzero(10))
        .with_max_events_per_partition(nonzero(100))
        .with_retry_backoff(soon, soon)
        .with_max_retries(1000);
    let mut load = Load::open(Arc::new(hub.producer()), options).await;

    let until = Instant::now() + duration();
    let cutting = tokio::spawn({
        let emulator = Arc::clone(&emulator);
        async move { cut(&emulator, until).await }
    });
    while !cutting.is_finished() {
        load.send_each(&KEYS, 10).await;
    }
    let cuts = cutting.await.unwrap();

    assert_eq!(load.settle().await, 0);
    let counts = load.finish(|| stored(&emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    let recoveries = hub.recoveries();
    println!("{cuts} cuts, {recoveries} recoveries, {counts:?}");
    let due = duration().div_duration_f64(CUT_EVERY) / 2.0;
    assert!(cuts as f64 >= due, "{cuts} cuts, {due} due at least");
    assert!(
        (1..=cuts).contains(&recoveries),
        "{recoveries} of {cuts} cuts"
    );
    assert!(emulator.event_count(HUB) >= counts.accepted);
}
