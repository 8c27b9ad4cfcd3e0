//! What the primitives make of a backend.

use std::sync::Arc;
use std::time::Duration;

use eventhubs_emulator::{Emulator, Fault, When};
use eventhubs_flow::consumer::epoch_safe::{
    EpochPolicy, EpochSafeConsumer, EpochSafeConsumerOptions,
};
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
use eventhubs_flow::transport::{StartPosition, TransportConsumer, TransportProducer};
use eventhubs_flow::{
    BatchLimits, ErrorKind, EventBatch, EventData, OwnershipLostReason, PartitionId, Target,
};
use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::HUB;

const FIRST: PartitionId = PartitionId::new(0);

pub(crate) fn batch(target: impl Into<Target>, bodies: &[&'static str]) -> EventBatch {
    let mut batch = EventBatch::new(target.into(), BatchLimits::STANDARD);
    for body in bodies {
        batch.try_add(EventData::new(*body)).expect("small");
    }
    batch
}

/// A buffer brings every event through a refusal and a broken connection, once and
/// in order.
pub(crate) async fn a_buffer_delivers_through_trouble<P: TransportProducer>(
    emulator: &Emulator,
    producer: P,
) {
    let options = BufferedProducerOptions::default()
        .with_max_batch_events(20.try_into().expect("not zero"))
        .with_retry_backoff(Duration::from_millis(10), Duration::from_millis(100));
    let buffer = producer.buffered(options).await.expect("opened");
    let faults = emulator.faults();
    let _busy = faults.inject(Fault::server_busy_for(1).hub(HUB).after(2).times(1));
    let drop = Fault::drop_connection(When::OnTransfer).senders().hub(HUB);
    let _broken = faults.inject(drop.after(4).times(1));
    let names: Vec<_> = (0..200).map(|number: u32| number.to_string()).collect();
    for name in &names {
        let event = EventData::new(name.clone()).with_target(FIRST);
        buffer.enqueue(event).await.expect("accepted");
    }
    let report = buffer.close(Duration::from_secs(60)).await;
    assert_eq!(report.delivered, 200, "{report:?}");
    let stored = super::stored(emulator);
    let bodies: Vec<_> = stored
        .iter()
        .map(|event| String::from_utf8_lossy(event.body()).into_owned())
        .collect();
    assert_eq!(bodies, names);
    assert_eq!(emulator.metrics().throttled_requests, 1);
}

/// A limiter holds a backend to its rate, and hears what the service asks for.
pub(crate) async fn a_limiter_holds_the_rate<P: TransportProducer>(
    emulator: &Emulator,
    producer: P,
) {
    let limit = RateLimit::events_per_second(100).with_events_burst(50);
    let limiter = RateLimiter::new(limit).expect("valid");
    let producer = producer.rate_limited(&limiter);
    let fifty = batch(FIRST, &["x"; 50]);
    let start = Instant::now();
    for _ in 0..3 {
        producer.send_batch(fifty.clone()).await.expect("accepted");
    }
    assert!(start.elapsed() >= Duration::from_millis(900));

    let _busy = emulator
        .faults()
        .inject(Fault::server_busy_for(3).hub(HUB).times(1));
    let refused = producer.send_batch(fifty).await.expect_err("busy");
    let retry_after = Duration::from_secs(3);
    assert_eq!(refused.error.kind(), &ErrorKind::Throttled { retry_after });
    assert_eq!(refused.batch.len(), 50);
    assert_eq!(limiter.snapshot().throttled, 1);
    assert_eq!(emulator.event_count(HUB), 150);
    producer.close().await.expect("closed");
}

async fn open(transport: &Arc<dyn TransportConsumer>, name: &str, level: i64) -> EpochSafeConsumer {
    let options = EpochSafeConsumerOptions::default()
        .with_partitions([FIRST])
        .with_position(StartPosition::Earliest)
        .with_policy(EpochPolicy::TakeOver { level })
        .with_name(name);
    EpochSafeConsumer::open(Arc::clone(transport), options)
        .await
        .expect("opened")
}

async fn next_body(consumer: &mut EpochSafeConsumer) -> String {
    let event = consumer.next().await.expect("an item").expect("an event");
    String::from_utf8(event.body().to_vec()).expect("text")
}

/// Of two consumers the newer one has the partition; the older one learns that, and
/// lets go for good.
pub(crate) async fn an_owner_learns_of_a_theft_and_lets_go(
    emulator: &Emulator,
    producer: impl TransportProducer,
    consumer: impl TransportConsumer,
) {
    let transport: Arc<dyn TransportConsumer> = Arc::new(consumer);
    producer
        .send_batch(batch(FIRST, &["a"]))
        .await
        .expect("accepted");
    let mut old = open(&transport, "old", 0).await;
    assert_eq!(next_body(&mut old).await, "a");

    let mut new = open(&transport, "new", 0).await;
    let (lost, first) = tokio::join!(old.next(), next_body(&mut new));
    let lost = lost.expect("an item").expect_err("stolen");
    let ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(contest)) = lost.kind() else {
        panic!("{lost:?}");
    };
    assert_eq!(contest.holder.as_deref(), Some("new"));
    assert_eq!(first, "a");
    assert!(old.next().await.is_none(), "it has no partition left");

    // The thief reads on: nobody steals it back.
    for body in ["b", "c"] {
        producer
            .send_batch(batch(FIRST, &[body]))
            .await
            .expect("accepted");
        assert_eq!(next_body(&mut new).await, body);
    }
    let readers = emulator.receivers(HUB);
    assert_eq!(readers.len(), 1, "{readers:?}");
    new.close().await.expect("closed");
}
