//! A consumer that is frozen while another takes its partition, and then thawed.
#![cfg(all(feature = "amqp", unix))]

mod amqp_support;
#[path = "support/child.rs"]
mod child;
#[path = "support/directory.rs"]
mod directory;
mod support;

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amqp_support::{HUB, batch, bounded, connect, partition};
use child::{Child, say};
use directory::Directory;
use eventhubs_emulator::Emulator;
use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::consumer::checkpoint::{CheckpointStore, ConsumerScope, FileStore};
use eventhubs_flow::consumer::epoch_safe::EpochSafeConsumerOptions;
use eventhubs_flow::transport::{StartPosition, TransportProducer};
use eventhubs_flow::{EventData, EventHub, PartitionId};
use futures::StreamExt as _;

const NAME: &str = "a_thawed_zombie_yields_its_prefetch_at_most_and_changes_nothing";

const FIRST: PartitionId = PartitionId::new(0);
const PREFETCH: u32 = 50;
const EVENTS: i64 = 500;

fn millis() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis()
}

fn options(store: FileStore, name: &str) -> EpochSafeConsumerOptions {
    EpochSafeConsumerOptions::default()
        .with_position(StartPosition::Earliest)
        .with_partitions([FIRST])
        .with_prefetch_events(NonZeroU32::new(PREFETCH).unwrap())
        .with_name(name)
        .with_store(store)
}

/// Reads slowly, writes a checkpoint after each event, and says all of it with the
/// time.
async fn consume(connection_string: &str, directory: &str) {
    let hub = EventHub::connect(connection_string).await.unwrap();
    let store = FileStore::open(directory).await.unwrap();
    let mut events = hub
        .epoch_safe_consumer(options(store, "zombie"))
        .await
        .unwrap();
    while let Some(item) = events.next().await {
        match item {
            Ok(event) => {
                let (number, generation) = (event.sequence_number(), event.generation());
                say(format_args!("{} event {number} {generation}", millis()));
                let written = match events.ack(&event) {
                    Ok(()) => events.handle().checkpoint().await,
                    fenced => fenced,
                };
                let written = written.map_err(|error| error.kind().clone());
                say(format_args!("{} written {number} {written:?}", millis()));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => say(format_args!("{} lost 0 {:?}", millis(), error.kind())),
        }
    }
    say(format_args!("{} end 0 0", millis()));
}

/// What a child says.
#[derive(Debug)]
struct Line {
    at: u128,
    what: String,
    number: i64,
    rest: String,
}

impl Line {
    fn parse(line: &str) -> Self {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap().to_owned();
        Self {
            at: word().parse().unwrap(),
            what: word(),
            number: word().parse().unwrap(),
            rest: word(),
        }
    }
}

/// A side effect that is guarded by the generation: a write of an older one is
/// refused.
#[derive(Default)]
struct Guarded {
    highest: u64,
    refused: u32,
}

impl Guarded {
    fn write(&mut self, generation: u64) {
        match generation < self.highest {
            true => self.refused += 1,
            false => self.highest = generation,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thawed_zombie_yields_its_prefetch_at_most_and_changes_nothing() {
    if let Some(told) = child::told() {
        let (connection_string, directory) = told.split_once('\n').unwrap();
        return consume(connection_string, directory).await;
    }
    let emulator = Emulator::start().await.unwrap();
    let hub = connect(&emulator).await;
    let many = (0..EVENTS).map(|number| EventData::new(number.to_string()));
    let many = batch(partition(0), many);
    hub.producer().send_batch(many).await.unwrap();
    let directory = Directory::new();
    let store = FileStore::open(directory.path()).await.unwrap();
    let telling = format!(
        "{}\n{}",
        emulator.connection_string_for(HUB),
        directory.path().display()
    );
    let mut zombie = Child::start(NAME, &telling);
    let mut guarded = Guarded::default();
    let mut generation = 0;
    loop {
        let line = Line::parse(&zombie.next().await.unwrap());
        if line.what == "event" {
            generation = line.rest.parse().unwrap();
            guarded.write(generation);
        }
        if line.what == "written" {
            assert_eq!(line.rest, "Ok(())");
            if line.number >= 20 {
                break;
            }
        }
    }
    zombie.signal("STOP").await;

    let mut other = hub
        .epoch_safe_consumer(options(store.clone(), "other"))
        .await
        .unwrap();
    let mut last = None;
    let mut first = None;
    while last < Some(EVENTS - 1) {
        let event = bounded(other.next()).await.unwrap().unwrap();
        assert!(event.generation() > generation);
        guarded.write(event.generation());
        first.get_or_insert(event.sequence_number());
        last = Some(event.sequence_number());
        other.ack(&event).unwrap();
    }
    assert!(first > Some(19), "it goes on after the zombie's checkpoint");
    other.handle().checkpoint().await.unwrap();

    let thawed = millis();
    zombie.signal("CONT").await;
    let mut after = Vec::new();
    while let Some(line) = zombie.next().await {
        let line = Line::parse(&line);
        if line.at >= thawed {
            after.push(line);
        }
    }
    let yielded: Vec<_> = after.iter().filter(|line| line.what == "event").collect();
    assert!(yielded.len() <= PREFETCH as usize, "{}", yielded.len());
    for line in &yielded {
        assert_eq!(line.rest, generation.to_string(), "the old generation");
        guarded.write(generation);
    }
    assert_eq!(guarded.refused as usize, yielded.len());
    for line in after.iter().filter(|line| line.what == "written") {
        assert_ne!(line.rest, "Ok(())", "of event {}", line.number);
    }
    // Its last words, and nothing after them.
    let words: Vec<_> = after.iter().map(|line| line.what.as_str()).collect();
    assert!(words.ends_with(&["lost", "end"]), "{words:?}");
    assert_eq!(words.iter().filter(|word| **word == "lost").count(), 1);

    let scope = ConsumerScope::new("localhost", HUB, "$Default");
    let checkpoint = store.checkpoint(&scope, FIRST).await.unwrap();
    assert_eq!(checkpoint.unwrap().sequence_number, EVENTS - 1);
    other.close().await.unwrap();
}
