//! The reliability bar, as far as a busy service goes: rows 6 and 7.
//!
//! The service is busy for 10 s; `RELIABILITY_BUSY_SECONDS` asks for more.
#![cfg(feature = "amqp")]

mod amqp_support;
#[path = "support/oracle.rs"]
mod oracle;
mod support;

use std::sync::Arc;
use std::time::Duration;

use amqp_support::{start, stored};
use eventhubs_emulator::{Emulator, Fault, When};
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use oracle::Load;
use support::nonzero;
use tokio::time::Instant;

/// Of all four partitions.
const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const PARTITIONS: u64 = 4;
/// What the service asks to wait.
const WAIT: Duration = Duration::from_secs(4);

fn busy_time() -> Duration {
    let seconds = std::env::var("RELIABILITY_BUSY_SECONDS");
    let seconds = seconds.map_or(10, |seconds| seconds.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

/// Sends while the service is busy, and afterwards; returns how often it refused.
async fn ride_out(emulator: &Emulator, hub: &eventhubs_flow::EventHub, busy: Fault) -> u64 {
    let options = BufferedProducerOptions::default().with_max_batch_events(nonzero(10));
    let load = Load::open(Arc::new(hub.producer()), options).await;
    let mut load = load.with_more_patience(busy_time());
    load.send_each(&KEYS, 10).await;
    assert_eq!(load.settle().await, 0, "before");

    let start = Instant::now();
    let busy = emulator.faults().inject(busy.lasting(busy_time()));
    load.send_each(&KEYS, 10).await;
    assert_eq!(load.settle().await, 0, "no event fails");
    let waited = start.elapsed();
    assert!(waited >= busy_time(), "it was busy: {waited:?}");
    let most = busy_time() + Duration::from_secs(10);
    assert!(waited < most, "back within 10 s: {waited:?}");

    let start = Instant::now();
    load.send_each(&KEYS, 100).await;
    assert_eq!(load.settle().await, 0, "afterwards");
    assert!(
        start.elapsed() < WAIT,
        "at the full rate: {:?}",
        start.elapsed()
    );
    let counts = load.finish(|| stored(emulator)).await;
    assert_eq!(counts.delivered, counts.accepted);
    assert_eq!(stored(emulator).len() as u64, counts.accepted, "none twice");
    busy.struck()
}

/// What is in flight when it begins, and one probe per wait.
fn most_refusals() -> u64 {
    PARTITIONS + busy_time().div_duration_f64(WAIT).floor() as u64
}

#[tokio::test]
async fn row_6_a_busy_service_fails_no_event_and_sees_one_probe_per_wait() {
    let (emulator, hub) = start().await;
    let refused = ride_out(&emulator, &hub, Fault::server_busy()).await;
    assert!((1..=most_refusals()).contains(&refused), "{refused}");
    assert_eq!(hub.recoveries(), 0);
}

#[tokio::test]
async fn row_7_a_busy_service_that_detaches_is_waited_for_just_so() {
    let (emulator, hub) = start().await;
    let refused = ride_out(&emulator, &hub, Fault::detach_busy(When::OnTransfer)).await;
    assert!((1..=most_refusals()).contains(&refused), "{refused}");
    assert_eq!(hub.recoveries(), 0);
}
