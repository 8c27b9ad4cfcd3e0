//! Backpressure from one hub to another: what the second does not take, the first
//! does not give.
#![cfg(all(feature = "amqp", unix))]

mod amqp_support;
#[path = "support/child.rs"]
mod child;
#[path = "support/process.rs"]
mod process;
mod support;

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use child::{Child, say};
use eventhubs_emulator::{Emulator, Fault, HubConfig};
use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::consumer::checkpoint::MemoryStore;
use eventhubs_flow::consumer::epoch_safe::EpochSafeConsumerOptions;
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::transport::StartPosition;
use eventhubs_flow::{Error, EventData, EventHub, ReceivedEvent};
use futures::StreamExt as _;
use process::resident_kib;
use tokio::time::Instant;

const NAME: &str = "a_hub_that_stalls_stops_the_reading_of_another_and_nothing_is_lost";

const PREFETCH: u64 = 300;
/// Handlers, and so events that are read and not acknowledged.
const HANDLERS: u64 = 1000;
const BUFFER: u64 = 500;
/// Events that are read before the stall, and in all.
const BEFORE: u64 = 5_000;
const EVENTS: u64 = 40_000;

/// How long the second hub stalls: 30 s in `.ci/nightly`.
fn stall() -> Duration {
    let told = std::env::var("BACKPRESSURE_STALL_SECONDS").ok();
    Duration::from_secs(told.map_or(5, |told| told.parse().unwrap()))
}

async fn forward(from: &str, to: &str) {
    let (from, to) = (
        EventHub::connect(from).await.unwrap(),
        EventHub::connect(to).await.unwrap(),
    );
    let bound = NonZeroUsize::new(BUFFER as usize).unwrap();
    let options = BufferedProducerOptions::default().with_max_events(bound);
    let producer = to.buffered_producer(options).await.unwrap();
    let options = EpochSafeConsumerOptions::default()
        .with_position(StartPosition::Earliest)
        .with_prefetch_events(NonZeroU32::new(PREFETCH as u32).unwrap())
        .with_store(MemoryStore::new());
    let events = from.epoch_safe_consumer(options).await.unwrap();
    let events = events.checkpoint_every(NonZeroU32::MIN, Duration::from_millis(100));
    let handle = events.handle();
    tokio::spawn(async move {
        loop {
            let seen = handle.snapshot().partitions.remove(0);
            say(format_args!("{} {}", resident_kib(), seen.credit));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let limit = NonZeroUsize::new(HANDLERS as usize).unwrap();
    let mut outcomes = events.process_concurrently(limit, move |event: Arc<ReceivedEvent>| {
        let producer = producer.clone();
        async move {
            let sent = EventData::new(event.body().clone());
            let delivery = producer.send(sent).await.map_err(Error::from)?;
            delivery.await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        }
    });
    while let Some(outcome) = outcomes.next().await {
        outcome.unwrap();
    }
}

fn parse(line: &str) -> (u64, u64) {
    let (resident, credit) = line.split_once(' ').unwrap();
    (resident.parse().unwrap(), credit.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_stalls_stops_the_reading_of_another_and_nothing_is_lost() {
    if let Some(told) = child::told() {
        let (from, to) = told.split_once('\n').unwrap();
        return forward(from, to).await;
    }
    let emulator = Emulator::builder()
        .hub(HubConfig::new("a").with_partitions(1))
        .hub(HubConfig::new("b").with_partitions(1))
        .start()
        .await
        .unwrap();
    let hub = EventHub::connect(&emulator.connection_string_for("a"))
        .await
        .unwrap();
    let producer = hub
        .buffered_producer(BufferedProducerOptions::default())
        .await
        .unwrap();
    for number in 0..EVENTS {
        let event = EventData::new(format!("{number:0100}"));
        producer.enqueue(event).await.unwrap();
    }
    let report = producer.close(Duration::MAX).await;
    report.into_result().unwrap();

    let telling = format!(
        "{}\n{}",
        emulator.connection_string_for("a"),
        emulator.connection_string_for("b")
    );
    let mut child = Child::start(NAME, &telling);
    emulator.wait_for_events("b", BEFORE).await;
    let stalled = emulator.faults().inject(Fault::hold_outcomes().hub("b"));
    stalled.wait_for(1).await;
    // It goes quiet: no credit is left with the first hub, and nothing comes.
    let (mut quiet, mut given, mut before) = (0, 0, 0);
    while quiet < 10 {
        let (resident, credit) = parse(&child.next().await.unwrap());
        let now = emulator.hub_metrics("a").outgoing_messages;
        let is_quiet = credit == 0 && now == given;
        quiet = if is_quiet { quiet + 1 } else { 0 };
        (given, before) = (now, resident);
    }
    let until = Instant::now() + stall();
    let mut samples = 0;
    while Instant::now() < until {
        let (resident, credit) = parse(&child.next().await.unwrap());
        assert_eq!(credit, 0, "nothing more is asked for");
        assert!(
            resident <= before + before / 20,
            "{resident} KiB, {before} before"
        );
        samples += 1;
    }
    assert!(samples > 5);
    assert_eq!(emulator.hub_metrics("a").outgoing_messages, given);
    let delivered = emulator.event_count("b");
    let under_way = given - delivered;
    assert!(
        under_way <= PREFETCH + 2 * HANDLERS + BUFFER,
        "{under_way} are read and not delivered"
    );
    println!("{under_way} under way, {before} KiB");

    stalled.heal();
    emulator.wait_for_events("b", EVENTS).await;
    let mut bodies: Vec<_> = emulator
        .received("b")
        .into_iter()
        .map(|event| event.body)
        .collect();
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!(bodies.len() as u64, EVENTS, "each of them");
}
