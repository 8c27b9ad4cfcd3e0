//! Processes that share a hub by a store in Azurite, which fails.

mod blobs;

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use blobs::proxy::Proxy;
use blobs::{options, store_by};
use eventhubs_emulator::{Emulator, HubConfig};
use eventhubs_flow::consumer::checkpoint::BlobStore;
use eventhubs_flow::consumer::processor::{
    EventProcessorOptions, ProcessorHandle, ProcessorReport,
};
use eventhubs_flow::transport::TransportProducer;
use eventhubs_flow::{BatchLimits, EventBatch, EventData, EventHub, PartitionId};
use eventhubs_interop::Azurite;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const HUB: &str = "eh1";
const PARTITIONS: u32 = 4;
const EVENTS: i64 = 300;
const WORK: Duration = Duration::from_millis(20);
const INTERVAL: Duration = Duration::from_millis(500);
const EXPIRY: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(120);

/// An event, its generation, and who handled it.
type Handled = (PartitionId, i64, u64, &'static str);

async fn hub() -> (Emulator, Arc<EventHub>) {
    let emulator = Emulator::builder().hub(HubConfig::new(HUB).with_partitions(PARTITIONS));
    let emulator = emulator.start().await.expect("the emulator starts");
    let hub = EventHub::connect(&emulator.connection_string_for(HUB)).await;
    let hub = hub.expect("the emulator runs");
    for partition in (0..PARTITIONS).map(PartitionId::new) {
        let mut batch = EventBatch::new(partition.into(), BatchLimits::STANDARD);
        for number in 0..EVENTS {
            let event = EventData::new(number.to_string());
            batch.try_add(event).expect("small");
        }
        hub.producer().send_batch(batch).await.expect("accepted");
    }
    (emulator, Arc::new(hub))
}

/// Starts a process, which tells what it handles, one event of each partition at a time.
async fn start(
    name: &'static str,
    hub: &EventHub,
    store: &BlobStore,
    handled: &mpsc::Sender<Handled>,
) -> (ProcessorHandle, JoinHandle<ProcessorReport>) {
    let options = EventProcessorOptions::new(store.clone())
        .with_name(name)
        .with_load_balancing_interval(INTERVAL)
        .with_ownership_expiry(EXPIRY)
        .with_store_timeout(EXPIRY / 3)
        .with_checkpoint_every(NonZeroU32::new(10).expect("not zero"), INTERVAL);
    let processor = hub.event_processor(options).await.expect("it starts");
    let handle = processor.handle();
    let handled = handled.clone();
    let processing = processor.process(NonZeroUsize::MIN, move |event| {
        let handled = handled.clone();
        async move {
            sleep(WORK).await;
            let of = (event.partition(), event.sequence_number());
            // The test may be over.
            let _ = handled.send((of.0, of.1, event.generation(), name)).await;
            Ok::<_, Infallible>(())
        }
    });
    (handle, tokio::spawn(processing))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_store_does_each_event_is_handled_and_no_generation_has_two_owners() {
    let Some(azurite) = Azurite::start().await else {
        return;
    };
    let (_emulator, hub) = hub().await;
    let proxy = Proxy::to(azurite.port()).await;
    let brief = options().with_try_timeout(Duration::from_millis(300));
    let store = store_by(&azurite, proxy.port, brief).await;
    let faults = proxy.fail_now_and_then();

    let (sender, mut handled) = mpsc::channel(1 << 14);
    let (_, first) = start("first", &hub, &store, &sender).await;
    let (second, working) = start("second", &hub, &store, &sender).await;
    let mut seen = BTreeSet::new();
    let mut owners: HashMap<(PartitionId, u64), &str> = HashMap::new();
    let mut third = None;
    while seen.len() < (i64::from(PARTITIONS) * EVENTS) as usize {
        let next = timeout(PATIENCE, handled.recv()).await;
        let Some((partition, number, generation, by)) = next.expect("it gets on") else {
            unreachable!("the sender is here");
        };
        let owner = owners.entry((partition, generation)).or_insert(by);
        assert_eq!(
            *owner, by,
            "generation {generation} of partition {partition}"
        );
        seen.insert((partition, number));
        if seen.len() > 100 && third.is_none() {
            // One crashes, and one comes.
            first.abort();
            third = Some(start("third", &hub, &store, &sender).await);
        }
    }
    let (handle, third) = third.expect("it came");
    for (handle, working) in [(second, working), (handle, third)] {
        handle.stop();
        let report = timeout(PATIENCE, working).await.expect("it stops");
        assert_eq!(report.expect("no panic").failed, 0);
    }
    let faults = faults.load(Ordering::Relaxed);
    assert!(faults > 5, "{faults} faults");
    let names = BTreeSet::from_iter(owners.into_values());
    assert!(names.len() > 1, "{names:?}");
}
