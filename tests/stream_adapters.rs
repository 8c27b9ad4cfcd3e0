//! `batched` and `rate_limited`, and all three adapters together, on the paused clock.

#[path = "support/recorder.rs"]
mod recorder;
#[path = "support/streams.rs"]
mod streams;

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::rate_limited::{RateLimit, RateLimiter};
use eventhubs_flow::stream::{BatchOptions, FlowError};
use eventhubs_flow::transport::TransportProducer;
use eventhubs_flow::{
    BatchLimits, ErrorKind, EventBatch, EventData, PartitionId, PartitionKey, Target,
};
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use proptest::collection::vec;
use proptest::prelude::*;
use recorder::{Recorder, batch_of, first_body};
use streams::{bodies, channel, collect, paced};
use tokio::time::Instant;

const MS: Duration = Duration::from_millis(1);

fn nonzero(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

fn event(target: impl Into<Target>, body: &str) -> EventData {
    EventData::new(body.to_owned()).with_target(target)
}

fn key(name: &str) -> Target {
    PartitionKey::new(name).unwrap().into()
}

fn partition(number: u32) -> Target {
    PartitionId::new(number).into()
}

fn limits(bytes: usize, events: usize) -> BatchOptions {
    BatchOptions::default().with_limits(BatchLimits { bytes, events })
}

// batched

#[tokio::test(start_paused = true)]
async fn a_batch_lingers_from_its_first_event_however_many_follow() {
    let start = Instant::now();
    let events = (0..10).map(|n| (20 * MS, event(Target::Any, &n.to_string())));
    let mut batches = pin!(paced(events.collect()).batched(BatchOptions::default()));

    let first = batches.next().await.unwrap().unwrap();
    // The first event came after 20 ms, two more within its 50 ms.
    assert_eq!(start.elapsed(), 70 * MS);
    assert_eq!(bodies(&first), ["0", "1", "2"]);
    let second = batches.next().await.unwrap().unwrap();
    assert_eq!(start.elapsed(), 130 * MS);
    assert_eq!(bodies(&second), ["3", "4", "5"]);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_target_goes_on_time_beside_a_busy_one() {
    let start = Instant::now();
    let quiet = [(Duration::ZERO, event(key("quiet"), "q"))];
    let busy = (0..100).map(|_| (MS, event(key("busy"), "b")));
    let events = quiet.into_iter().chain(busy).collect();
    let mut batches = pin!(paced(events).batched(limits(1 << 20, 10)));

    while let Some(batch) = batches.next().await {
        if *batch.unwrap().target() == key("quiet") {
            assert_eq!(start.elapsed(), 50 * MS);
            return;
        }
    }
    panic!("the quiet target's batch never came");
}

#[tokio::test(start_paused = true)]
async fn with_no_linger_a_batch_holds_what_is_ready_at_once() {
    let start = Instant::now();
    let (sender, events) = channel();
    let mut batches = events.batched(BatchOptions::default().with_linger(Duration::ZERO));
    for body in ["1", "2", "3"] {
        sender.send(event(Target::Any, body)).await.unwrap();
    }
    let batch = batches.next().await.unwrap().unwrap();
    assert_eq!(bodies(&batch), ["1", "2", "3"]);
    assert!(batches.next().now_or_never().is_none());
    sender.send(event(Target::Any, "4")).await.unwrap();
    let batch = batches.next().await.unwrap().unwrap();
    assert_eq!(bodies(&batch), ["4"]);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn without_a_timer_a_batch_waits_for_company_or_the_end() {
    let start = Instant::now();
    let hour = Duration::from_secs(3600);
    let events = (0..5).map(|n| (hour, event(Target::Any, &n.to_string())));
    let batches = paced(events.collect()).batched(limits(1 << 20, 3).with_linger(None));
    assert_eq!(
        collect(batches).await,
        [vec!["0", "1", "2"], vec!["3", "4"]]
    );
    assert_eq!(start.elapsed(), 5 * hour);
}

#[tokio::test(start_paused = true)]
async fn a_batch_with_all_its_events_goes_at_once() {
    let (sender, events) = channel();
    let mut batches = events.batched(limits(1 << 20, 2));
    for body in ["1", "2", "3"] {
        sender.send(event(Target::Any, body)).await.unwrap();
    }
    let batch = batches.next().now_or_never().expect("no wait");
    assert_eq!(bodies(&batch.unwrap().unwrap()), ["1", "2"]);
    assert!(batches.next().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_batch_closes_at_its_bytes_and_the_event_starts_the_next() {
    let size = event(Target::Any, "1").encoded_size();
    let events = ["1", "2", "3", "4", "5"].map(|body| event(Target::Any, body));
    let batches = stream::iter(events).batched(limits(2 * size, 100));
    assert_eq!(
        collect(batches).await,
        [vec!["1", "2"], vec!["3", "4"], vec!["5"]]
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fits_no_batch_comes_back_and_its_neighbours_go_on() {
    let large = "x".repeat(100);
    let events = ["1", "2", &large, "3"].map(|body| event(key("k"), body));
    let items: Vec<_> = stream::iter(events)
        .batched(limits(150, 100))
        .collect()
        .await;
    let [Ok(before), Err(refused), Ok(after)] = &items[..] else {
        panic!("{items:?}");
    };
    assert_eq!(bodies(before), ["1", "2"]);
    assert_eq!(bodies(after), ["3"]);
    assert!(matches!(
        refused.error().kind(),
        ErrorKind::TooLarge { limit: 150, .. }
    ));
    let [refused] = &items.into_iter().nth(1).unwrap().unwrap_err().into_events()[..] else {
        panic!("one event");
    };
    assert_eq!(refused, &event(key("k"), &large));
}

#[tokio::test(start_paused = true)]
async fn targets_fill_batches_of_their_own_in_the_order_of_their_first_events() {
    let events = [
        event(Target::Any, "1"),
        event(key("k"), "2"),
        event(partition(0), "3"),
        event(Target::Any, "4"),
        event(key("k"), "5"),
        event(key("other"), "6"),
    ];
    let batches: Vec<_> = stream::iter(events)
        .batched(BatchOptions::default())
        .collect()
        .await;
    let batches: Vec<_> = batches.into_iter().map(Result::unwrap).collect();
    let targets: Vec<_> = batches.iter().map(|batch| batch.target().clone()).collect();
    assert_eq!(targets, [Target::Any, key("k"), partition(0), key("other")]);
    let all: Vec<_> = batches.iter().map(bodies).collect();
    assert_eq!(all, [vec!["1", "4"], vec!["2", "5"], vec!["3"], vec!["6"]]);
}

#[tokio::test(start_paused = true)]
async fn keys_share_the_batch_of_their_partition_where_partitions_are_counted() {
    let events = (0..100).map(|n| event(key(&format!("key {n}")), &n.to_string()));
    let options = BatchOptions::default().with_partitions(NonZeroU32::new(4).unwrap());
    let batches: Vec<_> = stream::iter(events).batched(options).collect().await;
    assert_eq!(batches.len(), 4);
    for batch in batches {
        let batch = batch.unwrap();
        for event in batch.events() {
            let key = event.target().key().expect("it keeps its key");
            assert_eq!(batch.target(), &Target::from(key.partition(4)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_target_beyond_the_bound_closes_the_oldest_batch() {
    let (sender, events) = channel();
    let mut batches = events.batched(BatchOptions::default().with_max_open(nonzero(2)));
    for name in ["a", "b", "a", "c"] {
        sender.send(event(key(name), name)).await.unwrap();
    }
    let batch = batches.next().now_or_never().expect("no wait");
    assert_eq!(bodies(&batch.unwrap().unwrap()), ["a", "a"]);
    assert!(batches.next().now_or_never().is_none());
}

proptest! {
    /// Whatever comes: each event once, each target in order, batches within
    /// their limits, none late, and never more held than allowed.
    #[test]
    fn nothing_is_lost_reordered_late_or_beyond_a_bound(
        steps in vec((0..5_u8, 0..400_usize, prop_oneof![Just(0), 0..40_u64]), 0..200),
        bytes in 100..3000_usize,
        count in 1..20_usize,
        max_open in 1..6_usize,
        max_open_bytes in 0..2000_usize,
        linger in prop_oneof![Just(None), (0..60_u64).prop_map(Some)],
        partitions in prop::option::of(1..4_u32),
    ) {
        let linger = linger.map(Duration::from_millis);
        let mut options = limits(bytes, count)
            .with_linger(linger)
            .with_max_open(nonzero(max_open))
            .with_max_open_bytes(max_open_bytes);
        if let Some(count) = partitions {
            options = options.with_partitions(NonZeroU32::new(count).unwrap());
        }
        let targets = [Target::Any, partition(0), partition(1), key("a"), key("b")];
        let mut given: HashMap<Target, Vec<EventData>> = HashMap::new();
        let mut pauses = Vec::new();
        for (number, (target, size, pause)) in steps.into_iter().enumerate() {
            let mut body = vec![0; size];
            body.extend((number as u32).to_be_bytes());
            let event = EventData::new(body).with_target(targets[usize::from(target)].clone());
            given.entry(event.target().clone()).or_default().push(event.clone());
            pauses.push((Duration::from_millis(pause), event));
        }

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let got = runtime.block_on(async {
            let held = AtomicUsize::new(0);
            let came = Mutex::new(HashMap::new());
            let mut got: HashMap<Target, Vec<EventData>> = HashMap::new();
            let events = paced(pauses).inspect(|event| {
                held.fetch_add(event.encoded_size(), Ordering::Relaxed);
                came.lock().unwrap().insert(event.body().clone(), Instant::now());
            });
            let mut items = pin!(events.batched(options));
            while let Some(item) = items.next().await {
                let one_event = 500;
                assert!(held.load(Ordering::Relaxed) <= max_open_bytes + one_event);
                let events = match item {
                    Ok(batch) => {
                        assert!(!batch.is_empty() && batch.len() <= count);
                        assert!(batch.encoded_size() <= bytes);
                        if let Some(linger) = linger {
                            let first = came.lock().unwrap()[batch.events()[0].body()];
                            assert!(first.elapsed() <= linger + MS, "late");
                        }
                        batch.into_events()
                    }
                    Err(error) => {
                        let envelope = 50;
                        let refused = error.into_events();
                        assert!(refused[0].encoded_size() + envelope > bytes);
                        refused
                    }
                };
                for event in events {
                    held.fetch_sub(event.encoded_size(), Ordering::Relaxed);
                    got.entry(event.target().clone()).or_default().push(event);
                }
            }
            got
        });
        prop_assert_eq!(got, given);
    }
}

// rate_limited

#[tokio::test(start_paused = true)]
async fn batches_pass_at_the_rate_in_order_and_errors_keep_their_place() {
    let start = Instant::now();
    let limiter = RateLimiter::new(RateLimit::events_per_second(100)).unwrap();
    let too_large = FlowError::Event(refused_event());
    let items = [
        Ok(batch_of(100, 50)),
        Ok(batch_of(101, 50)),
        Ok(batch_of(50, 50)),
        Err(too_large),
        Ok(batch_of(50, 50)),
    ];
    let passed: Vec<_> = stream::iter(items)
        .rate_limited(&limiter)
        .map(|item| (item.map(|batch| batch.len()), start.elapsed()))
        .collect()
        .await;

    let [first, refused, second, error, third] = &passed[..] else {
        panic!("{passed:?}");
    };
    assert!(matches!(first, (Ok(100), Duration::ZERO)));
    assert_eq!(
        refused.0.as_ref().unwrap_err().error().kind(),
        &ErrorKind::CostExceedsBurst {
            cost: 101,
            burst: 100
        }
    );
    assert!(matches!(second, (Ok(50), at) if *at == 500 * MS));
    assert!(matches!(error, (Err(FlowError::Event(_)), at) if *at == 500 * MS));
    assert!(matches!(third, (Ok(50), at) if *at == 1000 * MS));
}

#[tokio::test(start_paused = true)]
async fn a_batch_above_the_burst_is_handed_back_whole() {
    let limiter = RateLimiter::new(RateLimit::events_per_second(2)).unwrap();
    let items = stream::iter([Ok(batch_of(3, 50))]);
    let refused = items.rate_limited(&limiter).next().await.unwrap();
    assert_eq!(
        refused.unwrap_err().into_events(),
        batch_of(3, 50).into_events()
    );
}

fn refused_event() -> eventhubs_flow::SendError {
    let mut batch = EventBatch::new(
        Target::Any,
        BatchLimits {
            bytes: 0,
            events: 0,
        },
    );
    batch.try_add(event(Target::Any, "large")).unwrap_err()
}

// all three

#[tokio::test(start_paused = true)]
async fn events_pass_through_all_three_once_in_order_and_at_the_rate() {
    let start = Instant::now();
    let recorder = Recorder::accepting();
    let producer: Arc<dyn TransportProducer> = Arc::new(recorder.clone());
    let limiter = RateLimiter::new(RateLimit::throughput_units(1)).unwrap();
    let limits = producer
        .limits(&Target::Any)
        .min(limiter.limit().batch_limits());
    let numbers = (0..10_000).map(|n| event(key(&(n % 7).to_string()), &n.to_string()));

    let outcomes: Vec<_> = stream::iter(numbers)
        .batched(BatchOptions::default().with_limits(limits))
        .rate_limited(&limiter)
        .send_through(producer)
        .collect()
        .await;

    let sent: usize = outcomes.into_iter().map(|sent| sent.unwrap().events).sum();
    assert_eq!(sent, 10_000);
    assert_eq!(start.elapsed(), Duration::from_secs(9));
    let mut last = [None; 7];
    for polled in recorder.polled() {
        for body in bodies(&polled.batch) {
            let number: usize = body.parse().unwrap();
            let expected = last[number % 7].map_or(number % 7, |last| last + 7);
            assert_eq!(number, expected);
            last[number % 7] = Some(number);
        }
    }
    assert!(!first_body(&recorder.polled()[0].batch).is_empty());
}
