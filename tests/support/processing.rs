//! Processes that share a hub in memory, each with a store that can be cut off.

// Each test binary uses a part of it.
#![allow(dead_code)]

#[path = "store_calls.rs"]
mod store_calls;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::consumer::checkpoint::{
    Checkpoint, CheckpointStore, ConsumerScope, MemoryStore, Ownership, OwnershipStore,
};
use eventhubs_flow::consumer::epoch_safe::EpochSafeConsumerOptions;
use eventhubs_flow::consumer::processor::{
    EventProcessor, EventProcessorOptions, OwnedPartition, ProcessorHandle,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::transport::{StartPosition, TransportProducer};
use eventhubs_flow::{BatchLimits, Error, ErrorKind, EventBatch, EventData, PartitionId};
use futures::StreamExt as _;
pub(crate) use store_calls::Call;
use store_calls::pass_calls;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// The longest from one cycle to the next.
pub(crate) const CYCLE: Duration = Duration::from_secs(11);
pub(crate) const EXPIRY: Duration = Duration::from_secs(60);
/// How long an owner goes on after its last renewal.
pub(crate) const LEASE: Duration = Duration::from_secs(50);

pub(crate) fn scope() -> ConsumerScope {
    ConsumerScope::new("ns", "memory", "$Default")
}

/// What a store does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Well,
    /// Fails, and nothing is done.
    Fails,
    /// Fails, and all is done.
    IsLost,
    /// Takes so long, and then does it.
    Late(Duration),
    /// Does it, and tells so long after.
    Slow(Duration),
    Never,
}

type Mood = dyn Fn(Call) -> Answer + Send + Sync;

/// One process's way to the store that all share.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) inner: MemoryStore,
    mood: Arc<Mutex<Arc<Mood>>>,
}

impl Way {
    pub(crate) fn new(inner: &MemoryStore) -> Self {
        Self {
            inner: inner.clone(),
            mood: Arc::new(Mutex::new(Arc::new(|_| Answer::Well))),
        }
    }

    pub(crate) fn set(&self, mood: impl Fn(Call) -> Answer + Send + Sync + 'static) {
        *self.mood.lock().unwrap() = Arc::new(mood);
    }

    async fn pass<T: Send>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        let mood = Arc::clone(&self.mood.lock().unwrap());
        let planted = || Error::new(ErrorKind::StoreUnavailable, "planted");
        match mood(call) {
            Answer::Well => work.await,
            Answer::Fails => Err(planted()),
            Answer::IsLost => work.await.and_then(|_| Err(planted())),
            Answer::Late(wait) => {
                tokio::time::sleep(wait).await;
                work.await
            }
            Answer::Slow(wait) => {
                let done = work.await;
                tokio::time::sleep(wait).await;
                done
            }
            Answer::Never => pending().await,
        }
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Way")
    }
}

pass_calls!(Way);

pub(crate) fn consumer() -> EpochSafeConsumerOptions {
    EpochSafeConsumerOptions::default()
        .with_position(StartPosition::Earliest)
        .with_namespace("ns")
}

pub(crate) fn options(store: &Way) -> EventProcessorOptions {
    EventProcessorOptions::new(store.clone()).with_consumer(consumer())
}

/// What was yielded where.
#[derive(Debug, Clone)]
pub(crate) struct Yielded {
    pub(crate) process: usize,
    pub(crate) partition: PartitionId,
    pub(crate) generation: u64,
    pub(crate) number: i64,
    pub(crate) at: Instant,
}

/// What all processes of a test have done.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) yielded: Vec<Yielded>,
    /// Who was given a partition under a generation.
    pub(crate) owned: Vec<(PartitionId, u64, usize)>,
    pub(crate) errors: Vec<String>,
}

pub(crate) type SharedLog = Arc<Mutex<Log>>;

/// A process that acknowledges all that it reads.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) number: usize,
    pub(crate) way: Way,
    pub(crate) handle: ProcessorHandle,
    running: JoinHandle<()>,
}

impl Process {
    pub(crate) async fn start(
        number: usize,
        hub: &MemoryHub,
        store: &MemoryStore,
        log: &SharedLog,
        with: impl FnOnce(EventProcessorOptions) -> EventProcessorOptions,
    ) -> Self {
        let way = Way::new(store);
        let options = with(options(&way).with_name(format!("p{number}")));
        let transport = Arc::new(hub.consumer());
        let mut processor = EventProcessor::start(transport, options).await.unwrap();
        let handle = processor.handle();
        let log = Arc::clone(log);
        let running = tokio::spawn(async move {
            while let Some(partition) = processor.next().await {
                let owned = (partition.partition(), partition.generation(), number);
                log.lock().unwrap().owned.push(owned);
                tokio::spawn(read(number, partition, Arc::clone(&log)));
            }
            processor.close().await;
        });
        Self {
            number,
            way,
            handle,
            running,
        }
    }

    pub(crate) fn owner(&self) -> String {
        self.handle.snapshot().owner
    }

    /// Stops it, and waits until all is handed over.
    pub(crate) async fn stop(self) {
        self.handle.stop();
        self.running.await.unwrap();
    }

    /// Cuts it off from the store, for good.
    pub(crate) fn cut_off(&self) {
        self.way.set(|_| Answer::Never);
    }
}

async fn read(number: usize, mut partition: OwnedPartition, log: SharedLog) {
    let (id, generation) = (partition.partition(), partition.generation());
    while let Some(item) = partition.next().await {
        match item {
            Ok(event) => {
                assert_eq!(event.generation(), generation);
                log.lock().unwrap().yielded.push(Yielded {
                    process: number,
                    partition: id,
                    generation,
                    number: event.sequence_number(),
                    at: Instant::now(),
                });
                // Refused if it was lost meanwhile.
                let _ = partition.ack(&event);
            }
            Err(error) => log
                .lock()
                .unwrap()
                .errors
                .push(format!("p{number}: {error}")),
        }
    }
    // Whatever is said to it: it is given up.
    let _ = partition.close().await;
}

/// Sends an event to each partition.
pub(crate) async fn send_each(hub: &MemoryHub, partitions: u32) {
    for partition in (0..partitions).map(PartitionId::new) {
        let mut batch = EventBatch::new(partition.into(), BatchLimits::STANDARD);
        batch.try_add(EventData::new("event")).unwrap();
        hub.producer().send_batch(batch).await.unwrap();
    }
}

/// Sends an event to each partition at each interval, until it is dropped.
pub(crate) struct Sending(JoinHandle<()>);

impl Sending {
    pub(crate) fn start(hub: &MemoryHub, partitions: u32, every: Duration) -> Self {
        let hub = hub.clone();
        Self(tokio::spawn(async move {
            loop {
                send_each(&hub, partitions).await;
                tokio::time::sleep(every).await;
            }
        }))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Who owns how many, by the store's word.
pub(crate) async fn counts(store: &MemoryStore) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (_, ownership) in store.ownerships(&scope()).await.unwrap() {
        if let Some(owner) = ownership.owner {
            *counts.entry(owner).or_default() += 1;
        }
    }
    counts
}

/// Whether all partitions are owned by those that run, and evenly.
pub(crate) async fn is_even(store: &MemoryStore, running: &[Process], partitions: u32) -> bool {
    let counts = counts(store).await;
    let of = |process: &Process| counts.get(&process.owner()).copied().unwrap_or(0);
    let of: Vec<usize> = running.iter().map(of).collect();
    let all: usize = of.iter().sum();
    let difference = of.iter().max().unwrap() - of.iter().min().unwrap();
    all == partitions as usize && difference <= 1
}

impl Log {
    /// How often events were yielded again.
    pub(crate) fn duplicates(&self) -> usize {
        let events: HashSet<_> = self
            .yielded
            .iter()
            .map(|it| (it.partition, it.number))
            .collect();
        self.yielded.len() - events.len()
    }

    /// Panics if an event of a partition was never yielded, up to the last.
    pub(crate) fn assert_none_skipped(&self, partitions: u32, events: i64) {
        let seen: HashSet<_> = self
            .yielded
            .iter()
            .map(|it| (it.partition, it.number))
            .collect();
        for partition in (0..partitions).map(PartitionId::new) {
            for number in 0..events {
                assert!(
                    seen.contains(&(partition, number)),
                    "event {number} of {partition}"
                );
            }
        }
    }

    /// Panics if a generation had two owners, or yielded after a later one did.
    pub(crate) fn assert_generations(&self) {
        let mut owners = HashMap::new();
        for (partition, generation, process) in &self.owned {
            let other = owners.insert((*partition, *generation), *process);
            assert_eq!(
                other, None,
                "generation {generation} of {partition} has two owners"
            );
        }
        let mut last = HashMap::new();
        for yielded in &self.yielded {
            let highest = last.entry(yielded.partition).or_insert(0);
            assert!(
                yielded.generation >= *highest,
                "{yielded:?} comes after generation {highest}"
            );
            *highest = yielded.generation;
            let owner = owners.get(&(yielded.partition, yielded.generation));
            assert_eq!(owner, Some(&yielded.process), "{yielded:?}");
        }
    }
}
