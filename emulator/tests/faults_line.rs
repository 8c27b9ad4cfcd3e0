//! Faults of the line: what becomes of bytes, and what a bare client sees of it.

mod support;

use eventhubs_emulator::{Emulator, Fault};
use fe2o3_amqp::sasl_profile::SaslProfile;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;
use support::*;
use tokio::time::{Instant, timeout};

/// Sends an event, and tells how long its outcome took.
async fn round_trip(sender: &mut fe2o3_amqp::Sender, body: &str) -> Duration {
    let start = Instant::now();
    send(sender, batch(None, [event(body)])).await;
    start.elapsed()
}

#[tokio::test]
async fn a_long_line_costs_its_latency_each_way() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    let delay = Duration::from_millis(40);
    let both = emulator.faults().inject(Fault::latency(delay));
    assert!(round_trip(&mut sender, "both ways").await >= 2 * delay);
    assert_eq!(both.struck(), 1, "the connection");
    drop(both);
    let _one = emulator.faults().inject(Fault::latency(delay).to_client());
    assert!(round_trip(&mut sender, "one way").await >= delay);
}

#[tokio::test]
async fn a_narrow_line_carries_its_bytes_per_second() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    let rate = NonZeroU64::new(100_000).unwrap();
    let narrow = emulator
        .faults()
        .inject(Fault::bandwidth(rate).from_client());
    let body = "x".repeat(30_000);
    assert!(round_trip(&mut sender, &body).await >= Duration::from_millis(299));
    assert_eq!(narrow.struck(), 1);
    narrow.heal();
    assert_eq!(emulator.received("eh1")[0].body, body);
}

#[tokio::test]
async fn frames_that_come_byte_by_byte_mean_the_same() {
    let emulator = Emulator::start().await.unwrap();
    let thin = Fault::slices(NonZeroUsize::MIN);
    let thin = emulator.faults().inject(thin);
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1/Partitions/0").await;
    round_trip(&mut sender, "one").await;
    let mut receiver = client.receiver(0, ReceiverOptions::default()).await;
    receiver.set_credit(1).await.unwrap();
    assert_eq!(next_bodies(&mut receiver, 1).await, ["one"]);
    assert_eq!(thin.struck(), 1);
}

#[tokio::test]
async fn a_corrupt_byte_ends_the_connection_and_no_other() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    // The first byte of a frame's size.
    let corrupt = emulator
        .faults()
        .inject(Fault::corrupt(0).from_client().times(1));
    let sending = sender.send(event("lost"));
    let ended = async {
        tokio::select! {
            _ = sending => {}
            closed = client.connection.on_close() => assert!(closed.is_err(), "{closed:?}"),
        }
    };
    timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(corrupt.struck(), 1);
    assert_eq!(emulator.event_count("eh1"), 0);
    let mut other = Client::authorized(&emulator).await;
    round_trip(&mut other.sender("eh1").await, "kept").await;
}

#[tokio::test]
async fn a_cut_line_ends_in_mid_frame_without_a_word() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    let cut = emulator.faults().inject(Fault::cut(5_000).times(1));
    let sending = sender.send(event("x".repeat(20_000)));
    let ended = async {
        tokio::select! {
            outcome = sending => assert!(outcome.is_err(), "{outcome:?}"),
            closed = client.connection.on_close() => assert!(closed.is_err(), "{closed:?}"),
        }
    };
    timeout(PATIENCE, ended).await.unwrap();
    cut.wait_for(1).await;
    emulator
        .wait_until(|emulator| emulator.connection_count() == 0)
        .await;
    assert_eq!(emulator.event_count("eh1"), 0);
    let mut other = Client::authorized(&emulator).await;
    round_trip(&mut other.sender("eh1").await, "kept").await;
}

#[tokio::test]
async fn an_idle_connection_is_cut_at_once() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    let cut = emulator.faults().inject(Fault::cut(0));
    let closed = timeout(PATIENCE, client.connection.on_close()).await;
    assert!(closed.unwrap().is_err());
    assert_eq!(cut.struck(), 1);
}

#[tokio::test]
async fn a_half_open_connection_is_silent_and_stays_so_while_new_ones_work() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let mut sender = client.sender("eh1").await;
    let silent = emulator.faults().inject(Fault::half_open());
    let silence = timeout(Duration::from_millis(300), sender.send(event("lost"))).await;
    assert!(silence.is_err(), "neither an outcome nor an error");
    assert_eq!(silent.struck(), 1);
    silent.heal();
    let mut other = Client::authorized(&emulator).await;
    round_trip(&mut other.sender("eh1").await, "kept").await;
    assert_eq!(emulator.event_count("eh1"), 1);
    let silence = timeout(Duration::from_millis(100), client.connection.on_close()).await;
    assert!(silence.is_err(), "still open");
}
