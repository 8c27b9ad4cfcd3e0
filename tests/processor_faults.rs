//! A store that fails, hangs, or answers too late: nobody yields on a claim that was
//! lost, nothing is skipped, and nothing ends a processor.
//!
//! `PROCESSOR_FAULT_SEEDS` is how many worlds are tried.

#[path = "support/processing.rs"]
mod processing;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhubs_flow::consumer::checkpoint::{MemoryStore, OwnershipStore};
use eventhubs_flow::consumer::processor::{EventProcessor, EventProcessorOptions, ProcessorCounts};
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::{Error, ErrorKind, PartitionId};
use futures::{FutureExt as _, StreamExt as _};
use processing::{
    Answer, CYCLE, Call, EXPIRY, INTERVAL, Process, Sending, SharedLog, Way, is_even, options,
    scope, send_each,
};
use tokio::time::{Instant, sleep};

const FIRST: PartitionId = PartitionId::new(0);

fn same(options: EventProcessorOptions) -> EventProcessorOptions {
    options
}

async fn owner(store: &MemoryStore) -> (Option<String>, u64) {
    let owned = store.ownership(&scope(), FIRST).await.unwrap();
    owned.map_or((None, 0), |it| (it.owner, it.generation))
}

async fn start(hub: &MemoryHub, options: EventProcessorOptions) -> EventProcessor {
    EventProcessor::start(Arc::new(hub.consumer()), options)
        .await
        .expect("started")
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_at_the_start_is_asked_again() {
    let (hub, store) = (MemoryHub::new(2), MemoryStore::new());
    let way = Way::new(&store);
    way.set(|_| Answer::Fails);
    let mut processor = start(&hub, options(&way)).await;
    sleep(10 * CYCLE).await;
    assert!(processor.snapshot().counts.store_errors >= 9);
    way.set(|_| Answer::Well);
    for _ in 0..2 {
        drop(processor.next().await.expect("a partition"));
    }
}

/// It cannot be read, say: to claim it in each cycle would do nothing but raise its
/// generation.
#[tokio::test(start_paused = true)]
async fn a_partition_that_is_given_back_each_time_is_claimed_less_and_less_often() {
    let hub = MemoryHub::new(1);
    let mut processor = start(&hub, options(&Way::new(&MemoryStore::new()))).await;
    let mut claims = Vec::new();
    while claims.len() < 10 {
        drop(processor.next().await.expect("a partition"));
        claims.push(Instant::now());
    }
    let waits: Vec<_> = claims.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(waits[0] <= 2 * CYCLE, "{waits:?}");
    let minute = Duration::from_secs(60);
    for long in &waits[7..] {
        assert!(*long >= minute / 2 && *long <= minute + CYCLE, "{waits:?}");
    }
}

/// A claim whose answer was lost is a claim: but not one to read by.
#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_was_lost_yields_nothing_until_it_is_made_anew() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    send_each(&hub, 1).await;
    for answer in [Answer::IsLost, Answer::Late(Duration::from_secs(10))] {
        let way = Way::new(&store);
        way.set(move |call| match call {
            Call::Claim(_) => answer,
            _ => Answer::Well,
        });
        let (_, before) = owner(&store).await;
        let mut processor = start(&hub, options(&way)).await;
        let taking = tokio::time::timeout(CYCLE / 2, processor.next()).await;
        assert!(taking.is_err(), "it has heard of no claim");
        way.set(|_| Answer::Well);
        let mut partition = processor.next().await.expect("a partition");
        let (_, last) = owner(&store).await;
        assert_eq!(partition.generation(), last);
        if answer == Answer::IsLost {
            assert_eq!(last, before + 2, "the first one was made");
        }
        let event = partition.next().await.expect("one").expect("an event");
        assert_eq!(event.generation(), last);
        drop(partition);
        processor.close().await;
        assert_eq!(owner(&store).await.0, None, "released");
    }
}

/// Another claims between the listing and the claim, each time.
#[tokio::test(start_paused = true)]
async fn a_lost_race_yields_nothing() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    send_each(&hub, 1).await;
    let way = Way::new(&store);
    let faster = store.clone();
    way.set(move |call| {
        if matches!(call, Call::Claim(_)) {
            let scope = scope();
            // A store in memory does not wait.
            let claimed = faster.claim(&scope, FIRST, "faster").now_or_never();
            claimed.unwrap().unwrap();
        }
        Answer::Well
    });
    let mut processor = start(&hub, options(&way)).await;
    let taking = tokio::time::timeout(3 * CYCLE, processor.next()).await;
    assert!(taking.is_err());
    let ProcessorCounts {
        claims, lost_races, ..
    } = processor.snapshot().counts;
    assert_eq!(claims, 0);
    assert!(lost_races >= 1);
    assert_eq!(owner(&store).await.0.as_deref(), Some("faster"));
}

#[tokio::test(start_paused = true)]
async fn who_lost_a_race_looks_again_in_the_same_cycle() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    let way = Way::new(&store);
    let faster = store.clone();
    let is_first = AtomicBool::new(true);
    way.set(move |call| {
        if matches!(call, Call::Claim(_)) && is_first.swap(false, Ordering::SeqCst) {
            // Another was there, and has gone again.
            let scope = scope();
            let claimed = faster.claim(&scope, FIRST, "faster").now_or_never();
            let generation = claimed.unwrap().unwrap();
            let released = faster.release(&scope, FIRST, generation).now_or_never();
            released.unwrap().unwrap();
        }
        Answer::Well
    });
    let mut processor = start(&hub, options(&way)).await;
    let taking = tokio::time::timeout(INTERVAL / 2, processor.next()).await;
    assert!(taking.expect("in this cycle").is_some());
    assert_eq!(processor.snapshot().counts.lost_races, 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_was_lost_is_released_at_the_end() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    let way = Way::new(&store);
    way.set(|call| match call {
        Call::Claim(_) => Answer::IsLost,
        _ => Answer::Well,
    });
    let processor = start(&hub, options(&way)).await;
    let me = processor.snapshot().owner;
    sleep(CYCLE).await;
    assert_eq!(owner(&store).await.0, Some(me), "it is claimed");
    processor.close().await;
    assert_eq!(owner(&store).await.0, None);
}

/// "10 s hangs": every other renewal takes as long as it may; the next one comes late, and
/// nothing is lost.
#[tokio::test(start_paused = true)]
async fn renewals_that_hang_are_made_again_in_time() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    let log = SharedLog::default();
    let process = Process::start(0, &hub, &store, &log, same).await;
    sleep(Duration::from_millis(1)).await;
    let turn = Mutex::new(0_u32);
    process.way.set(move |call| {
        let mut turn = turn.lock().unwrap();
        *turn += u32::from(call == Call::Renew);
        match (call, turn.is_multiple_of(2)) {
            (Call::Renew, false) => Answer::Never,
            _ => Answer::Well,
        }
    });
    for _ in 0..30 {
        send_each(&hub, 1).await;
        sleep(INTERVAL).await;
    }
    let counts = process.handle.snapshot().counts;
    assert!(counts.late_renewals > 0, "{counts:?}");
    assert_eq!((counts.lapsed, counts.stolen, counts.claims), (0, 0, 1));
    process.stop().await;
    let log = log.lock().unwrap();
    log.assert_none_skipped(1, 30);
    assert_eq!(log.duplicates(), 0);
}

/// The store is away for longer than the expiry: all stops, and goes on once it is back.
#[tokio::test(start_paused = true)]
async fn all_stops_without_the_store_and_goes_on_with_it() {
    let (hub, store) = (MemoryHub::new(4), MemoryStore::new());
    let log = SharedLog::default();
    let mut processes = Vec::new();
    for number in 0..2 {
        processes.push(Process::start(number, &hub, &store, &log, same).await);
    }
    let sending = Sending::start(&hub, 4, Duration::from_secs(1));
    sleep(3 * CYCLE).await;
    for process in &processes {
        process.way.set(|_| Answer::Fails);
    }
    sleep(EXPIRY).await;
    let before = log.lock().unwrap().yielded.len();
    sleep(10 * EXPIRY).await;
    assert_eq!(
        log.lock().unwrap().yielded.len(),
        before,
        "nobody owns anything"
    );
    for process in &processes {
        process.way.set(|_| Answer::Well);
    }
    sleep(3 * CYCLE).await;
    assert!(is_even(&store, &processes, 4).await);
    drop(sending);
    sleep(CYCLE).await;
    for process in processes {
        assert_eq!(process.handle.snapshot().counts.lapsed, 2);
        process.stop().await;
    }
    let log = log.lock().unwrap();
    log.assert_generations();
    log.assert_none_skipped(4, (hub.event_count() / 4) as i64);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_be_reached_ends_nothing() {
    let (hub, store) = (MemoryHub::new(2), MemoryStore::new());
    let log = SharedLog::default();
    hub.fail_next_opens(20, Error::new(ErrorKind::Disconnected, "planted"));
    let process = Process::start(0, &hub, &store, &log, same).await;
    send_each(&hub, 2).await;
    sleep(20 * EXPIRY).await;
    process.stop().await;
    let log = log.lock().unwrap();
    log.assert_none_skipped(2, 1);
    assert_eq!(log.duplicates(), 0);
}

/// Someone who keeps to no rule takes a partition at the service: it is read again
/// once that one is gone.
#[tokio::test(start_paused = true)]
async fn a_theft_at_the_service_is_survived() {
    let (hub, store) = (MemoryHub::new(1), MemoryStore::new());
    let log = SharedLog::default();
    let process = Process::start(0, &hub, &store, &log, same).await;
    send_each(&hub, 1).await;
    sleep(CYCLE).await;
    let intruder = eventhubs_flow::transport::ReceiverOptions {
        owner_level: Some(1000),
        ..eventhubs_flow::transport::ReceiverOptions::new(FIRST)
    };
    let transport = hub.consumer();
    let intruder =
        eventhubs_flow::transport::TransportConsumer::open_receiver(&transport, intruder);
    let intruder = intruder.await.unwrap();
    send_each(&hub, 1).await;
    sleep(5 * CYCLE).await;
    assert_eq!(log.lock().unwrap().yielded.len(), 1, "it is the intruder's");
    drop(intruder);
    sleep(EXPIRY + 5 * CYCLE).await;
    process.stop().await;
    log.lock().unwrap().assert_none_skipped(1, 2);
}

/// Random faults of all kinds for some minutes, then none: what must hold did all the
/// while, and in the end all is even and read.
async fn live(seed: u64) -> ProcessorCounts {
    let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
    let partitions = random.lock().unwrap().u32(1..=8);
    let (hub, store) = (MemoryHub::new(partitions), MemoryStore::new());
    let log = SharedLog::default();
    let mut processes = Vec::new();
    let count = random.lock().unwrap().usize(1..=4);
    for number in 0..count {
        processes.push(Process::start(number, &hub, &store, &log, same).await);
    }
    let sending = Sending::start(&hub, partitions, Duration::from_secs(3));
    for _ in 0..3 {
        for process in &processes {
            let bad = random.lock().unwrap().u32(0..=6);
            let random = Arc::clone(&random);
            process.way.set(move |_| {
                let mut random = random.lock().unwrap();
                match random.u32(0..10) {
                    it if it >= bad => Answer::Well,
                    _ => match random.u32(0..5) {
                        0 => Answer::Fails,
                        1 => Answer::IsLost,
                        2 => Answer::Late(Duration::from_millis(random.u64(0..9_000))),
                        3 => Answer::Late(Duration::from_secs(10)),
                        _ => Answer::Never,
                    },
                }
            });
        }
        let pause = random.lock().unwrap().u64(10_000..200_000);
        sleep(Duration::from_millis(pause)).await;
    }
    for process in &processes {
        process.way.set(|_| Answer::Well);
    }
    drop(sending);
    // What was claimed and not heard of has to expire, and who waits waits.
    sleep(2 * EXPIRY + 3 * CYCLE).await;
    assert!(is_even(&store, &processes, partitions).await, "seed {seed}");
    let mut all = ProcessorCounts::default();
    for process in processes {
        let counts = process.handle.snapshot().counts;
        all.store_errors += counts.store_errors;
        all.lapsed += counts.lapsed;
        all.lost_races += counts.lost_races;
        all.late_renewals += counts.late_renewals;
        process.stop().await;
    }
    let log = log.lock().unwrap();
    log.assert_generations();
    let events = (hub.event_count() / u64::from(partitions)) as i64;
    log.assert_none_skipped(partitions, events);
    all
}

#[test]
fn whatever_the_store_does_nothing_is_skipped_and_no_generation_has_two_owners() {
    let seeds = std::env::var("PROCESSOR_FAULT_SEEDS").map_or(60, |text| text.parse().unwrap());
    let mut all = ProcessorCounts::default();
    for seed in 0..seeds {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        fastrand::seed(seed);
        let counts = runtime.block_on(live(seed));
        all.store_errors += counts.store_errors;
        all.lapsed += counts.lapsed;
        all.late_renewals += counts.late_renewals;
    }
    println!("{all:?}");
    // How many leases are over by chance is for the tests above to provoke.
    assert!(all.store_errors > 0 && all.late_renewals > 0, "{all:?}");
}
