//! Throughput units, to the millisecond.

use super::peer::*;
use crate::config::Config;
use crate::partition_log::{EventAnnotations, NewEvent};
use crate::wire::performative::{Flow, Performative, Role};
use crate::wire::value::Value;
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const STORED: usize = 4000;

async fn with_a_unit() -> Peer {
    let mut peer = Peer::connect(&Config {
        throughput_units: NonZeroU32::new(1),
        ..Config::default()
    });
    peer.open(&open()).await;
    peer.begin(0, 100_000).await;
    peer
}

/// Sends a message of `size` bytes; the condition and text it is rejected with, if it is.
async fn outcome(peer: &mut Peer, delivery_id: u32, size: usize) -> Option<(String, String)> {
    let message = message(&vec![0; size - 8]);
    assert_eq!(message.len(), size);
    peer.transfer(delivery_id, &message, 60_000);
    let frame = peer.frame().await;
    let Performative::Disposition(disposition) = read(&frame).0 else {
        panic!("{frame:?}")
    };
    assert_eq!(disposition.first, delivery_id);
    let Value::Described(_, fields) = disposition.state else {
        panic!()
    };
    let Value::List(fields) = *fields else {
        panic!()
    };
    let error = fields.first()?.described_list().unwrap();
    let text = |at: usize| error[at].as_text().unwrap().to_owned();
    Some((text(0), text(1)))
}

#[tokio::test(start_paused = true)]
async fn a_batch_over_the_limit_is_refused_until_the_bucket_has_what_it_takes() {
    let mut peer = with_a_unit().await;
    peer.attach(attach(Role::Sender, "eh1")).await;
    peer.flow().await;
    let start = Instant::now();
    assert_eq!(outcome(&mut peer, 0, 900_000).await, None);
    let (condition, text) = outcome(&mut peer, 1, 150_000).await.unwrap();
    assert_eq!(condition, "com.microsoft:server-busy");
    assert!(text.contains("Error code : 50002. Please wait 4 seconds"));
    // 50,000 bytes are missing, and a refusal has taken none.
    sleep_until(start + Duration::from_millis(49)).await;
    assert!(outcome(&mut peer, 2, 150_000).await.is_some());
    sleep_until(start + Duration::from_millis(50)).await;
    assert_eq!(outcome(&mut peer, 3, 150_000).await, None);
    // More than a second's worth is taken once the bucket is full.
    sleep_until(start + Duration::from_millis(1049)).await;
    assert!(outcome(&mut peer, 4, 1_040_000).await.is_some());
    sleep_until(start + Duration::from_millis(1050)).await;
    assert_eq!(outcome(&mut peer, 5, 1_040_000).await, None);
}

/// A receiver of partition 0, in which there are [`STORED`] events of a kilobyte.
async fn receiver_of_stored() -> Peer {
    let mut peer = with_a_unit().await;
    let hub = peer.broker.namespace.hub("eh1").unwrap();
    let stored = message(&[0; 1000]);
    let event = |_| NewEvent {
        sections: &stored,
        annotations: EventAnnotations::default(),
    };
    hub.partitions()[0].append((0..STORED).map(event));
    peer.attach(receiver()).await;
    peer.send(
        0,
        &Performative::Flow(Flow {
            incoming_window: 100_000,
            ..credit(STORED as u32)
        }),
    );
    peer
}

/// Takes a number of deliveries, and returns their bytes.
async fn take(peer: &mut Peer, deliveries: usize) -> usize {
    let mut bytes = 0;
    for _ in 0..deliveries {
        let frame = peer.frame().await;
        let (Performative::Transfer(transfer), payload) = read(&frame) else {
            panic!("a receiver that is slowed down gets no error: {frame:?}")
        };
        assert!(!transfer.more);
        bytes += payload.len();
    }
    bytes
}

#[tokio::test(start_paused = true)]
async fn a_receiver_is_slowed_down_to_the_bytes_of_a_unit_without_an_error() {
    let start = Instant::now();
    let mut peer = receiver_of_stored().await;
    let bytes = take(&mut peer, STORED).await;
    let rest = Duration::from_micros((bytes as u64 - 2_000_000) / 2);
    let elapsed = start.elapsed();
    // A message may be larger than what is left, and timers are of milliseconds.
    assert!(elapsed + Duration::from_millis(1) >= rest, "{elapsed:?}");
    assert!(elapsed <= rest + Duration::from_millis(20), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_waits_goes_on_at_once_when_the_units_are_taken_away() {
    let mut peer = receiver_of_stored().await;
    let half = STORED / 2;
    take(&mut peer, half).await;
    let start = Instant::now();
    let throughput = peer.broker.namespace.throughput();
    throughput.set_units(None);
    take(&mut peer, STORED - half).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_grants_credit_again_and_again_keeps_its_place_in_the_queue() {
    let start = Instant::now();
    let mut peer = receiver_of_stored().await;
    let mut bytes = 0;
    for taken in 1..=STORED as u32 {
        bytes += take(&mut peer, 1).await;
        let flow = Flow {
            next_incoming_id: Some(taken),
            delivery_count: Some(taken),
            incoming_window: 100_000,
            ..credit(STORED as u32 - taken)
        };
        peer.send(0, &Performative::Flow(flow));
    }
    let rest = Duration::from_micros((bytes as u64 - 2_000_000) / 2);
    assert!(start.elapsed() <= rest + Duration::from_millis(20));
}
