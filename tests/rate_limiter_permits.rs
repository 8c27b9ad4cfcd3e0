//! What is taken from a limiter and what is not, on the paused clock: futures
//! dropped at any await, and limits changed under those who wait.

#[path = "support/recorder.rs"]
mod recorder;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::rate_limited::{Adaptive, RateLimit, RateLimiter};
use eventhubs_flow::transport::{
    HubProperties, PartitionProperties, TransportManagement, TransportProducer,
};
use eventhubs_flow::{
    BatchLimits, Error, ErrorKind, EventBatch, PartitionId, SendBatchError, Target,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use recorder::{Recorder, batch, batch_of};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// Tokens are counted in billionths, so that a nanosecond's worth is whole.
const BILLION: i128 = 1_000_000_000;

/// What happened, in order.
#[derive(Debug, Clone, Copy)]
enum Entry {
    /// A batch of so many events and bytes reached the transport.
    Passed(Instant, [u64; 2]),
    /// The limit was changed.
    Changed(Instant, Limits),
}

/// Rate and burst, of events and of bytes.
type Limits = [(u64, u64); 2];

fn rate_limit([events, bytes]: Limits) -> RateLimit {
    RateLimit::events_per_second(events.0)
        .with_events_burst(events.1)
        .with_bytes_per_second(bytes.0)
        .with_bytes_burst(bytes.1)
}

/// A transport that writes down what it is given, and answers after a while.
#[derive(Debug, Clone, Default)]
struct Ledger(Arc<Mutex<Vec<Entry>>>);

impl Ledger {
    fn write(&self, entry: Entry) {
        self.0.lock().unwrap().push(entry);
    }
}

#[async_trait]
impl TransportManagement for Ledger {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        Recorder::accepting().hub_properties().await
    }

    async fn partition_properties(&self, id: PartitionId) -> Result<PartitionProperties, Error> {
        Recorder::accepting().partition_properties(id).await
    }
}

#[async_trait]
impl TransportProducer for Ledger {
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
        let cost = [batch.len() as u64, batch.encoded_size() as u64];
        self.write(Entry::Passed(Instant::now(), cost));
        sleep(3 * MS).await;
        Ok(())
    }

    fn limits(&self, _target: &Target) -> BatchLimits {
        BatchLimits::STANDARD
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Token buckets in their simplest form: tokens are added with time, up to the
/// burst. That they never lack any is the same as that no window exceeds what its
/// rates refill and one burst.
struct Model {
    limits: Limits,
    left: [i128; 2],
    at: Instant,
}

impl Model {
    fn full(limits: Limits, at: Instant) -> Self {
        let left = limits.map(|(_, burst)| i128::from(burst) * BILLION);
        Self { limits, left, at }
    }

    fn pass(&mut self, now: Instant) {
        let nanos = (now - self.at).as_nanos() as i128;
        self.at = now;
        for (left, (rate, _)) in self.left.iter_mut().zip(self.limits) {
            *left += nanos * i128::from(rate);
        }
        self.spill();
    }

    fn spill(&mut self) {
        for (left, (_, burst)) in self.left.iter_mut().zip(self.limits) {
            *left = (*left).min(i128::from(burst) * BILLION);
        }
    }

    fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Passed(at, cost) => {
                self.pass(at);
                for (left, cost) in self.left.iter_mut().zip(cost) {
                    *left -= i128::from(cost) * BILLION;
                    assert!(*left >= 0, "{:?} too much at {entry:?}", -*left);
                }
            }
            Entry::Changed(at, limits) => {
                self.pass(at);
                self.limits = limits;
                self.spill();
            }
        }
    }
}

/// Polls a future so many times at most, and then drops it.
async fn at_most<F: Future>(polls: Option<usize>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls.unwrap_or(usize::MAX);
    poll_fn(move |cx| match left {
        0 => Poll::Ready(None),
        _ => {
            left -= 1;
            let poll = future.as_mut().poll(cx).map(Some);
            if left == 0 && poll.is_pending() {
                return Poll::Ready(None);
            }
            poll
        }
    })
    .await
}

fn on_paused_clock<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}

fn limits() -> impl Strategy<Value = Limits> {
    // Every batch below fits each burst.
    let events = (10..3000_u64, 20..3000_u64);
    let bytes = (1_000..3_000_000_u64, 10_000..3_000_000_u64);
    (events, bytes).prop_map(|(events, bytes)| [events, bytes])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Sends are dropped after any number of polls: in the queue, at its head, in
    /// the transport. Meanwhile the limit changes. In the end the limiter holds
    /// the very tokens that it would hold had the dropped ones never been there.
    #[test]
    fn permits_are_conserved_when_any_future_is_dropped_at_any_await(
        first in limits(),
        tasks in vec(
            vec((0..200_u64, 1..20_usize, 20..240_usize, option::of(0..6_usize)), 1..20),
            1..8,
        ),
        changes in vec((0..800_u64, limits()), 0..5),
    ) {
        on_paused_clock(async {
            let start = Instant::now();
            let limiter = RateLimiter::new(rate_limit(first)).unwrap();
            let ledger = Ledger::default();
            let mut running = JoinSet::new();
            for steps in tasks {
                let producer = ledger.clone().rate_limited(&limiter);
                running.spawn(async move {
                    for (pause, events, size, polls) in steps {
                        sleep(Duration::from_millis(pause)).await;
                        let send = producer.send_batch(batch_of(events, size));
                        at_most(polls, send).await.map_or(Ok(()), |sent| sent).unwrap();
                    }
                });
            }
            let (changing, log) = (limiter.clone(), ledger.clone());
            running.spawn(async move {
                for (pause, limits) in changes {
                    sleep(Duration::from_millis(pause)).await;
                    log.write(Entry::Changed(Instant::now(), limits));
                    changing.set_limit(rate_limit(limits)).unwrap();
                }
            });
            running.join_all().await;

            let mut model = Model::full(first, start);
            for entry in ledger.0.lock().unwrap().drain(..) {
                model.apply(entry);
            }
            let now = Instant::now();
            model.pass(now);
            let all = model.left.map(|left| (left / BILLION) as usize);
            limiter.acquire(all[0], all[1]).await.unwrap();
            assert_eq!(now.elapsed(), Duration::ZERO, "tokens were lost");
            for more in [(1, 0), (0, 1)] {
                let early = at_most(Some(1), limiter.acquire(more.0, more.1)).await;
                assert!(early.is_none(), "tokens were made up");
            }
        });
    }
}

/// A limiter without tokens.
async fn drained(limit: RateLimit) -> RateLimiter {
    let limiter = RateLimiter::new(limit).unwrap();
    let burst = limit.batch_limits().events;
    limiter.acquire(burst, 0).await.unwrap();
    limiter
}

#[tokio::test(start_paused = true)]
async fn a_raised_rate_hands_out_no_second_burst() {
    let limiter = drained(RateLimit::events_per_second(100)).await;
    let start = Instant::now();
    for rate in [200, 1000, 100, 1000] {
        limiter
            .set_limit(RateLimit::events_per_second(rate))
            .unwrap();
    }
    limiter.acquire(1000, 0).await.unwrap();
    assert_eq!(start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_changed_rate_holds_for_whoever_waits() {
    for (rate, passes_after) in [(1000, 550 * MS), (10, 5500 * MS), (100, SECOND)] {
        let limiter = drained(RateLimit::events_per_second(100)).await;
        let start = Instant::now();
        let waiting = limiter.clone();
        let waiting = tokio::spawn(async move { waiting.acquire(100, 0).await });
        sleep(500 * MS).await;
        let changed = RateLimit::events_per_second(rate).with_events_burst(100);
        limiter.set_limit(changed).unwrap();
        waiting.await.unwrap().unwrap();
        assert_eq!(start.elapsed(), passes_after, "at {rate}/s");
    }
}

#[tokio::test(start_paused = true)]
async fn those_whom_a_smaller_burst_shuts_out_are_told_at_their_turn_and_block_nobody() {
    let limiter = drained(RateLimit::events_per_second(100)).await;
    let start = Instant::now();
    let mut waiting = Vec::new();
    for events in [100, 20, 100, 30] {
        let limiter = limiter.clone();
        waiting.push(tokio::spawn(
            async move { limiter.acquire(events, 0).await },
        ));
        tokio::task::yield_now().await;
    }
    sleep(100 * MS).await;
    let smaller = RateLimit::events_per_second(100).with_events_burst(50);
    limiter.set_limit(smaller).unwrap();
    let mut refused = Vec::new();
    for waiting in waiting {
        let outcome = waiting.await.unwrap();
        refused.push(outcome.map_err(|error| error.kind().clone()).err());
    }
    let too_large = Some(ErrorKind::CostExceedsBurst {
        cost: 100,
        burst: 50,
    });
    assert_eq!(refused, [too_large.clone(), None, too_large, None]);
    assert_eq!(start.elapsed(), 500 * MS);
}

#[tokio::test(start_paused = true)]
async fn an_impossible_limit_is_refused_and_changes_nothing() {
    let limit = RateLimit::events_per_second(100);
    let limiter = RateLimiter::new(limit).unwrap();
    let refused = limiter.set_limit(RateLimit::events_per_second(0));
    assert_eq!(refused.unwrap_err().kind(), &ErrorKind::InvalidOptions);
    assert_eq!(limiter.limit(), limit);
    assert_eq!(limiter.current_limit(), limit);
    let refused = RateLimiter::adaptive(limit, Adaptive::default().with_floor(2.0));
    assert_eq!(refused.unwrap_err().kind(), &ErrorKind::InvalidOptions);
}

/// Throttles every batch.
#[derive(Debug)]
struct Busy(ErrorKind);

#[async_trait]
impl TransportManagement for Busy {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        Recorder::accepting().hub_properties().await
    }

    async fn partition_properties(&self, id: PartitionId) -> Result<PartitionProperties, Error> {
        Recorder::accepting().partition_properties(id).await
    }
}

#[async_trait]
impl TransportProducer for Busy {
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
        let error = Error::new(self.0.clone(), "as asked");
        Err(SendBatchError::new(batch, error))
    }

    fn limits(&self, _target: &Target) -> BatchLimits {
        BatchLimits::STANDARD
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_attempt_lowers_an_adaptive_rate_and_comes_back_as_it_is() {
    let busy = ErrorKind::Throttled {
        retry_after: 4 * SECOND,
    };
    let halve = Adaptive::default().with_decrease(0.5);
    let limiter = RateLimiter::adaptive(RateLimit::throughput_units(1), halve).unwrap();
    let start = Instant::now();
    for kind in [ErrorKind::Timeout, busy.clone(), busy.clone()] {
        let producer = Busy(kind.clone()).rate_limited(&limiter);
        let refused = producer.send_batch(batch(Target::Any, "a")).await;
        assert_eq!(refused.unwrap_err().error.kind(), &kind);
        let rate = if kind == busy { 500 } else { 1000 };
        assert_eq!(limiter.current_limit().events_rate(), Some(rate));
        assert_eq!(limiter.limit(), RateLimit::throughput_units(1));
    }
    // The second throttled one had to wait for a token: one attempt per call.
    assert_eq!(start.elapsed(), 2 * MS);
    let producer = Busy(busy).rate_limited(&limiter);
    assert_eq!(producer.limits(&Target::Any).events, 25);
}
