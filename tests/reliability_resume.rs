//! A consumer that is killed in the middle, again and again, and goes on from its
//! file store: nothing is missing, and no more is repeated than was not written.
#![cfg(all(feature = "amqp", unix))]

mod amqp_support;
#[path = "support/child.rs"]
mod child;
#[path = "support/directory.rs"]
mod directory;
mod support;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use amqp_support::{HUB, connect};
use child::{Child, say};
use directory::Directory;
use eventhubs_emulator::Emulator;
use eventhubs_flow::consumer::checkpoint::{CheckpointStore, ConsumerScope, FileStore};
use eventhubs_flow::consumer::epoch_safe::EpochSafeConsumerOptions;
use eventhubs_flow::producer::buffered::BufferedProducerOptions;
use eventhubs_flow::transport::StartPosition;
use eventhubs_flow::{EventData, EventHub, PartitionId, ReceivedEvent};
use futures::StreamExt as _;

const NAME: &str = "a_consumer_that_is_killed_goes_on_where_its_checkpoints_say_and_misses_nothing";

const PARTITIONS: u32 = 4;

/// What may be yielded and not written, of a partition.
const BOUND: u32 = 2000;

/// How often it is killed.
const KILLS: u64 = 2;

/// How many events there are: a million in `.ci/nightly`.
fn event_count() -> u64 {
    let told = std::env::var("RESUME_EVENTS").ok();
    told.map_or(40_000, |told| told.parse().unwrap())
}

/// Reads, says what it has read, and then acknowledges it.
async fn consume(connection_string: &str, directory: &str) {
    let hub = EventHub::connect(connection_string).await.unwrap();
    let options = EpochSafeConsumerOptions::default()
        .with_position(StartPosition::Earliest)
        .with_max_unacknowledged(NonZeroU32::new(BOUND).unwrap())
        .with_store(FileStore::open(directory).await.unwrap());
    let events = hub.epoch_safe_consumer(options).await.unwrap();
    let every = NonZeroU32::new(BOUND / 10).unwrap();
    let events = events.checkpoint_every(every, Duration::from_millis(100));
    let handle = events.handle();
    let mut ready = events.ready_chunks(100);
    while let Some(items) = ready.next().await {
        let items: Vec<_> = items.into_iter().map(Result::unwrap).collect();
        for run in items.chunk_by(follows) {
            let (first, last) = (&run[0], &run[run.len() - 1]);
            let partition = first.partition();
            let (from, to) = (first.sequence_number(), last.sequence_number());
            say(format_args!("{partition} {from} {to}"));
        }
        for event in items.iter().rev() {
            handle.ack(event).unwrap();
        }
    }
}

fn follows(one: &ReceivedEvent, other: &ReceivedEvent) -> bool {
    one.partition() == other.partition() && one.sequence_number() + 1 == other.sequence_number()
}

async fn produce(emulator: &Emulator, count: u64) {
    let hub = connect(emulator).await;
    let options = BufferedProducerOptions::default();
    let producer = hub.buffered_producer(options).await.unwrap();
    for number in 0..count {
        let event = EventData::new(number.to_string());
        producer.enqueue(event).await.unwrap();
    }
    let report = producer.close(Duration::MAX).await;
    report.into_result().unwrap();
}

async fn checkpoints(directory: &Path) -> BTreeMap<u32, i64> {
    let store = FileStore::open(directory).await.unwrap();
    let scope = ConsumerScope::new("localhost", HUB, "$Default");
    let mut found = BTreeMap::new();
    for number in 0..PARTITIONS {
        let partition = PartitionId::new(number);
        let checkpoint = store.checkpoint(&scope, partition).await.unwrap();
        found.insert(number, checkpoint.map_or(-1, |found| found.sequence_number));
    }
    found
}

/// What is read of each partition, checked as it is said.
#[derive(Default)]
struct Read {
    /// The first event of each that was not read.
    next: BTreeMap<u32, i64>,
    repeated: u64,
}

impl Read {
    fn total(&self) -> u64 {
        self.next.values().map(|next| *next as u64).sum()
    }

    /// Takes what a child says until it has said enough, or all that it had said
    /// when it was killed.
    async fn listen(&mut self, child: &mut Child, started: &mut BTreeMap<u32, i64>, enough: u64) {
        while self.total() < enough
            && let Some(line) = child.next().await
        {
            let mut numbers = line.split(' ').map(|number| number.parse::<i64>().unwrap());
            let mut number = || numbers.next().unwrap();
            let (partition, from, to) = (number() as u32, number(), number());
            // Within a life each partition goes on without a gap.
            let expected = started.insert(partition, to + 1).unwrap();
            assert_eq!(from, expected, "of partition {partition}");
            let next = self.next.entry(partition).or_default();
            assert!(
                from <= *next,
                "events of {partition} from {next} are missing"
            );
            self.repeated += (*next).min(to + 1).saturating_sub(from) as u64;
            *next = (*next).max(to + 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_killed_goes_on_where_its_checkpoints_say_and_misses_nothing() {
    if let Some(told) = child::told() {
        let (connection_string, directory) = told.split_once('\n').unwrap();
        return consume(connection_string, directory).await;
    }
    let emulator = Emulator::start().await.unwrap();
    let count = event_count();
    produce(&emulator, count).await;
    let directory = Directory::new();
    let telling = format!(
        "{}\n{}",
        emulator.connection_string_for(HUB),
        directory.path().display()
    );
    let mut read = Read::default();
    for life in 1..=KILLS + 1 {
        let at = checkpoints(directory.path()).await;
        for (partition, next) in &read.next {
            let unwritten = next - at[partition] - 1;
            assert!(
                (0..=i64::from(BOUND)).contains(&unwritten),
                "{unwritten} events of {partition} were read and not written"
            );
        }
        // Right after the checkpoints: not an event that was written is repeated.
        let mut started: BTreeMap<_, _> = at.into_iter().map(|(p, at)| (p, at + 1)).collect();
        let mut child = Child::start(NAME, &telling);
        let last = life > KILLS;
        let enough = if last {
            count
        } else {
            count * life / (KILLS + 1)
        };
        read.listen(&mut child, &mut started, enough).await;
        child.kill().await;
        if !last {
            read.listen(&mut child, &mut started, u64::MAX).await;
            assert!(read.total() < count, "killed in the middle");
        }
    }
    assert_eq!(read.total(), count);
    assert!(read.repeated <= KILLS * u64::from(PARTITIONS * BOUND));
    println!("{count} events, {} repeated", read.repeated);
}
