//! `RateLimitedProducer` and `RateLimiter`, on the paused clock.

#[path = "support/recorder.rs"]
mod recorder;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
use eventhubs_flow::transport::{
    HubProperties, PartitionProperties, TransportManagement, TransportProducer,
};
use eventhubs_flow::{
    BatchLimits, Error, ErrorKind, EventBatch, PartitionId, SendBatchError, Target,
};
use proptest::collection::vec;
use proptest::prelude::*;
use recorder::{Polled, Recorder, batch, batch_of, first_body};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn limiter(limit: RateLimit) -> RateLimiter {
    RateLimiter::new(limit).expect("a valid limit")
}

/// A runtime whose clock moves only when all tasks wait.
fn on_paused_clock<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}

#[test]
fn an_impossible_limit_is_refused_when_the_limiter_is_made() {
    let error = RateLimiter::new(RateLimit::throughput_units(0)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidOptions);
    let error = RateLimiter::new(RateLimit::bytes_per_second(1 << 32)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidOptions);
}

#[test]
fn its_limits_are_the_narrower_of_the_inner_ones_and_the_burst() {
    let limits = |limit| {
        let producer = Recorder::accepting().rate_limited(&limiter(limit));
        producer.limits(&Target::Any)
    };
    let bytes = 1024 * 1024;
    assert_eq!(
        limits(RateLimit::throughput_units(1)),
        BatchLimits {
            bytes: 1_000_000,
            events: 1000
        }
    );
    assert_eq!(
        limits(RateLimit::throughput_units(20)),
        BatchLimits {
            bytes,
            events: 5000
        }
    );
    assert_eq!(
        limits(RateLimit::events_per_second(7)),
        BatchLimits { bytes, events: 7 }
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_at_the_very_limits_passes_at_once_and_the_next_a_second_later() {
    let start = Instant::now();
    let recorder = Recorder::accepting();
    let producer = recorder
        .clone()
        .rate_limited(&limiter(RateLimit::throughput_units(1)));
    let full = batch_of(1000, 1000);
    assert_eq!(full.encoded_size(), 1_000_000);

    producer.send_batch(full.clone()).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    producer.send_batch(full).await.unwrap();
    assert_eq!(start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_batch_above_the_burst_comes_back_at_once_past_those_that_wait() {
    let limiter = limiter(RateLimit::throughput_units(1));
    let producer = Arc::new(Recorder::accepting().rate_limited(&limiter));
    limiter.acquire(1000, 0).await.unwrap();
    let waiting = tokio::spawn({
        let producer = Arc::clone(&producer);
        async move { producer.send_batch(batch(Target::Any, "waits")).await }
    });
    tokio::task::yield_now().await;

    let start = Instant::now();
    let refused = producer.send_batch(batch_of(1001, 100)).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(refused.batch.len(), 1001);
    assert_eq!(
        refused.error.kind(),
        &ErrorKind::CostExceedsBurst {
            cost: 1001,
            burst: 1000
        }
    );
    waiting.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn batches_pass_in_the_order_of_first_polls_and_a_large_one_is_not_overtaken() {
    let limiter = limiter(RateLimit::events_per_second(1000));
    let recorder = Recorder::accepting();
    let producer = Arc::new(recorder.clone().rate_limited(&limiter));
    limiter.acquire(1000, 0).await.unwrap();

    let mut sends = JoinSet::new();
    let sizes = [1, 900, 1, 1, 500, 1];
    for events in sizes {
        let producer = Arc::clone(&producer);
        sends.spawn(async move { producer.send_batch(batch_of(events, 50)).await });
        tokio::task::yield_now().await;
    }
    while let Some(sent) = sends.join_next().await {
        sent.unwrap().unwrap();
    }
    let passed: Vec<_> = recorder.polled().iter().map(|it| it.batch.len()).collect();
    assert_eq!(passed, sizes);
}

#[tokio::test(start_paused = true)]
async fn a_send_dropped_while_it_waits_sends_nothing_and_takes_nothing() {
    let limiter = limiter(RateLimit::throughput_units(1));
    let recorder = Recorder::accepting();
    let producer = recorder.clone().rate_limited(&limiter);
    limiter.acquire(0, 1_000_000).await.unwrap();

    // The events are there all the time; the bytes are not.
    let waiting = producer.send_batch(batch_of(900, 1000));
    assert!(timeout(500 * MS, waiting).await.is_err());
    assert_eq!(recorder.polled().len(), 0);

    let start = Instant::now();
    limiter.acquire(1000, 500_000).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_send_dropped_later_is_what_the_inner_producer_makes_of_it() {
    let limiter = limiter(RateLimit::events_per_second(2));
    let recorder = Recorder::holding();
    let producer = recorder.clone().rate_limited(&limiter);
    let sending = producer.send_batch(batch(Target::Any, "sent"));
    assert!(timeout(MS, sending).await.is_err());
    assert_eq!(recorder.bodies(), ["sent"]);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_that_is_long_in_coming_holds_up_no_other_batch() {
    let limiter = limiter(RateLimit::throughput_units(1));
    let recorder = Recorder::holding();
    let producer = Arc::new(recorder.clone().rate_limited(&limiter));
    let mut sends = JoinSet::new();
    for _ in 0..10 {
        let producer = Arc::clone(&producer);
        sends.spawn(async move { producer.send_batch(batch(Target::Any, "x")).await });
    }
    sleep(MS).await;
    assert_eq!(recorder.polled().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn producers_share_the_rate_of_one_limiter() {
    let start = Instant::now();
    let limiter = limiter(RateLimit::events_per_second(100));
    let recorder = Recorder::accepting();
    let mut sends = JoinSet::new();
    for _ in 0..4 {
        let producer = recorder.clone().rate_limited(&limiter);
        sends.spawn(async move {
            for _ in 0..100 {
                producer.send_batch(batch(Target::Any, "x")).await.unwrap();
            }
        });
    }
    sends.join_all().await;
    assert_eq!(start.elapsed(), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn errors_properties_and_close_are_those_of_the_inner_producer() {
    let limiter = limiter(RateLimit::throughput_units(1));
    let producer = Recorder::accepting().rate_limited(&limiter).boxed();
    assert_eq!(producer.hub_properties().await.unwrap().name, "recorder");
    let error = producer.partition_properties(PartitionId::new(3)).await;
    assert_eq!(error.unwrap_err().kind(), &ErrorKind::InvalidPartition);

    let refused = producer.send_batch(batch(Target::Any, "refuse")).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.error.kind(), &ErrorKind::NotAcknowledged);
    assert_eq!(first_body(&refused.batch), "refuse");

    producer.close().await.unwrap();
    let refused = producer.send_batch(batch(Target::Any, "late")).await;
    assert_eq!(refused.unwrap_err().error.kind(), &ErrorKind::Closed);
}

/// 64 tasks that send as fast as they may, for five seconds after the burst.
fn with_64_waiters(limit: RateLimit, batch: EventBatch) -> [usize; 64] {
    on_paused_clock(async {
        let limiter = limiter(limit);
        let burst = limiter.limit().batch_limits();
        let drained = |most| if most == usize::MAX { 0 } else { most };
        limiter
            .acquire(drained(burst.events), drained(burst.bytes))
            .await
            .unwrap();
        let producer = Arc::new(Recorder::accepting().rate_limited(&limiter));
        let end = Instant::now() + 5 * SECOND;
        let counts = Arc::new([const { AtomicUsize::new(0) }; 64]);
        let mut tasks = JoinSet::new();
        for waiter in 0..64 {
            let (producer, counts, batch) =
                (Arc::clone(&producer), Arc::clone(&counts), batch.clone());
            tasks.spawn(async move {
                loop {
                    tokio::select! {
                        biased;
                        () = sleep_until(end) => break,
                        sent = producer.send_batch(batch.clone()) => sent.unwrap(),
                    }
                    counts[waiter].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        tasks.join_all().await;
        counts.each_ref().map(|count| count.load(Ordering::Relaxed))
    })
}

#[test]
fn with_64_waiters_the_rate_is_within_one_percent_and_each_gets_its_share() {
    for (limit, batch, asked) in [
        // The events bind: 20,000 a second.
        (RateLimit::throughput_units(20), batch_of(1, 50), 20_000),
        (RateLimit::throughput_units(20), batch_of(50, 900), 400),
        // The bytes bind.
        (RateLimit::throughput_units(20), batch_of(40, 1000), 500),
        (
            RateLimit::bytes_per_second(7_000_000),
            batch_of(7, 1000),
            1000,
        ),
        (
            RateLimit::bytes_per_second(70_000_000),
            batch_of(35, 1000),
            2000,
        ),
        (
            RateLimit::bytes_per_second(300_000_000),
            batch_of(60, 1000),
            5000,
        ),
    ] {
        let counts = with_64_waiters(limit, batch);
        let rate = counts.iter().sum::<usize>() as f64 / 5.0;
        let asked = f64::from(asked);
        assert!(
            (rate / asked - 1.0).abs() < 0.01,
            "{rate} batches/s for {asked} under {limit:?}"
        );
        let share = asked * 5.0 / 64.0;
        let least = *counts.iter().min().unwrap();
        assert!(least as f64 >= share / 2.0, "{least} of a share of {share}");
    }
}

/// The events and bytes that went from each send on never exceed rate and burst.
fn assert_every_window_holds(polled: &[Polled], rate: [u64; 2], burst: [u64; 2]) {
    for from in 0..polled.len() {
        let mut used = [0_u128; 2];
        for it in &polled[from..] {
            let window = (it.at - polled[from].at).as_nanos();
            for (unit, cost) in [it.batch.len(), it.batch.encoded_size()]
                .into_iter()
                .enumerate()
            {
                used[unit] += cost as u128 * 1_000_000_000;
                let allowed =
                    u128::from(rate[unit]) * window + u128::from(burst[unit]) * 1_000_000_000;
                assert!(
                    used[unit] <= allowed,
                    "{} of {allowed} in {window} ns",
                    used[unit]
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_window_of_any_length_exceeds_rate_and_burst(
        rate in [20..3000_u64, 1_000..3_000_000_u64],
        burst in [20..3000_u64, 10_000..3_000_000_u64],
        tasks in vec(vec((0..300_u64, 1..20_usize, 20..240_usize), 1..20), 1..8),
    ) {
        let limit = RateLimit::events_per_second(rate[0])
            .with_events_burst(burst[0])
            .with_bytes_per_second(rate[1])
            .with_bytes_burst(burst[1]);
        let recorder = Recorder::accepting();
        on_paused_clock(async {
            let producer = Arc::new(recorder.clone().rate_limited(&limiter(limit)));
            let mut running = JoinSet::new();
            for steps in tasks {
                let producer = Arc::clone(&producer);
                running.spawn(async move {
                    for (pause, events, size) in steps {
                        sleep(Duration::from_millis(pause)).await;
                        producer.send_batch(batch_of(events, size)).await.unwrap();
                    }
                });
            }
            running.join_all().await;
        });
        assert_every_window_holds(&recorder.polled(), rate, burst);
    }

    /// Waiters are dropped at any time, at the very moment of their turn too.
    /// The others go in order, none sooner than it may and none later than if
    /// the dropped ones had never waited.
    #[test]
    fn dropped_waiters_give_their_place_and_their_tokens_back(
        waiters in vec((1..=1000_usize, prop::option::of(0..3000_u64)), 1..40),
    ) {
        let (passed, start) = on_paused_clock(async {
            let limiter = limiter(RateLimit::events_per_second(1000));
            limiter.acquire(1000, 0).await.unwrap();
            let start = Instant::now();
            let mut tasks = Vec::new();
            for &(events, dropped_after) in &waiters {
                let limiter = limiter.clone();
                tasks.push(tokio::spawn(async move {
                    let wait = limiter.acquire(events, 0);
                    match dropped_after {
                        None => wait.await.unwrap(),
                        Some(ms) => {
                            let until = sleep_until(start + Duration::from_millis(ms));
                            tokio::select! {
                                biased;
                                () = until => return None,
                                passed = wait => passed.unwrap(),
                            }
                        }
                    }
                    Some((Instant::now(), events))
                }));
            }
            let mut passed = Vec::new();
            for task in tasks {
                passed.extend(task.await.unwrap());
            }
            (passed, start)
        });

        let last_drop = waiters.iter().filter_map(|waiter| waiter.1).max().unwrap_or(0);
        let mut before = (start, 0);
        for (at, events) in passed {
            let taken = before.1 + events;
            let due = Duration::from_millis(taken as u64);
            prop_assert!(at >= before.0, "overtaken");
            prop_assert!(at - start >= due, "too early");
            let latest = due.max(Duration::from_millis(last_drop)) + 2 * MS;
            prop_assert!(at - start <= latest, "{:?} for {latest:?}", at - start);
            before = (at, taken);
        }
    }
}

/// Notes whether two sends were ever polled for the first time at once.
#[derive(Debug, Default)]
struct FirstPolls {
    under_way: AtomicBool,
    done: AtomicUsize,
    overlapped: AtomicBool,
}

#[derive(Debug, Clone, Default)]
struct Watcher(Arc<FirstPolls>);

#[async_trait]
impl TransportManagement for Watcher {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        Recorder::accepting().hub_properties().await
    }

    async fn partition_properties(&self, id: PartitionId) -> Result<PartitionProperties, Error> {
        Recorder::accepting().partition_properties(id).await
    }
}

#[async_trait]
impl TransportProducer for Watcher {
    async fn send_batch(&self, _batch: EventBatch) -> Result<(), SendBatchError> {
        if self.0.under_way.swap(true, Ordering::SeqCst) {
            self.0.overlapped.store(true, Ordering::SeqCst);
        }
        // Room for another thread to come in, if it could.
        std::thread::yield_now();
        self.0.under_way.store(false, Ordering::SeqCst);
        self.0.done.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        Ok(())
    }

    fn limits(&self, _target: &Target) -> BatchLimits {
        BatchLimits::STANDARD
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_order_of_the_queue_is_the_order_in_which_the_inner_producer_is_polled() {
    let watcher = Watcher::default();
    let limiter = limiter(RateLimit::throughput_units(4000));
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let producer = watcher.clone().rate_limited(&limiter);
        tasks.spawn(async move {
            for _ in 0..500 {
                producer.send_batch(batch(Target::Any, "x")).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(watcher.0.done.load(Ordering::SeqCst), 4000);
    assert!(!watcher.0.overlapped.load(Ordering::SeqCst));
}

#[test]
fn a_close_releases_those_who_wait_for_tokens_and_leaves_the_limiter_to_others() {
    on_paused_clock(async {
        let limiter = limiter(RateLimit::events_per_second(1));
        let closing = Recorder::accepting().rate_limited(&limiter);
        let staying = Recorder::accepting().rate_limited(&limiter);
        closing
            .send_batch(batch(Target::Any, "a"))
            .await
            .expect("the burst");
        let started = Instant::now();
        let (waiting, behind, closed) = tokio::join!(
            closing.send_batch(batch(Target::Any, "a")),
            closing.send_batch(batch(Target::Any, "a")),
            closing.close()
        );
        closed.expect("closed");
        for refused in [waiting, behind] {
            let refused = refused.unwrap_err();
            assert_eq!(refused.error.kind(), &ErrorKind::Closed);
            assert_eq!(refused.batch.len(), 1);
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
        staying
            .send_batch(batch(Target::Any, "a"))
            .await
            .expect("its own");
        assert_eq!(started.elapsed(), SECOND);
    });
}
