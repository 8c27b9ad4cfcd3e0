//! How processes share a hub: hand-overs, expiry and new partitions.

#[path = "support/processing.rs"]
mod processing;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::consumer::checkpoint::{CheckpointStore, MemoryStore, OwnershipStore};
use eventhubs_flow::consumer::epoch_safe::EpochSafeConsumerOptions;
use eventhubs_flow::consumer::processor::{
    EventProcessor, EventProcessorOptions, LoadBalancing, OwnerLevel,
};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::transport::{ReceiverOptions, StartPosition, TransportConsumer};
use eventhubs_flow::{ErrorKind, PartitionId};
use futures::StreamExt as _;
use processing::{
    CYCLE, EXPIRY, INTERVAL, LEASE, Process, SharedLog, Way, consumer, counts, is_even, options,
    scope, send_each,
};
use tokio::time::{Instant, sleep, timeout};

const FIRST: PartitionId = PartitionId::new(0);

fn same(options: EventProcessorOptions) -> EventProcessorOptions {
    options
}

async fn start(hub: &MemoryHub, options: EventProcessorOptions) -> EventProcessor {
    EventProcessor::start(Arc::new(hub.consumer()), options)
        .await
        .expect("started")
}

async fn stored(store: &MemoryStore, partition: PartitionId) -> Option<i64> {
    let checkpoint = store.checkpoint(&scope(), partition).await.expect("read");
    checkpoint.map(|at| at.sequence_number)
}

#[tokio::test(start_paused = true)]
async fn one_process_owns_all_at_once() {
    let (hub, store) = (MemoryHub::new(8), MemoryStore::new());
    let log = SharedLog::default();
    let process = Process::start(0, &hub, &store, &log, same).await;
    sleep(Duration::from_millis(1)).await;
    assert!(is_even(&store, &[process], 8).await);
}

#[tokio::test(start_paused = true)]
async fn a_joining_process_takes_its_share_and_no_event_is_handled_twice() {
    for strategy in [LoadBalancing::Greedy, LoadBalancing::Balanced] {
        let (hub, store) = (MemoryHub::new(8), MemoryStore::new());
        let log = SharedLog::default();
        let with = |options: EventProcessorOptions| {
            // What was handled and is not written would be handled again.
            options
                .without_checkpoints_in_between()
                .with_load_balancing(strategy)
        };
        let first = Process::start(0, &hub, &store, &log, with).await;
        send_each(&hub, 8).await;
        sleep(CYCLE).await;
        let second = Process::start(1, &hub, &store, &log, with).await;
        for _ in 0..10 {
            send_each(&hub, 8).await;
            sleep(INTERVAL).await;
        }
        let both = [first, second];
        assert!(
            is_even(&store, &both, 8).await,
            "{:?}",
            counts(&store).await
        );
        let snapshot = both[1].handle.snapshot();
        assert_eq!(
            snapshot.counts.steals, 4,
            "one after the other or not: no more"
        );
        let log = log.lock().unwrap();
        log.assert_generations();
        log.assert_none_skipped(8, 11);
        assert_eq!(log.duplicates(), 0);
        let of_second = log.yielded.iter().filter(|it| it.process == 1).count();
        assert!(of_second >= 4, "{of_second}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_process_hands_over_at_once_and_no_event_is_handled_twice() {
    let (hub, store) = (MemoryHub::new(4), MemoryStore::new());
    let log = SharedLog::default();
    let with = |options: EventProcessorOptions| options.without_checkpoints_in_between();
    let first = Process::start(0, &hub, &store, &log, with).await;
    send_each(&hub, 4).await;
    sleep(CYCLE).await;
    first.stop().await;
    assert_eq!(counts(&store).await.len(), 0, "released");
    for partition in (0..4).map(PartitionId::new) {
        assert_eq!(stored(&store, partition).await, Some(0));
    }
    let second = Process::start(1, &hub, &store, &log, with).await;
    send_each(&hub, 4).await;
    sleep(CYCLE).await;
    second.stop().await;
    let log = log.lock().unwrap();
    log.assert_none_skipped(4, 2);
    assert_eq!(log.duplicates(), 0);
}

/// "No partition unowned longer than the expiry + one cycle."
#[tokio::test(start_paused = true)]
async fn what_a_dead_process_had_is_claimed_after_the_expiry_and_not_before() {
    let (hub, store) = (MemoryHub::new(4), MemoryStore::new());
    let log = SharedLog::default();
    let dead = Process::start(0, &hub, &store, &log, same).await;
    let alive = Process::start(1, &hub, &store, &log, same).await;
    sleep(3 * CYCLE).await;
    dead.cut_off();
    let cut = Instant::now();
    let owner = dead.owner();
    loop {
        let left = counts(&store).await.get(&owner).copied();
        if left.is_none() {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    let took = cut.elapsed();
    assert!(took <= EXPIRY + CYCLE, "{took:?}");
    assert!(
        took >= EXPIRY - CYCLE,
        "{took:?}: it had renewed a cycle before at most"
    );
    let counts = alive.handle.snapshot().counts;
    assert_eq!(counts.claims_of_expired, 2);
    assert!(counts.longest_unowned <= CYCLE, "{counts:?}");
    assert_eq!(counts.steals, 2, "at the start");
}

/// "A process that cannot renew stops yielding before others may claim": by its own
/// clock, and though the service goes on to serve it.
#[tokio::test(start_paused = true)]
async fn a_process_that_cannot_renew_yields_nothing_after_its_lease() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    let log = SharedLog::default();
    let process = Process::start(0, &hub, &store, &log, same).await;
    sleep(Duration::from_millis(1)).await;
    process.cut_off();
    let claimed = Instant::now();
    while claimed.elapsed() < 2 * EXPIRY {
        send_each(&hub, 1).await;
        sleep(Duration::from_millis(250)).await;
    }
    let last = log.lock().unwrap().yielded.last().expect("it read").at;
    let went_on = last - claimed;
    assert!(went_on < LEASE, "{went_on:?}");
    assert!(went_on > LEASE - INTERVAL, "{went_on:?}: as long as it may");
    let errors = log.lock().unwrap().errors.clone();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].contains("could not be renewed in time"),
        "{errors:?}"
    );
    assert_eq!(process.handle.snapshot().counts.lapsed, 1);
}

/// The age that others see counts from when the store took the renewal, and so must the
/// lease, at the latest.
#[tokio::test(start_paused = true)]
async fn a_lease_counts_from_before_its_renewal_however_late_the_answer() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    let log = SharedLog::default();
    let process = Process::start(0, &hub, &store, &log, same).await;
    sleep(Duration::from_millis(1)).await;
    process
        .way
        .set(|_| processing::Answer::Slow(Duration::from_secs(9)));
    sleep(3 * EXPIRY).await;
    let (mut renewed, mut version) = (Instant::now(), String::new());
    process.way.set({
        let is_first = std::sync::atomic::AtomicBool::new(true);
        move |call| match call {
            processing::Call::Renew if is_first.swap(false, Ordering::SeqCst) => {
                processing::Answer::Slow(Duration::from_secs(9))
            }
            _ => processing::Answer::Never,
        }
    });
    let begun = Instant::now();
    while begun.elapsed() < 2 * EXPIRY {
        let now = store.ownership(&scope(), FIRST).await.unwrap().unwrap();
        if now.version != version {
            (renewed, version) = (Instant::now(), now.version);
        }
        send_each(&hub, 1).await;
        sleep(Duration::from_millis(250)).await;
    }
    let last = log.lock().unwrap().yielded.last().expect("it read").at;
    assert!(last - renewed < LEASE, "{:?}", last - renewed);
    assert_eq!(process.handle.snapshot().counts.lapsed, 1);
}

/// As a process that was frozen: nothing of it ran, and then all is ready at once.
#[tokio::test(start_paused = true)]
async fn what_was_fetched_before_a_freeze_is_not_yielded_after_the_lease() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    send_each(&hub, 1).await;
    send_each(&hub, 1).await;
    let way = Way::new(&store);
    let mut processor = start(&hub, options(&way)).await;
    let mut partition = processor.next().await.expect("a partition");
    partition.next().await.expect("one").expect("an event");
    way.set(|_| processing::Answer::Never);
    tokio::time::advance(LEASE).await;
    let error = partition
        .next()
        .await
        .expect("an item")
        .expect_err("a word");
    assert!(
        matches!(error.kind(), ErrorKind::OwnershipLost(_)),
        "{error}"
    );
    assert_eq!(error.partition(), Some(FIRST));
    assert!(partition.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn handlers_come_to_an_end_before_another_process_reads_on() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    for _ in 0..10 {
        send_each(&hub, 1).await;
    }
    let running = Arc::new(AtomicUsize::new(0));
    let handled = Arc::new(AtomicUsize::new(0));
    let process = |name: &str| {
        let options = options(&Way::new(&store)).without_checkpoints_in_between();
        let (running, handled) = (Arc::clone(&running), Arc::clone(&handled));
        let hub = hub.clone();
        let name = name.to_owned();
        async move {
            let processor = start(&hub, options.with_name(name)).await;
            let handle = processor.handle();
            let limit = NonZeroUsize::new(2).unwrap();
            let work = processor.process(limit, move |event| {
                let (running, handled) = (Arc::clone(&running), Arc::clone(&handled));
                async move {
                    let _ = event;
                    assert!(running.fetch_add(1, Ordering::SeqCst) < 2, "both at once");
                    sleep(Duration::from_secs(12)).await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    handled.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, std::io::Error>(())
                }
            });
            (handle, tokio::spawn(work))
        }
    };
    let (first, working) = process("first").await;
    sleep(Duration::from_secs(1)).await;
    // It looks for what is free all the while that the first one comes to its end.
    let (second, working_too) = process("second").await;
    sleep(Duration::from_secs(30)).await;
    let owners = counts(&store).await;
    first.stop();
    sleep(Duration::from_secs(1)).await;
    assert!(!working.is_finished(), "handlers are at work");
    assert_eq!(counts(&store).await, owners, "and so it is its own");
    let report = working.await.unwrap();
    assert_eq!(
        report.failed + report.fenced + report.aborted + report.lost,
        0,
        "{report:?}"
    );
    sleep(10 * EXPIRY).await;
    second.stop();
    let again = working_too.await.unwrap();
    assert_eq!(report.handled + again.handled, 10);
    assert!(again.handled > 0);
    assert_eq!(handled.load(Ordering::SeqCst), 10, "each once");
    assert_eq!(stored(&store, FIRST).await, Some(9));
}

#[tokio::test(start_paused = true)]
async fn handlers_that_hang_are_waited_for_no_longer_than_the_time_out() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    send_each(&hub, 1).await;
    let options = options(&Way::new(&store)).with_hand_over_timeout(Duration::from_secs(20));
    let processor = start(&hub, options).await;
    let handle = processor.handle();
    let working = tokio::spawn(processor.process(NonZeroUsize::MIN, |_| async {
        std::future::pending::<()>().await;
        Ok::<_, std::io::Error>(())
    }));
    sleep(Duration::from_secs(1)).await;
    handle.stop();
    let begun = Instant::now();
    let report = working.await.unwrap();
    assert_eq!(report.aborted, 1, "{report:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(22),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(counts(&store).await.len(), 0, "released");
    assert_eq!(stored(&store, FIRST).await, None, "not done");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_keeps_the_checkpoint_below_its_event() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    for _ in 0..5 {
        send_each(&hub, 1).await;
    }
    let processor = start(&hub, options(&Way::new(&store))).await;
    let handle = processor.handle();
    let working = tokio::spawn(processor.process(NonZeroUsize::MIN, |event| async move {
        match event.sequence_number() {
            2 => Err(std::io::Error::other("planted")),
            _ => Ok(()),
        }
    }));
    sleep(CYCLE).await;
    handle.stop();
    let report = working.await.unwrap();
    assert_eq!((report.handled, report.failed), (4, 1));
    assert_eq!(stored(&store, FIRST).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn new_partitions_are_read_from_their_first_event() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    let log = SharedLog::default();
    let latest = |options: EventProcessorOptions| {
        options.with_consumer(consumer().with_position(StartPosition::Latest))
    };
    let process = Process::start(0, &hub, &store, &log, latest).await;
    sleep(Duration::from_millis(1)).await;
    hub.set_partition_count(3);
    send_each(&hub, 3).await;
    sleep(CYCLE).await;
    assert!(is_even(&store, &[process], 3).await);
    log.lock().unwrap().assert_none_skipped(3, 1);
}

/// From the end on, but a second owner goes on where the first one began.
#[tokio::test(start_paused = true)]
async fn an_owner_that_dies_before_its_first_checkpoint_skips_nothing() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    send_each(&hub, 1).await;
    let log = SharedLog::default();
    let latest = |options: EventProcessorOptions| {
        options
            .without_checkpoints_in_between()
            .with_consumer(consumer().with_position(StartPosition::Latest))
    };
    let first = Process::start(0, &hub, &store, &log, latest).await;
    sleep(Duration::from_millis(1)).await;
    first.cut_off();
    send_each(&hub, 1).await;
    sleep(2 * EXPIRY).await;
    let _second = Process::start(1, &hub, &store, &log, latest).await;
    sleep(CYCLE).await;
    let log = log.lock().unwrap();
    let by: Vec<_> = log
        .yielded
        .iter()
        .map(|it| (it.process, it.number))
        .collect();
    assert_eq!(by, [(0, 1), (1, 1)], "not the event before the start");
}

/// A claim of long ago that is carried out now: the service refuses it.
#[tokio::test(start_paused = true)]
async fn the_owner_level_is_the_generation_unless_it_is_fixed() {
    for (level, expected) in [(OwnerLevel::Generation, 3), (OwnerLevel::Fixed(0), 0)] {
        let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
        for owner in ["a", "b"] {
            store.claim(&scope(), FIRST, owner).await.unwrap();
        }
        store.release(&scope(), FIRST, 2).await.unwrap();
        let options = options(&Way::new(&store)).with_owner_level(level);
        let mut processor = start(&hub, options).await;
        let partition = processor.next().await.expect("a partition");
        assert_eq!(partition.generation(), 3);
        sleep(Duration::from_millis(1)).await;
        let seen = partition.handle().snapshot().partitions.remove(0);
        assert_eq!(seen.owner_level, Some(expected));
        let late = ReceiverOptions {
            owner_level: Some(expected - 1),
            ..ReceiverOptions::new(FIRST)
        };
        if expected > 0 {
            let refused = hub
                .consumer()
                .open_receiver(late)
                .await
                .expect_err("an older one");
            assert!(matches!(refused.kind(), ErrorKind::OwnershipRefused(_)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_given_back_is_released_and_claimed_again() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    let mut processor = start(&hub, options(&Way::new(&store))).await;
    let first = processor.next().await.expect("a partition");
    first.close().await.expect("closed");
    assert_eq!(counts(&store).await.len(), 0, "released");
    let second = processor.next().await.expect("again");
    assert_eq!(second.generation(), 2);
    drop(second);
    assert_eq!(processor.next().await.expect("again").generation(), 3);
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_it_was_stopped_and_all_is_handed_over() {
    let (hub, store) = (MemoryHub::new(2), MemoryStore::new());
    let mut processor = start(&hub, options(&Way::new(&store))).await;
    let handle = processor.handle();
    let first = processor.next().await.expect("a partition");
    let second = processor.next().await.expect("a partition");
    handle.stop();
    let next = timeout(Duration::from_secs(1), processor.next()).await;
    assert!(next.is_err(), "two are read yet");
    drop((first, second));
    assert!(processor.next().await.is_none());
    assert!(handle.snapshot().is_stopping);
    assert_eq!(counts(&store).await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_it_hands_over_in_the_background() {
    let (hub, store) = (MemoryHub::new(2), MemoryStore::new());
    let mut processor = start(&hub, options(&Way::new(&store))).await;
    let mut first = processor.next().await.expect("a partition");
    drop(processor);
    assert!(first.next().await.is_none(), "it ends");
    drop(first);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(counts(&store).await.len(), 0);
    assert_eq!(hub.receiver_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn options_that_contradict_each_other_are_refused() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    let way = Way::new(&store);
    for refused in [
        options(&way).with_load_balancing_interval(Duration::from_secs(21)),
        options(&way).with_consumer(EpochSafeConsumerOptions::default()),
        options(&way).with_consumer(consumer().with_partitions([FIRST])),
    ] {
        let started = EventProcessor::start(Arc::new(hub.consumer()), refused).await;
        let error = started.expect_err("refused");
        assert_eq!(*error.kind(), ErrorKind::InvalidOptions, "{error}");
    }
}
