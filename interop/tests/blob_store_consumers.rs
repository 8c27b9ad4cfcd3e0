//! Consumers whose store is in Azurite, and fails.

mod blobs;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use blobs::proxy::{Fate, Proxy};
use blobs::{FIRST, options, store, store_by};
use eventhubs_emulator::{Emulator, HubConfig};
use eventhubs_flow::consumer::EventStream as _;
use eventhubs_flow::consumer::checkpoint::BlobStore;
use eventhubs_flow::consumer::epoch_safe::{EpochSafeConsumer, EpochSafeConsumerOptions};
use eventhubs_flow::transport::{StartPosition, TransportProducer};
use eventhubs_flow::{BatchLimits, ErrorKind, EventBatch, EventData, EventHub};
use eventhubs_interop::Azurite;
use futures_util::StreamExt as _;
use tokio::time::timeout;

const HUB: &str = "eh1";
const EVENTS: i64 = 120;
const PATIENCE: Duration = Duration::from_secs(60);

async fn hub() -> (Emulator, Arc<EventHub>) {
    let emulator = Emulator::builder().hub(HubConfig::new(HUB).with_partitions(1));
    let emulator = emulator.start().await.expect("the emulator starts");
    let hub = EventHub::connect(&emulator.connection_string_for(HUB)).await;
    let hub = hub.expect("the emulator runs");
    for number in 0..EVENTS {
        let mut batch = EventBatch::new(FIRST.into(), BatchLimits::STANDARD);
        batch
            .try_add(EventData::new(number.to_string()))
            .expect("small");
        hub.producer().send_batch(batch).await.expect("accepted");
    }
    (emulator, Arc::new(hub))
}

async fn open(hub: &EventHub, store: BlobStore, name: &str) -> EpochSafeConsumer {
    let options = EpochSafeConsumerOptions::default()
        .with_position(StartPosition::Earliest)
        .with_name(name)
        .with_store(store);
    hub.epoch_safe_consumer(options).await.expect("opened")
}

#[tokio::test]
async fn who_is_followed_before_its_fence_yields_nothing() {
    let Some(azurite) = Azurite::start().await else {
        return;
    };
    let (_emulator, hub) = hub().await;
    let proxy = Proxy::to(azurite.port()).await;
    let late = store_by(&azurite, proxy.port, options()).await;
    let other = store(&azurite).await;

    // The claim is the first write of a generation, the fence the second.
    let (fences, fenced) = tokio::sync::oneshot::channel();
    let follow = {
        let hub = Arc::clone(&hub);
        async move {
            let mut later = open(&hub, other, "later").await;
            let first = timeout(PATIENCE, later.next()).await.expect("in time");
            let first = first.expect("it goes on").expect("an event");
            assert_eq!(first.sequence_number(), 0);
            assert!(fences.send(later).is_ok(), "the test waits for it");
        }
    };
    let (mut writes, mut follow) = (0, Some(Fate::after(follow)));
    proxy.judge(move |line| {
        if !line.starts_with("PUT ") || !line.contains("/generation/0") {
            return Fate::Pass;
        }
        writes += 1;
        match writes {
            2 => follow.take().expect("once"),
            _ => Fate::Pass,
        }
    });
    let mut late = open(&hub, late, "late").await;
    let told = timeout(PATIENCE, late.next()).await.expect("in time");
    let error = told.expect("it is told").expect_err("nothing is yielded");
    let is_lost = matches!(
        error.kind(),
        ErrorKind::OwnershipLost(_) | ErrorKind::Fenced
    );
    assert!(is_lost, "{error:?}");
    assert!(
        timeout(PATIENCE, late.next())
            .await
            .expect("in time")
            .is_none()
    );
    let mut later = fenced.await.expect("it was followed");
    for number in 1..EVENTS {
        let event = timeout(PATIENCE, later.next()).await.expect("in time");
        let event = event.expect("it goes on").expect("an event");
        assert_eq!(
            event.sequence_number(),
            number,
            "the later owner is not disturbed"
        );
    }
    later.close().await.expect("closed");
}

#[tokio::test]
async fn whatever_a_store_does_nothing_is_skipped() {
    let Some(azurite) = Azurite::start().await else {
        return;
    };
    let (_emulator, hub) = hub().await;
    let proxy = Proxy::to(azurite.port()).await;
    let brief = options().with_try_timeout(Duration::from_millis(500));
    let faulty = store_by(&azurite, proxy.port, brief).await;
    let faults = proxy.fail_now_and_then();

    // Read by owner after owner. Each takes over from one that is still reading.
    let mut read: i64 = 0;
    // The furthest checkpoint that may be stored.
    let mut asked: i64 = -1;
    let mut before = None;
    let mut owners = 0;
    while read < EVENTS {
        owners += 1;
        assert!(owners <= 100, "it gets on");
        let mut owner = open(&hub, faulty.clone(), &format!("owner {owners}")).await;
        let mut last: Option<i64> = None;
        for _ in 0..20 {
            let Ok(Some(Ok(event))) = timeout(PATIENCE, owner.next()).await else {
                break;
            };
            let number = event.sequence_number();
            match last {
                None => assert!(
                    number <= asked + 1,
                    "{number} after {asked}: some were skipped"
                ),
                Some(last) => assert_eq!(number, last + 1),
            }
            last = Some(number);
            read = read.max(number + 1);
            owner.ack(&event).expect("it is its own");
            if number % 5 == 0 {
                asked = asked.max(number);
                // Whether it is stored or not.
                let _ = owner.handle().checkpoint().await;
            }
            if number + 1 == EVENTS {
                break;
            }
        }
        // The one before is displaced, and crashes only now.
        before = Some(owner);
    }
    drop(before);
    let faults = faults.load(Ordering::Relaxed);
    assert!(faults > 5, "{faults} faults");
    assert!(owners > 5, "{owners} owners");
}
