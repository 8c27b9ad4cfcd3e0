//! A wall clock that jumps while a producer sends over the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use eventhubs_emulator::{Emulator, Fault, FaultGuard, When};
use tokio::time::Instant;

use crate::event::EventData;
use crate::hub::{EventHub, EventHubOptions};
use crate::producer::buffered::{BufferedProducer, BufferedProducerOptions};
use crate::transport::amqp::WallClock;

const HOUR: Duration = Duration::from_secs(3600);

/// The time of day plus so many seconds, an hour at first.
fn clock() -> (WallClock, Arc<AtomicU64>) {
    let ahead = Arc::new(AtomicU64::new(HOUR.as_secs()));
    let seconds = Arc::clone(&ahead);
    let now = move || SystemTime::now() + Duration::from_secs(seconds.load(Ordering::Relaxed));
    (WallClock::new(now), ahead)
}

async fn open(
    emulator: &Emulator,
    clock: WallClock,
    life: Duration,
) -> (EventHub, BufferedProducer) {
    let options = EventHubOptions {
        wall_clock: clock,
        ..EventHubOptions::default().with_token_life(life)
    };
    let connection_string = emulator.connection_string_for("eh1");
    let connected = EventHub::connect_with(&connection_string, options);
    let hub = connected.await.expect("connected");
    let options = BufferedProducerOptions::default()
        .with_deadline(Duration::from_secs(60))
        .with_linger(Duration::ZERO);
    let producer = hub.buffered_producer(options).await.expect("open");
    send(&producer).await;
    (hub, producer)
}

async fn send(producer: &BufferedProducer) {
    let delivery = producer.send(EventData::new("event")).await.expect("room");
    delivery.await.expect("delivered");
}

/// Counts the tokens that are taken.
fn count_tokens(emulator: &Emulator) -> FaultGuard {
    let counted = Fault::delay_tokens(Duration::ZERO);
    emulator.faults().inject(counted)
}

#[tokio::test]
async fn row_43_an_hour_forward_brings_no_storm_and_expires_nothing() {
    let life = Duration::from_secs(1);
    let emulator = Emulator::start().await.expect("an emulator");
    let (clock, ahead) = clock();
    let (hub, producer) = open(&emulator, clock, life).await;
    let (start, tokens) = (Instant::now(), count_tokens(&emulator));
    ahead.fetch_add(HOUR.as_secs(), Ordering::Relaxed);
    while tokens.struck() < 2 {
        send(&producer).await;
    }
    let due = start.elapsed().div_duration_f64(life.mul_f64(0.8)) as u64;
    assert!(
        tokens.struck() <= due + 1,
        "{} tokens, {due} due",
        tokens.struck()
    );
    assert_eq!(hub.recoveries(), 0);
    let report = producer.close(Duration::MAX).await;
    assert_eq!(report.delivered, report.accepted);
}

#[tokio::test]
async fn row_43_an_hour_back_brings_no_storm_and_expires_nothing() {
    let emulator = Emulator::start().await.expect("an emulator");
    let (clock, ahead) = clock();
    let (hub, producer) = open(&emulator, clock, HOUR / 2).await;
    let tokens = count_tokens(&emulator);
    ahead.fetch_sub(HOUR.as_secs(), Ordering::Relaxed);
    for _ in 0..100 {
        send(&producer).await;
    }
    assert_eq!(tokens.struck(), 0, "the token is as good as before");
    // It is put on a new connection, too.
    let lost = emulator
        .faults()
        .inject(Fault::drop_connection(When::Now).times(1));
    lost.wait_for(1).await;
    send(&producer).await;
    assert_eq!((tokens.struck(), hub.recoveries()), (1, 1));
    let report = producer.close(Duration::MAX).await;
    assert_eq!(report.delivered, report.accepted);
}
