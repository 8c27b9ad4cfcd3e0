//! Handlers and chunks over a real consumer: what they mean for its checkpoints.
#![cfg(feature = "amqp")]

mod amqp_support;

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amqp_support::{HUB, batch, bounded, partition, start};
use eventhubs_emulator::Emulator;
use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::consumer::checkpoint::{
    CheckpointStore, ConsumerScope, MemoryStore, OwnershipStore,
};
use eventhubs_flow::consumer::epoch_safe::{EpochSafeConsumer, EpochSafeConsumerOptions};
use eventhubs_flow::stream::ProcessError;
use eventhubs_flow::transport::{StartPosition, TransportProducer};
use eventhubs_flow::{EventData, EventHub, PartitionId, ReceivedEvent};
use futures::StreamExt as _;
use tokio::sync::watch;

const FIRST: PartitionId = PartitionId::new(0);

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Place {
    emulator: Emulator,
    hub: EventHub,
    store: MemoryStore,
}

impl Place {
    async fn with(events: usize) -> Self {
        let (emulator, hub) = start().await;
        let many = (0..events).map(|number| EventData::new(number.to_string()));
        let many = batch(partition(0), many);
        hub.producer().send_batch(many).await.unwrap();
        let store = MemoryStore::new();
        Self {
            emulator,
            hub,
            store,
        }
    }

    async fn open(&self, name: &str) -> EpochSafeConsumer {
        let options = EpochSafeConsumerOptions::default()
            .with_partitions([FIRST])
            .with_position(StartPosition::Earliest)
            .with_prefetch_events(NonZeroU32::new(50).unwrap())
            .with_store(self.store.clone())
            .with_name(name);
        self.hub.epoch_safe_consumer(options).await.unwrap()
    }

    fn scope() -> ConsumerScope {
        ConsumerScope::new("localhost", HUB, "$Default")
    }

    async fn stored(&self) -> Option<i64> {
        let checkpoint = self.store.checkpoint(&Self::scope(), FIRST).await.unwrap();
        checkpoint.map(|checkpoint| checkpoint.sequence_number)
    }
}

fn limit(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

#[tokio::test]
async fn row_34_the_checkpoint_stays_below_an_event_whose_handler_panicked() {
    let place = Place::with(30).await;
    let events = place.open("first").await;
    let handle = events.handle();
    let mut outcomes = events.process_concurrently(limit(4), |event| async move {
        assert_ne!(event.sequence_number(), 10, "a planted panic");
        Ok::<_, Failure>(())
    });
    let (mut handled, mut panicked) = (0, Vec::new());
    while handled < 29 {
        match bounded(outcomes.next()).await.unwrap() {
            Ok(_) => handled += 1,
            Err(ProcessError::Panicked { event, .. }) => panicked.push(event.sequence_number()),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(panicked, [10], "the others went on");
    handle.checkpoint().await.unwrap();
    assert_eq!(place.stored().await, Some(9));
    let report = outcomes.close().await;
    assert!(report.close_error.is_none());
    let mut again = place.open("again").await;
    let first = bounded(again.next()).await.unwrap().unwrap();
    assert_eq!(first.sequence_number(), 10);
}

#[tokio::test]
async fn row_34_what_failed_can_be_put_aside_and_acknowledged() {
    let place = Place::with(30).await;
    let events = place.open("first").await;
    let mut outcomes = events.process_concurrently(limit(4), |event| async move {
        match event.sequence_number() % 10 {
            0 => Err(Failure::from("a planted failure")),
            _ => Ok(()),
        }
    });
    let (mut handled, mut aside) = (0, BTreeSet::new());
    while handled + aside.len() < 30 {
        match bounded(outcomes.next()).await.unwrap() {
            Ok(_) => handled += 1,
            Err(ProcessError::Failed { event, .. }) => {
                aside.insert(event.sequence_number());
                outcomes.ack(&event).unwrap();
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(aside, BTreeSet::from([0, 10, 20]));
    assert!(outcomes.close().await.close_error.is_none());
    assert_eq!(place.stored().await, Some(29));
}

#[tokio::test]
async fn row_35_handlers_that_hang_stop_the_wire_and_nothing_of_theirs_is_checkpointed() {
    let place = Place::with(1000).await;
    let events = place.open("first").await;
    let handle = events.handle();
    let running = watch::Sender::new(0);
    let count = running.clone();
    let mut outcomes = events.process_concurrently(limit(5), move |event| {
        let count = count.clone();
        async move {
            if event.sequence_number() >= 20 {
                count.send_modify(|running| *running += 1);
                std::future::pending::<()>().await;
            }
            Ok::<_, Failure>(())
        }
    });
    for _ in 0..20 {
        bounded(outcomes.next()).await.unwrap().unwrap();
    }
    // All places are taken, and reading goes on up to the bounds.
    let mut hanging = running.subscribe();
    let (all, nothing_more) = (hanging.wait_for(|running| *running == 5), outcomes.next());
    tokio::select! {
        _ = bounded(all) => {}
        outcome = nothing_more => panic!("{outcome:?}"),
    }
    let given = || place.emulator.hub_metrics(HUB).outgoing_messages;
    bounded(async {
        while handle.snapshot().partitions[0].credit > 0 || given() < 50 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let given = given();
    assert!(given <= 20 + 2 * 5 + 50 + 32, "{given}");
    handle.checkpoint().await.unwrap();
    assert_eq!(place.stored().await, Some(19));
    let report = outcomes.close_within(Duration::from_millis(50)).await;
    assert_eq!(report.aborted, 10, "what ran, and what waited");
    assert_eq!(place.stored().await, Some(19));
}

#[tokio::test]
async fn a_theft_fences_what_runs_and_starts_nothing_more_of_the_lost_generation() {
    let place = Place::with(30).await;
    let events = place.open("old").await;
    let started = Arc::new(Mutex::new(Vec::new()));
    let release = watch::Sender::new(false);
    let (seen, released) = (Arc::clone(&started), release.clone());
    let mut outcomes = events.process_concurrently(limit(3), move |event: Arc<ReceivedEvent>| {
        let mut released = released.subscribe();
        let seen = Arc::clone(&seen);
        async move {
            seen.lock().unwrap().push(event.sequence_number());
            released.wait_for(|released| *released).await?;
            Ok::<_, Failure>(())
        }
    });
    let running = async {
        while started.lock().unwrap().len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = bounded(running) => {}
        outcome = outcomes.next() => panic!("{outcome:?}"),
    }
    let mut new = place.open("new").await;
    let first = bounded(new.next()).await.unwrap().unwrap();
    assert_eq!(first.sequence_number(), 0, "nothing was acknowledged");
    release.send_replace(true);
    let (mut fenced, mut ended) = (0, 0);
    while let Some(outcome) = bounded(outcomes.next()).await {
        match outcome.unwrap_err() {
            ProcessError::Fenced { .. } => fenced += 1,
            ProcessError::PartitionEnded(_) => ended += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((fenced, ended), (3, 1));
    assert_eq!(*started.lock().unwrap(), [0, 1, 2]);
    assert_eq!(place.stored().await, None);
}

#[tokio::test]
async fn closing_drains_the_handlers_then_checkpoints_and_then_releases() {
    let place = Place::with(20).await;
    let events = place.open("first").await;
    let release = watch::Sender::new(false);
    let released = release.clone();
    let store = place.store.clone();
    let owners = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&owners);
    let mut outcomes = events.process_concurrently(limit(4), move |event: Arc<ReceivedEvent>| {
        let mut released = released.subscribe();
        let (store, seen) = (store.clone(), Arc::clone(&seen));
        async move {
            if event.sequence_number() >= 10 {
                released.wait_for(|released| *released).await?;
                let owner = store.ownership(&Place::scope(), FIRST).await?;
                let owner = owner.and_then(|owner| owner.owner);
                seen.lock().unwrap().push(owner);
            }
            Ok::<_, Failure>(())
        }
    });
    for _ in 0..10 {
        bounded(outcomes.next()).await.unwrap().unwrap();
    }
    let closing = tokio::spawn(outcomes.close());
    release.send_replace(true);
    let report = bounded(closing).await.unwrap();
    assert!(report.close_error.is_none() && report.errors.is_empty());
    let owners = owners.lock().unwrap().clone();
    assert!(owners.iter().all(|owner| owner.as_deref() == Some("first")));
    assert_eq!(
        place.stored().await,
        Some(9 + owners.len() as i64),
        "what was handled while it closed is covered"
    );
    let left = place.store.ownership(&Place::scope(), FIRST).await.unwrap();
    assert_eq!(left.unwrap().owner, None);
    assert!(place.emulator.receivers(HUB).is_empty());
}

#[tokio::test]
async fn chunks_are_acknowledged_as_a_whole() {
    let place = Place::with(25).await;
    let events = place.open("first").await;
    let mut chunks = events.chunks_by(limit(10), limit(1 << 20), Duration::from_millis(100));
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 25 {
        let chunk = bounded(chunks.next()).await.unwrap().unwrap();
        chunks.ack_chunk(&chunk).unwrap();
        sizes.push(chunk.len());
    }
    assert!(sizes.iter().all(|size| *size <= 10), "{sizes:?}");
    chunks.close().await.unwrap();
    assert_eq!(place.stored().await, Some(24));
}
