//! The reliability bar, as far as consumers go: each fault by its row, over AMQP.
#![cfg(feature = "amqp")]

mod amqp_support;
#[path = "support/directory.rs"]
mod directory;
#[path = "support/stores.rs"]
mod stores;

use std::num::NonZeroU32;
use std::time::Duration;

use amqp_support::{HUB, batch, bounded, connect, events, partition, send, start};
use directory::Directory;
use eventhubs_emulator::{Emulator, Fault, HubConfig, When};
use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::consumer::checkpoint::{
    Checkpoint, CheckpointStore, ConsumerScope, FileStore, MemoryStore,
};
use eventhubs_flow::consumer::epoch_safe::{
    EpochPolicy, EpochSafeConsumer, EpochSafeConsumerOptions, MissingPosition, PartitionSnapshot,
    PartitionState,
};
use eventhubs_flow::transport::{
    ReceiverOptions, StartPosition, TransportConsumer, TransportProducer, TransportReceiver,
};
use eventhubs_flow::{
    Error, ErrorKind, EventData, EventHub, OwnershipLostReason, PartitionId, ReceivedEvent,
};
use futures::{FutureExt as _, StreamExt as _};
use stores::{Mood, Moody};
use tokio::time::Instant;

const FIRST: PartitionId = PartitionId::new(0);

fn options() -> EpochSafeConsumerOptions {
    EpochSafeConsumerOptions::default()
        .with_position(StartPosition::Earliest)
        .with_partitions([FIRST])
}

async fn open(hub: &EventHub, options: EpochSafeConsumerOptions) -> EpochSafeConsumer {
    hub.epoch_safe_consumer(options).await.unwrap()
}

async fn intrude(hub: &EventHub, level: Option<i64>) -> Result<Box<dyn TransportReceiver>, Error> {
    let options = ReceiverOptions {
        owner_level: level,
        name: Some("intruder".into()),
        ..ReceiverOptions::new(FIRST)
    };
    hub.consumer().open_receiver(options).await
}

async fn send_one(hub: &EventHub) {
    send(&hub.producer(), 0, events(["event"]).into()).await;
}

async fn send_many(hub: &EventHub, count: usize) {
    let many = batch(partition(0), (0..count).map(|_| EventData::new("event")));
    hub.producer().send_batch(many).await.unwrap();
}

async fn next(events: &mut EpochSafeConsumer) -> ReceivedEvent {
    bounded(events.next()).await.unwrap().unwrap()
}

async fn next_error(events: &mut EpochSafeConsumer) -> Error {
    bounded(events.next()).await.unwrap().unwrap_err()
}

fn seen(events: &EpochSafeConsumer) -> PartitionSnapshot {
    events.handle().snapshot().partitions.remove(0)
}

fn scope() -> ConsumerScope {
    ConsumerScope::new("localhost", HUB, "$Default")
}

async fn stored(store: &dyn CheckpointStore) -> Option<i64> {
    let checkpoint = store.checkpoint(&scope(), FIRST).await.unwrap();
    checkpoint.map(|checkpoint| checkpoint.sequence_number)
}

fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

#[tokio::test]
async fn row_26_of_two_consumers_at_one_level_the_newest_wins_and_the_loser_never_comes_back() {
    let (emulator, hub) = start().await;
    let mut old = open(&hub, options().with_name("old")).await;
    send_one(&hub).await;
    next(&mut old).await;
    let mut new = open(&hub, options().with_name("new")).await;
    next(&mut new).await;
    let lost = next_error(&mut old).await;
    let ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(conflict)) = lost.kind() else {
        panic!("{lost:?}");
    };
    assert_eq!(conflict.holder.as_deref(), Some("new"));
    assert!(bounded(old.next()).await.is_none());
    for number in 1..20 {
        send_one(&hub).await;
        assert_eq!(next(&mut new).await.sequence_number(), number);
    }
    let holders = emulator.receivers(HUB);
    assert_eq!(holders.len(), 1);
    assert_eq!(holders[0].name.as_deref(), Some("new"));
}

#[tokio::test]
async fn row_27_an_epoch_war_slows_down_and_one_settles() {
    let (emulator, hub) = start().await;
    let other = connect(&emulator).await;
    let policy = EpochPolicy::Escalate { from: 0, max: 2 };
    let escalating = |name: &str| options().with_policy(policy).with_name(name);
    let started = Instant::now();
    let mut first = open(&hub, escalating("first")).await;
    let mut second = open(&other, escalating("second")).await;
    let (loser, winner) = tokio::select! {
        loser = next_error(&mut first) => (loser, &mut second),
        loser = next_error(&mut second) => (loser, &mut first),
    };
    let took = started.elapsed();
    let ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(conflict)) = loser.kind() else {
        panic!("{loser:?}");
    };
    assert_eq!(conflict.holder_level, Some(2));
    // Each theft waits a second at least.
    let thefts = seen(winner).thefts + 1;
    assert!(thefts >= 2 && took >= Duration::from_secs(thefts - 1));
    send_one(&hub).await;
    next(winner).await;
    assert_eq!(seen(winner).owner_level, Some(2));
}

#[tokio::test]
async fn row_28_an_intruder_without_a_level_disturbs_nobody() {
    let (emulator, hub) = start().await;
    let mut ours = open(&hub, options()).await;
    send_one(&hub).await;
    next(&mut ours).await;
    let receivers = emulator.receivers(HUB);
    for _ in 0..10 {
        let refused = intrude(&hub, None).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::OwnershipRefused(_)));
    }
    assert_eq!(emulator.receivers(HUB), receivers);
    send_many(&hub, 100).await;
    for number in 1..=100 {
        assert_eq!(next(&mut ours).await.sequence_number(), number);
    }
    assert_eq!(seen(&ours).reopened, 0);
}

#[tokio::test]
async fn row_29_a_stale_epoch_at_restart_is_named_and_waited_for_or_escalated() {
    let (emulator, hub) = start().await;
    // What a crashed process left: a link at a level that nobody closes.
    let stale = intrude(&hub, Some(4)).await.unwrap();
    send_one(&hub).await;

    let low = EpochPolicy::TakeOver { level: 0 };
    let mut refused = open(&hub, options().with_policy(low)).await;
    let error = next_error(&mut refused).await;
    assert!(
        error
            .message()
            .contains("owner level 4 or higher would win it"),
        "{error}"
    );

    let timeout = Duration::from_secs(30);
    let waits = EpochPolicy::WaitForRelease { level: 0, timeout };
    let mut waiting = open(&hub, options().with_policy(waits)).await;
    while seen(&waiting).refusals == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(seen(&waiting).state, PartitionState::Waiting);
    assert_eq!(emulator.receivers(HUB)[0].epoch, Some(4));
    drop(stale);
    next(&mut waiting).await;
    assert_eq!(seen(&waiting).owner_level, Some(0));
    waiting.close().await.unwrap();

    let _stale = intrude(&hub, Some(4)).await.unwrap();
    let escalates = EpochPolicy::Escalate { from: 0, max: 9 };
    let mut escalated = open(&hub, options().with_policy(escalates)).await;
    next(&mut escalated).await;
    assert_eq!(seen(&escalated).owner_level, Some(4));
}

#[tokio::test]
async fn row_30_a_late_checkpoint_of_the_old_owner_is_fenced_and_none_goes_back() {
    let (_emulator, hub) = start().await;
    let store = Moody::new();
    let with_store = |name: &str| options().with_store(store.clone()).with_name(name);
    send_many(&hub, 20).await;
    let mut old = open(&hub, with_store("old")).await;
    let mut of_old = Vec::new();
    for _ in 0..5 {
        of_old.push(next(&mut old).await);
    }
    old.handle().ack_through(&of_old[4]).unwrap();
    // Its write is under way while it is displaced.
    store.set(Mood::Hanging);
    let handle = old.handle();
    let late = tokio::spawn(async move { handle.checkpoint().await });
    store.tried(1).await;
    store.set(Mood::Well);
    let mut new = open(&hub, with_store("new")).await;
    for _ in 0..20 {
        let event = next(&mut new).await;
        assert!(event.generation() > of_old[0].generation());
        new.ack(&event).unwrap();
    }
    new.handle().checkpoint().await.unwrap();
    assert_eq!(stored(&store).await, Some(19));
    late.abort();

    next_error(&mut old).await;
    let fenced = old.ack(&of_old[4]).unwrap_err();
    assert_eq!(*fenced.kind(), ErrorKind::Fenced);
    // What was written behind the consumer's back meets the store itself.
    let late = Checkpoint {
        sequence_number: 4,
        offset: None,
    };
    let generation = of_old[4].generation();
    let fenced = store.store(&scope(), FIRST, generation, &late).await;
    assert_eq!(*fenced.unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(stored(&store).await, Some(19));
}

#[tokio::test]
async fn row_31_a_store_that_fails_or_hangs_pauses_reading_at_its_bound_and_nothing_is_skipped() {
    for mood in [Mood::Failing, Mood::Hanging] {
        let (_emulator, hub) = start().await;
        let store = Moody::new();
        send_many(&hub, 300).await;
        let bound = options()
            .with_store(store.clone())
            .with_store_timeout(Duration::from_millis(200))
            .with_max_unacknowledged(nonzero(100));
        let events = open(&hub, bound).await;
        let mut events = events.checkpoint_every(nonzero(10), Duration::from_millis(100));
        store.set(mood);
        let mut number = 0;
        while number < 100 {
            let event = next(&mut events).await;
            assert_eq!(event.sequence_number(), number);
            events.ack(&event).unwrap();
            number += 1;
        }
        store.tried(3).await;
        assert!(events.next().now_or_never().is_none(), "{mood:?}: paused");
        assert!(seen(&events).behind);
        assert_eq!(stored(&store).await, None);
        store.set(Mood::Well);
        while number < 300 {
            let event = next(&mut events).await;
            assert_eq!(event.sequence_number(), number);
            events.ack(&event).unwrap();
            number += 1;
        }
        events.close().await.unwrap();
        assert_eq!(stored(&store).await, Some(299));
    }
}

#[tokio::test]
async fn row_32_a_corrupt_checkpoint_is_refused_and_never_replaces_or_passes_for_a_good_one() {
    let (_emulator, hub) = start().await;
    let directory = Directory::new();
    let store = FileStore::open(directory.path()).await.unwrap();
    send_many(&hub, 10).await;
    let mut events = open(&hub, options().with_store(store.clone())).await;
    for _ in 0..5 {
        let event = next(&mut events).await;
        events.ack(&event).unwrap();
    }
    events.close().await.unwrap();
    // Neither is taken ...
    for corrupt in [-1, i64::MIN] {
        let corrupt = Checkpoint {
            sequence_number: corrupt,
            offset: None,
        };
        let refused = store.store(&scope(), FIRST, u64::MAX, &corrupt).await;
        assert_eq!(*refused.unwrap_err().kind(), ErrorKind::CorruptCheckpoint);
    }
    assert_eq!(stored(&store).await, Some(4));
    // ... nor is an empty file for the beginning.
    for file in directory.files() {
        std::fs::write(file, "").unwrap();
    }
    let mut events = open(&hub, options().with_store(store.clone())).await;
    let error = next_error(&mut events).await;
    assert_eq!(*error.kind(), ErrorKind::CorruptCheckpoint);
    assert!(bounded(events.next()).await.is_none());
}

#[tokio::test]
async fn row_33_a_hub_that_was_created_anew_is_told_or_met_by_the_policy() {
    let store = MemoryStore::new();
    let at = Checkpoint {
        sequence_number: 500,
        offset: Some("64000".into()),
    };
    store.store(&scope(), FIRST, 0, &at).await.unwrap();
    let (_emulator, hub) = start().await;
    send_many(&hub, 10).await;
    let with_store = || options().with_store(store.clone());
    let mut events = open(&hub, with_store()).await;
    let error = next_error(&mut events).await;
    assert_eq!(*error.kind(), ErrorKind::InvalidPosition);
    assert_eq!(stored(&store).await, Some(500));

    let missing = with_store().with_missing_position(MissingPosition::Earliest);
    let mut events = open(&hub, missing).await;
    for number in 0..10 {
        let event = next(&mut events).await;
        assert_eq!(event.sequence_number(), number);
        events.ack(&event).unwrap();
    }
    events.close().await.unwrap();
    assert_eq!(stored(&store).await, Some(9));
}

#[tokio::test]
async fn row_33_an_offset_that_the_service_does_not_know_is_told_or_met_by_the_policy() {
    let (_emulator, hub) = start().await;
    send_many(&hub, 10).await;
    let gone = || {
        options().with_position(StartPosition::Offset {
            offset: "123456789".into(),
            inclusive: false,
        })
    };
    let mut events = open(&hub, gone()).await;
    let error = next_error(&mut events).await;
    assert_eq!(*error.kind(), ErrorKind::InvalidPosition);
    let missing = gone().with_missing_position(MissingPosition::Earliest);
    let mut events = open(&hub, missing).await;
    assert_eq!(next(&mut events).await.sequence_number(), 0);
}

#[tokio::test]
async fn row_33_events_that_were_not_kept_after_a_checkpoint_are_missed() {
    let emulator = Emulator::builder()
        .hub(HubConfig::new(HUB).with_partitions(1))
        .retention_bytes(1 << 20)
        .start()
        .await
        .unwrap();
    let hub = connect(&emulator).await;
    let store = MemoryStore::new();
    let at = Checkpoint {
        sequence_number: 3,
        offset: None,
    };
    store.store(&scope(), FIRST, 0, &at).await.unwrap();
    let body = vec![7_u8; 100_000];
    for _ in 0..40 {
        let large = batch(partition(0), [EventData::new(body.clone())]);
        hub.producer().send_batch(large).await.unwrap();
    }
    let mut events = open(&hub, options().with_store(store.clone())).await;
    let error = next_error(&mut events).await;
    assert_eq!(*error.kind(), ErrorKind::InvalidPosition);
    assert!(error.message().contains("are gone"), "{error}");
    let missing = MissingPosition::Earliest;
    let missing = options().with_store(store).with_missing_position(missing);
    let mut events = open(&hub, missing).await;
    assert!(next(&mut events).await.sequence_number() > 4);
}

#[tokio::test]
async fn row_33_events_that_were_not_kept_while_it_was_interrupted_are_missed() {
    let emulator = Emulator::builder()
        .hub(HubConfig::new(HUB).with_partitions(1))
        .retention_bytes(1 << 20)
        .start()
        .await
        .unwrap();
    let hub = connect(&emulator).await;
    let mut reading = open(&hub, options()).await;
    send_one(&hub).await;
    assert_eq!(next(&mut reading).await.sequence_number(), 0);
    let refused = Fault::refuse_attach("amqp:internal-error", "planted");
    let refused = emulator.faults().inject(refused.receivers());
    let cut = emulator.faults().inject(
        Fault::detach(When::Now, "amqp:link:detach-forced", "planted")
            .receivers()
            .partition(0),
    );
    cut.wait_for(1).await;
    let body = vec![7_u8; 100_000];
    for _ in 0..40 {
        let large = batch(partition(0), [EventData::new(body.clone())]);
        hub.producer().send_batch(large).await.unwrap();
    }
    drop((cut, refused));
    let missed = next_error(&mut reading).await;
    assert_eq!(*missed.kind(), ErrorKind::InvalidPosition);
}

#[tokio::test]
async fn row_36_a_service_that_silently_stops_delivering_is_noticed_and_opened_again() {
    let (emulator, hub) = start().await;
    let alive = options().with_liveness_timeout(Duration::from_millis(500));
    let mut events = open(&hub, alive).await;
    send_one(&hub).await;
    assert_eq!(next(&mut events).await.sequence_number(), 0);
    // The link there is struck, and none that comes later.
    let stalled = emulator
        .faults()
        .inject(Fault::stall_delivery().partition(0).times(1));
    send_one(&hub).await;
    stalled.wait_for(1).await;
    let silent = Instant::now();
    assert_eq!(next(&mut events).await.sequence_number(), 1);
    // Two looks, and a wait of 0.8 s at most.
    assert!(silent.elapsed() < Duration::from_secs(5));
    assert_eq!(seen(&events).reopened, 1);
    assert_eq!(stalled.struck(), 1);
}

#[tokio::test]
async fn row_44_added_partitions_are_found_within_the_interval_and_read_from_their_first_event() {
    let emulator = Emulator::builder()
        .hub(HubConfig::new(HUB).with_partitions(1))
        .start()
        .await
        .unwrap();
    let hub = connect(&emulator).await;
    let options =
        EpochSafeConsumerOptions::default().with_discovery_interval(Duration::from_millis(200));
    let mut events = open(&hub, options).await;
    emulator.wait_for_receivers(HUB, 1).await;
    emulator.set_partition_count(HUB, 3).unwrap();
    for number in 1..3 {
        send(&hub.producer(), number, two_events()).await;
    }
    let mut found = Vec::new();
    for _ in 0..4 {
        let event = next(&mut events).await;
        found.push((event.partition().number(), event.sequence_number()));
    }
    found.sort_unstable();
    assert_eq!(found, [(1, 0), (1, 1), (2, 0), (2, 1)]);
    assert_eq!(emulator.receivers(HUB).len(), 3);
}

fn two_events() -> Vec<EventData> {
    events(["a", "b"]).into()
}

#[tokio::test]
async fn a_theft_beside_a_lost_connection_is_taken_for_a_theft() {
    let (emulator, hub) = start().await;
    let thief_hub = connect(&emulator).await;
    let mut ours = open(&hub, options()).await;
    send_one(&hub).await;
    next(&mut ours).await;
    let thief = intrude(&thief_hub, Some(0)).await.unwrap();
    // The connection goes in the same moment.
    let _cut = emulator
        .faults()
        .inject(Fault::drop_connection(When::OnTransfer).senders());
    let _ = hub
        .producer()
        .send_batch(batch(partition(0), [EventData::new("x")]))
        .await;
    let lost = next_error(&mut ours).await;
    assert!(
        matches!(lost.kind(), ErrorKind::OwnershipLost(_)),
        "{lost:?}"
    );
    drop(thief);
}
