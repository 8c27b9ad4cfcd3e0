//! Three processes over one hub: one is killed, one stops, one comes.
//!
//! `PROCESSOR_EXPIRY_MILLIS` scales it.
#![cfg(all(feature = "amqp", unix))]

mod amqp_support;
#[path = "support/child.rs"]
mod child;
#[path = "support/directory.rs"]
mod directory;
mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use amqp_support::{HUB, batch, connect, partition};
use child::{Child, say};
use directory::Directory;
use eventhubs_emulator::{Emulator, HubConfig};
use eventhubs_flow::consumer::checkpoint::{
    CheckpointStore, ConsumerScope, FileStore, Ownership, OwnershipStore,
};
use eventhubs_flow::consumer::processor::EventProcessorOptions;
use eventhubs_flow::transport::TransportProducer as _;
use eventhubs_flow::{EventData, EventHub, PartitionId};
use support::nonzero;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

const NAME: &str = "three_processes_share_eight_partitions_one_is_killed_one_stops_one_comes";
const PARTITIONS: u32 = 8;

/// What the machine is given: for a look here, and for the claim there, which is made
/// durable while others build and test beside.
const SLACK: Duration = Duration::from_millis(500);

fn expiry() -> Duration {
    let millis = std::env::var("PROCESSOR_EXPIRY_MILLIS").map(|text| text.parse().unwrap());
    Duration::from_millis(millis.unwrap_or(3_000))
}

/// The longest from one cycle to the next, the jitter included.
fn cycle() -> Duration {
    expiry() / 6 + expiry() / 60
}

/// What each process does: handles events until it is told to stop, and says so.
async fn process(told: &str) {
    let mut told = told.split('\n');
    let mut next = || told.next().unwrap();
    let (connection_string, directory, name) = (next(), next(), next());
    let stop = std::path::PathBuf::from(directory).join(format!("stop-{name}"));
    let store = FileStore::open(std::path::Path::new(directory).join("store"))
        .await
        .unwrap();
    let options = EventProcessorOptions::new(store)
        .with_name(name)
        .with_load_balancing_interval(expiry() / 6)
        .with_ownership_expiry(expiry())
        .with_store_timeout(expiry() / 3)
        .with_checkpoint_every(NonZeroU32::new(20).unwrap(), expiry() / 3);
    let hub = EventHub::connect(connection_string).await.unwrap();
    let processor = hub.event_processor(options).await.unwrap();
    let handle = processor.handle();
    say(format_args!("owner {}", handle.snapshot().owner));
    tokio::spawn(async move {
        while !stop.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        handle.stop();
    });
    let report = processor
        .process(nonzero(4), |event| async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let (partition, number) = (event.partition(), event.sequence_number());
            say(format_args!(
                "event {partition} {number} {}",
                event.generation()
            ));
            Ok::<_, Infallible>(())
        })
        .await;
    say(format_args!("stopped {report:?}"));
}

#[derive(Debug, Clone)]
struct Handled {
    by: &'static str,
    at: Instant,
    partition: u32,
    number: i64,
    generation: u64,
}

/// A child, whose words are gathered beside.
struct Process {
    name: &'static str,
    owner: String,
    directory: std::path::PathBuf,
    signals: mpsc::Sender<(&'static str, oneshot::Sender<()>)>,
    gathering: JoinHandle<Option<String>>,
}

impl Process {
    async fn start(
        name: &'static str,
        emulator: &Emulator,
        directory: &Directory,
        handled: &mpsc::Sender<Handled>,
    ) -> Self {
        let telling = format!(
            "{}\n{}\n{name}",
            emulator.connection_string_for(HUB),
            directory.path().display()
        );
        let mut child = Child::start(NAME, &telling);
        let owner = child.next().await.expect("its name");
        let owner = owner.strip_prefix("owner ").expect("its name").to_owned();
        let (signals, mut signalled) = mpsc::channel::<(_, oneshot::Sender<()>)>(1);
        let handled = handled.clone();
        let gathering = tokio::spawn(async move {
            let mut last = None;
            loop {
                let line = tokio::select! {
                    line = child.next() => line,
                    Some((name, sent)) = signalled.recv() => {
                        child.signal(name).await;
                        // Whoever stopped to wait does not need to know.
                        let _ = sent.send(());
                        continue;
                    }
                };
                let Some(line) = line else { break last };
                let Some(event) = line.strip_prefix("event ") else {
                    last = Some(line);
                    continue;
                };
                let words: Vec<i64> = event.split(' ').map(|word| word.parse().unwrap()).collect();
                let event = Handled {
                    by: name,
                    at: Instant::now(),
                    partition: words[0] as u32,
                    number: words[1],
                    generation: words[2] as u64,
                };
                handled.send(event).await.unwrap();
            }
        });
        Self {
            name,
            owner,
            directory: directory.path().to_owned(),
            signals,
            gathering,
        }
    }

    async fn signal(&self, name: &'static str) {
        let (sent, is_sent) = oneshot::channel();
        self.signals.send((name, sent)).await.unwrap();
        is_sent.await.unwrap();
    }

    async fn kill(self) {
        self.signal("KILL").await;
        self.gathering.await.unwrap();
    }

    /// Stops it, and returns what it said last.
    async fn stop(self) -> String {
        std::fs::write(self.directory.join(format!("stop-{}", self.name)), "").unwrap();
        self.gathering.await.unwrap().expect("a report")
    }
}

/// Looks at the store all the while: how long partitions had no owner that runs.
struct Watch {
    store: FileStore,
    alive: BTreeSet<String>,
    since: BTreeMap<u32, Instant>,
    longest: Duration,
}

impl Watch {
    async fn look(&mut self) -> BTreeMap<u32, Ownership> {
        let scope = ConsumerScope::new("localhost", HUB, "$Default");
        let listed = self.store.ownerships(&scope).await.unwrap();
        let listed: BTreeMap<_, _> = listed
            .into_iter()
            .map(|(partition, it)| (partition.number(), it))
            .collect();
        for partition in 0..PARTITIONS {
            let owner = listed.get(&partition).and_then(|it| it.owner.as_ref());
            if owner.is_some_and(|owner| self.alive.contains(owner)) {
                if let Some(since) = self.since.remove(&partition) {
                    self.longest = self.longest.max(since.elapsed());
                }
            } else {
                self.since.entry(partition).or_insert_with(Instant::now);
            }
        }
        listed
    }

    /// Whether it owns a partition of which it handled more than it wrote down.
    async fn is_ahead_of_its_checkpoints(&self, name: &str, handled: &[Handled]) -> bool {
        let scope = ConsumerScope::new("localhost", HUB, "$Default");
        let mut last: BTreeMap<u32, &Handled> = BTreeMap::new();
        for event in handled {
            last.insert(event.partition, event);
        }
        for (partition, event) in last {
            let written = self
                .store
                .checkpoint(&scope, PartitionId::new(partition))
                .await;
            let written = written.unwrap().map_or(-1, |it| it.sequence_number);
            if event.by == name && event.number > written {
                return true;
            }
        }
        false
    }

    /// Looks until all partitions are owned by those that run, evenly, and tells how
    /// long that took.
    async fn until_even(&mut self) -> Duration {
        let begun = Instant::now();
        loop {
            let listed = self.look().await;
            let owned = |owner: &String| {
                listed
                    .values()
                    .filter(|it| it.owner.as_ref() == Some(owner))
                    .count()
            };
            let counts: Vec<_> = self.alive.iter().map(owned).collect();
            let all: usize = counts.iter().sum();
            let difference = counts.iter().max().unwrap() - counts.iter().min().unwrap();
            if all == PARTITIONS as usize && difference <= 1 {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < 20 * expiry(), "never even: {listed:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// "Every event processed at least once, no partition unowned longer than the expiry +
/// one cycle, duplicates counted and only after the kill."
#[tokio::test(flavor = "multi_thread")]
async fn three_processes_share_eight_partitions_one_is_killed_one_stops_one_comes() {
    if let Some(told) = child::told() {
        return process(&told).await;
    }
    let emulator = Emulator::builder()
        .hub(HubConfig::new(HUB).with_partitions(PARTITIONS))
        .start()
        .await
        .unwrap();
    let directory = Directory::new();
    let (sender, mut handled) = mpsc::channel(1 << 16);

    // Events all the while, until the end.
    let hub = connect(&emulator).await;
    let producer = hub.producer();
    let sent = Arc::new(std::sync::atomic::AtomicI64::new(0));
    let counting = Arc::clone(&sent);
    let sending = tokio::spawn(async move {
        loop {
            for number in 0..PARTITIONS {
                let events = (0..5).map(|event| EventData::new(format!("{event}")));
                producer
                    .send_batch(batch(partition(number), events))
                    .await
                    .unwrap();
            }
            counting.fetch_add(5, std::sync::atomic::Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });

    let begun = Instant::now();
    let mut watch = Watch {
        store: FileStore::open(directory.path().join("store"))
            .await
            .unwrap(),
        alive: BTreeSet::new(),
        since: BTreeMap::new(),
        longest: Duration::ZERO,
    };
    let start = async |name| Process::start(name, &emulator, &directory, &sender).await;
    let first = start("first").await;
    let second = start("second").await;
    let third = start("third").await;
    watch.alive = [&first, &second, &third].map(|it| it.owner.clone()).into();
    let even = watch.until_even().await;
    println!("three processes are even after {even:.1?}");
    watch.longest = Duration::ZERO;

    // One is killed, between a handler and its checkpoint.
    tokio::time::sleep(expiry() / 2).await;
    let mut all: Vec<Handled> = Vec::new();
    loop {
        // What it has written stays while it is frozen, and it is seen before it is killed.
        first.signal("STOP").await;
        while let Ok(event) = handled.try_recv() {
            all.push(event);
        }
        if watch.is_ahead_of_its_checkpoints("first", &all).await {
            break;
        }
        first.signal("CONT").await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let killed_at = Instant::now();
    watch.alive.remove(&first.owner);
    watch.look().await;
    first.kill().await;
    let even = watch.until_even().await;
    println!(
        "one was killed: even after {even:.1?}, unowned for {:.1?}",
        watch.longest
    );
    let limit = expiry() + cycle() + SLACK;
    assert!(watch.longest <= limit, "{:?} of {limit:?}", watch.longest);
    assert!(watch.longest >= expiry() / 2, "not before it expires");
    // Whatever is handled again has been by now.
    tokio::time::sleep(expiry()).await;
    let after_kill = Instant::now();

    // One stops: it hands over, and releases.
    watch.longest = Duration::ZERO;
    let owner = second.owner.clone();
    let stopping = tokio::spawn(second.stop());
    while !stopping.is_finished() {
        watch.look().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    watch.alive.remove(&owner);
    let report = stopping.await.unwrap();
    let even = watch.until_even().await;
    println!(
        "one was stopped: even after {even:.1?}, unowned for {:.1?}: {report}",
        watch.longest
    );
    assert!(watch.longest <= cycle() + SLACK, "{:?}", watch.longest);

    // One comes.
    watch.longest = Duration::ZERO;
    let fourth = start("fourth").await;
    watch.alive.insert(fourth.owner.clone());
    let even = watch.until_even().await;
    println!(
        "one came: even after {even:.1?}, unowned for {:.1?}",
        watch.longest
    );
    assert_eq!(watch.longest, Duration::ZERO, "a steal leaves none unowned");

    // All of it is read.
    sending.abort();
    let _ = sending.await;
    let mut stored: HashMap<u32, i64> = HashMap::new();
    for number in 0..PARTITIONS {
        let last = hub
            .partition_properties(PartitionId::new(number))
            .await
            .unwrap();
        stored.insert(number, last.last_enqueued_sequence_number);
    }
    let missing = |all: &[Handled]| {
        let seen: BTreeSet<_> = all.iter().map(|it| (it.partition, it.number)).collect();
        let every = stored
            .iter()
            .flat_map(|(partition, last)| (0..=*last).map(|it| (*partition, it)));
        every.filter(|event| !seen.contains(event)).count()
    };
    let deadline = Instant::now() + 20 * expiry();
    loop {
        while let Ok(event) = handled.try_recv() {
            all.push(event);
        }
        let left = missing(&all);
        if left == 0 {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{left} events were never handled"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for process in [third, fourth] {
        let report = process.stop().await;
        assert!(report.contains("failed: 0, panicked: 0"), "{report}");
    }
    while let Ok(event) = handled.try_recv() {
        all.push(event);
    }

    let mut first: HashMap<(u32, i64), Handled> = HashMap::new();
    let (mut again, mut elsewhere) = (0, Vec::new());
    for event in &all {
        if let Some(before) = first.insert((event.partition, event.number), event.clone()) {
            again += 1;
            let is_of_the_killed = before.by == "first";
            if !is_of_the_killed || event.at < killed_at || event.at > after_kill {
                elsewhere.push((before, event.clone()));
            }
        }
    }
    println!(
        "{} events of {PARTITIONS} partitions in {:.1?}: each handled, {again} again, all of them after the kill",
        first.len(),
        begun.elapsed()
    );
    assert!(
        elsewhere.is_empty(),
        "handled again though nobody died: {elsewhere:?}"
    );
    assert!(again > 0, "what was handled and in no checkpoint is again");
    assert!(sent.load(std::sync::atomic::Ordering::SeqCst) > 0);
    // No generation had two owners.
    let mut owners: HashMap<(u32, u64), &str> = HashMap::new();
    for event in &all {
        let owner = owners
            .entry((event.partition, event.generation))
            .or_insert(event.by);
        assert_eq!(*owner, event.by, "{event:?}");
    }
}
