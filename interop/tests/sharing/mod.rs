//! Another SDK's processor and our consumer, at one hub and one container.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use eventhubs_emulator::{Emulator, HubConfig};
use eventhubs_flow::consumer::checkpoint::{BlobStore, BlobStoreOptions};
use eventhubs_flow::consumer::epoch_safe::{
    EpochPolicy, EpochSafeConsumer, EpochSafeConsumerOptions,
};
use eventhubs_flow::consumer::processor::{
    EventProcessorOptions, OwnerLevel, OwnershipState, ProcessorHandle, ProcessorReport,
};
use eventhubs_flow::transport::{StartPosition, TransportProducer};
use eventhubs_flow::{BatchLimits, EventBatch, EventData, EventHub, PartitionId};
use eventhubs_interop::{Access, App, Azurite, Sdk, emulator};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const HUB: &str = "eh1";
const CONTAINER: &str = "checkpoints";
const PARTITIONS: [PartitionId; 2] = [PartitionId::new(0), PartitionId::new(1)];

/// Longer than a test: a processor that has gone leaves by releasing, or not at all.
const OWNERSHIP: Duration = Duration::from_secs(120);
/// Events that no test has come to yet.
const MOST: usize = 1024;

/// Partitions, and what was read of each, in order.
type Read = BTreeMap<String, Vec<String>>;

/// A hub and a container that both sides use.
struct Shared {
    sdk: Sdk,
    emulator: Emulator,
    azurite: Azurite,
    hub: EventHub,
    store: BlobStore,
    sent: usize,
}

impl Shared {
    async fn start(sdk: Sdk) -> Option<Self> {
        if !sdk.is_installed() {
            return None;
        }
        let azurite = Azurite::start().await?;
        let emulator = emulator()
            .hub(HubConfig::new(HUB).with_partitions(2))
            .start()
            .await;
        let emulator = emulator.expect("the emulator starts");
        let hub = EventHub::connect(&emulator.connection_string_for(HUB)).await;
        let account = azurite.connection_string();
        let store =
            BlobStore::from_connection_string(&account, CONTAINER, BlobStoreOptions::default());
        let store = store.expect("nothing is wrong with it");
        assert!(
            store
                .create_container_if_missing()
                .await
                .expect("Azurite runs")
        );
        Some(Self {
            sdk,
            emulator,
            azurite,
            hub: hub.expect("the emulator runs"),
            store,
            sent: 0,
        })
    }

    /// The name that the other SDK has for this hub's namespace: one of them keeps the
    /// port, which a namespace of Azure's has not.
    fn namespace(&self) -> String {
        match self.sdk {
            Sdk::Python => format!("localhost:{}", self.emulator.address().port()),
            _ => "localhost".to_owned(),
        }
    }

    /// Stores so many more events in each partition; returns what is read of them.
    async fn send(&mut self, count: usize) -> Read {
        let bodies: Vec<_> = (self.sent..self.sent + count)
            .map(|n| format!("event {n}"))
            .collect();
        self.sent += count;
        for partition in PARTITIONS {
            let mut batch = EventBatch::new(partition.into(), BatchLimits::STANDARD);
            for body in &bodies {
                batch.try_add(EventData::new(body.clone())).expect("small");
            }
            self.hub
                .producer()
                .send_batch(batch)
                .await
                .expect("accepted");
        }
        PARTITIONS
            .map(|partition| (partition.to_string(), bodies.clone()))
            .into()
    }

    async fn ours(&self, level: i64, partitions: &[PartitionId]) -> EpochSafeConsumer {
        let options = EpochSafeConsumerOptions::default()
            .with_partitions(partitions.iter().copied())
            .with_namespace(self.namespace())
            .with_position(StartPosition::Earliest)
            .with_policy(EpochPolicy::TakeOver { level })
            .with_store(self.store.clone());
        self.hub.epoch_safe_consumer(options).await.expect("opened")
    }

    fn theirs(&self) -> Theirs {
        let access = Access::to(&self.emulator);
        let storage = self.azurite.connection_string();
        let command = self.sdk.processor(&access, &storage, CONTAINER, OWNERSHIP);
        Theirs {
            app: App::start(command),
            _access: access,
        }
    }
}

/// The processor of another SDK.
struct Theirs {
    app: App,
    _access: Access,
}

impl Theirs {
    async fn next(&mut self) -> Value {
        let line = self.app.line().await;
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"))
    }

    /// Reads and notes so many events; nothing else may be told of.
    async fn read(&mut self, count: usize) -> Read {
        let mut read = Read::new();
        for _ in 0..count {
            let (partition, body) = loop {
                let told = self.next().await;
                if let Some(body) = told["event"].as_str() {
                    break (
                        told["partition"].as_str().expect("a partition").to_owned(),
                        body.to_owned(),
                    );
                }
                assert!(told["opened"].is_string(), "{told}");
            };
            read.entry(partition).or_default().push(body);
        }
        read
    }

    /// Ends it; it releases what it owns, and tells of no more events.
    async fn end(mut self) {
        self.app.end_input();
        loop {
            let told = self.next().await;
            assert!(told["event"].is_null() && told["error"].is_null(), "{told}");
            if told == json!({ "ended": true }) {
                return;
            }
        }
    }
}

/// Reads, notes and acknowledges so many events.
async fn read(ours: &mut EpochSafeConsumer, count: usize) -> Read {
    let mut read = Read::new();
    for _ in 0..count {
        let next = tokio::time::timeout(Duration::from_secs(60), ours.next()).await;
        let event = next
            .expect("in time")
            .expect("it goes on")
            .expect("an event");
        let body = String::from_utf8_lossy(event.body()).into_owned();
        ours.handle().ack(&event).expect("it is ours");
        read.entry(event.partition().to_string())
            .or_default()
            .push(body);
    }
    read
}

/// Each goes on where the other has left, in turns: nothing is skipped, and nothing is
/// read twice.
pub(crate) async fn each_goes_on_where_the_other_has_left(sdk: Sdk) {
    let Some(mut shared) = Shared::start(sdk).await else {
        return;
    };
    for _ in 0..2 {
        let sent = shared.send(5).await;
        let mut theirs = shared.theirs();
        assert_eq!(theirs.read(10).await, sent, "what they read");
        theirs.end().await;

        let sent = shared.send(5).await;
        let mut ours = shared.ours(0, &PARTITIONS).await;
        assert_eq!(read(&mut ours, 10).await, sent, "what we read");
        ours.handle().checkpoint().await.expect("stored");
        ours.close().await.expect("closed");
    }
}

/// A partition of theirs that we take at a higher level is read on from their checkpoint;
/// they go on with the other one.
pub(crate) async fn a_partition_is_taken_from_them_and_they_read_the_other(sdk: Sdk) {
    let Some(mut shared) = Shared::start(sdk).await else {
        return;
    };
    let sent = shared.send(5).await;
    let mut theirs = shared.theirs();
    assert_eq!(theirs.read(10).await, sent, "what they read");

    let mut ours = shared.ours(1, &PARTITIONS[..1]).await;
    // They are told.
    let told = loop {
        let told = theirs.next().await;
        if told["opened"].is_null() {
            break told;
        }
    };
    assert!(told["error"].is_string() || told["closed"] == "0", "{told}");

    let mut sent = shared.send(5).await;
    let first = sent.remove("0");
    let taken = read(&mut ours, 5).await;
    assert_eq!(taken.get("0"), first.as_ref(), "what we read");
    let mut left = Vec::new();
    while left.len() < 5 {
        let told = theirs.next().await;
        if let Some(body) = told["event"].as_str() {
            assert_eq!(told["partition"], "1", "{told}");
            left.push(body.to_owned());
        }
    }
    assert_eq!(sent["1"], left, "what they read");
    ours.handle().checkpoint().await.expect("stored");
    ours.close().await.expect("closed");
}

/// A partition that we have fenced and not read yet has no checkpoint for them, and
/// breaks nothing of theirs.
pub(crate) async fn what_we_have_only_claimed_starts_where_they_say(sdk: Sdk) {
    let Some(mut shared) = Shared::start(sdk).await else {
        return;
    };
    let ours = shared.ours(0, &PARTITIONS).await;
    ours.close().await.expect("closed");
    let sent = shared.send(5).await;
    let mut theirs = shared.theirs();
    assert_eq!(theirs.read(10).await, sent, "what they read");
    theirs.end().await;
}

/// Our processor beside theirs.
struct Ours {
    handle: ProcessorHandle,
    events: mpsc::Receiver<(String, String)>,
    task: JoinHandle<ProcessorReport>,
}

impl Ours {
    async fn start(shared: &Shared) -> Self {
        let consumer = EpochSafeConsumerOptions::default()
            .with_namespace(shared.namespace())
            .with_position(StartPosition::Earliest);
        let options = EventProcessorOptions::new(shared.store.clone())
            .with_name("ours")
            .with_load_balancing_interval(Duration::from_secs(1))
            .with_ownership_expiry(OWNERSHIP)
            .with_checkpoint_every(NonZeroU32::MIN, Duration::from_secs(1))
            // That of the others' processors.
            .with_owner_level(OwnerLevel::Fixed(0))
            .with_hand_over_timeout(Duration::from_secs(5))
            .with_consumer(consumer);
        let processor = shared.hub.event_processor(options).await.expect("started");
        let handle = processor.handle();
        let (sender, events) = mpsc::channel(MOST);
        let task = tokio::spawn(processor.process(NonZeroUsize::MIN, move |event| {
            let body = String::from_utf8_lossy(event.body()).into_owned();
            let (sender, partition) = (sender.clone(), event.partition().to_string());
            async move { sender.send((partition, body)).await }
        }));
        Self {
            handle,
            events,
            task,
        }
    }

    /// Waits until it owns so many partitions.
    async fn owns(&self, count: usize) {
        let owned = || {
            let partitions = self.handle.snapshot().partitions.into_iter();
            let owned = partitions.filter(|it| it.state == OwnershipState::Owned);
            owned.count()
        };
        let waiting = async {
            while owned() != count {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        waited.unwrap_or_else(|_| panic!("{:?}", self.handle.snapshot()));
    }

    async fn read(&mut self, count: usize) -> Read {
        let mut read = Read::new();
        for _ in 0..count {
            let next = tokio::time::timeout(Duration::from_secs(60), self.events.recv()).await;
            let (partition, body) = next.expect("in time").expect("it goes on");
            read.entry(partition).or_default().push(body);
        }
        read
    }
}

/// Two processors share the partitions evenly, and each goes on from the checkpoints of
/// the other: when we come, and when they go.
pub(crate) async fn the_partitions_are_shared_by_both_processors(sdk: Sdk) {
    let Some(mut shared) = Shared::start(sdk).await else {
        return;
    };
    let sent = shared.send(5).await;
    let mut theirs = shared.theirs();
    assert_eq!(theirs.read(10).await, sent, "what they read alone");

    let mut ours = Ours::start(&shared).await;
    ours.owns(1).await;
    let sent = shared.send(5).await;
    let mut read = ours.read(5).await;
    assert_eq!(read.len(), 1, "we own one partition");
    while read.len() < 2 || read.values().map(Vec::len).sum::<usize>() < 10 {
        let told = theirs.next().await;
        if let Some(body) = told["event"].as_str() {
            let partition = told["partition"].as_str().expect("a partition");
            read.entry(partition.to_owned())
                .or_default()
                .push(body.to_owned());
        }
    }
    assert_eq!(read, sent, "what both read");

    theirs.end().await;
    ours.owns(2).await;
    let sent = shared.send(5).await;
    assert_eq!(ours.read(10).await, sent, "what we read alone");
    ours.handle.stop();
    let report = ours.task.await.expect("no panic");
    assert_eq!((report.handled, report.failed), (15, 0), "{report:?}");

    let sent = shared.send(5).await;
    let mut theirs = shared.theirs();
    assert_eq!(theirs.read(10).await, sent, "what they read alone again");
    theirs.end().await;
}
