//! `Adaptive` against a model of the service for an hour of the paused clock.
//!
//! The model is a token bucket of one throughput unit, 1000 events/s saved up for
//! a second, of which another writer takes 600 events/s in one minute and 200 in
//! the next. Eight tasks send what they can, as the partitions of a buffered
//! producer do: one batch at a time each, and after a refusal the wait that the
//! service asked for.

#[path = "support/recorder.rs"]
mod recorder;

use std::sync::{Arc, Mutex};
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
use recorder::{Recorder, batch_of};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

const UNIT: u64 = 1000;
/// What the other writer leaves of the unit, minute by minute.
const LEFT: [u64; 2] = [400, 800];
const PHASE: Duration = Duration::from_secs(60);
/// Of each phase, what the limiter has to find its rate.
const SETTLING: Duration = Duration::from_secs(20);
const PHASES: u32 = 60;
const RETRY_AFTER: Duration = Duration::from_secs(4);
const ROUND_TRIP: Duration = Duration::from_millis(10);
const TASKS: usize = 8;

/// What was counted in a phase after it had settled.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    events: u64,
    batches: u64,
    throttled: u64,
}

#[derive(Debug, Clone)]
struct Service {
    start: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// In billionths of an event.
    left: u128,
    at: Instant,
    counts: Vec<Counts>,
}

impl Service {
    fn begin() -> Self {
        let start = Instant::now();
        let state = State {
            left: u128::from(UNIT) * 1_000_000_000,
            at: start,
            counts: vec![Counts::default(); PHASES as usize],
        };
        let state = Arc::new(Mutex::new(state));
        Self { start, state }
    }

    fn phase(&self, at: Instant) -> u32 {
        ((at - self.start).as_nanos() / PHASE.as_nanos()) as u32
    }

    /// Takes a batch in, or refuses it and counts nothing.
    fn admit(&self, events: u64) -> bool {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap();
        while state.at < now {
            let phase = self.phase(state.at);
            let until = now.min(self.start + PHASE * (phase + 1));
            let refill = LEFT[phase as usize % 2];
            let gained = (until - state.at).as_nanos() * u128::from(refill);
            state.left = (state.left + gained).min(u128::from(UNIT) * 1_000_000_000);
            state.at = until;
        }
        let cost = u128::from(events) * 1_000_000_000;
        let admitted = cost <= state.left;
        if admitted {
            state.left -= cost;
        }
        let phase = self.phase(now);
        let settled = now >= self.start + PHASE * phase + SETTLING;
        if let Some(counts) = state.counts.get_mut(phase as usize).filter(|_| settled) {
            counts.batches += 1;
            counts.throttled += u64::from(!admitted);
            counts.events += if admitted { events } else { 0 };
        }
        admitted
    }

    fn counts(&self) -> Vec<Counts> {
        self.state.lock().unwrap().counts.clone()
    }
}

#[async_trait]
impl TransportManagement for Service {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        Recorder::accepting().hub_properties().await
    }

    async fn partition_properties(&self, id: PartitionId) -> Result<PartitionProperties, Error> {
        Recorder::accepting().partition_properties(id).await
    }
}

#[async_trait]
impl TransportProducer for Service {
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
        let admitted = self.admit(batch.len() as u64);
        sleep(ROUND_TRIP).await;
        if admitted {
            return Ok(());
        }
        let retry_after = RETRY_AFTER;
        let error = Error::new(ErrorKind::Throttled { retry_after }, "server-busy");
        Err(SendBatchError::new(batch, error))
    }

    fn limits(&self, _target: &Target) -> BatchLimits {
        BatchLimits::STANDARD
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Sends for the hour, in batches as large as the producer asks for, of 50 events
/// at most.
async fn send_for_an_hour(producer: impl TransportProducer) {
    let producer = Arc::new(producer);
    let batches: Vec<_> = (0..=50).map(|events| batch_of(events, 100)).collect();
    let batches: Arc<[EventBatch]> = batches.into();
    let end = Instant::now() + PHASE * PHASES;
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (producer, batches) = (Arc::clone(&producer), Arc::clone(&batches));
        tasks.spawn(timeout_at(end, async move {
            loop {
                let events = producer.limits(&Target::Any).events.min(50);
                let mut batch = batches[events].clone();
                while let Err(refused) = producer.send_batch(batch).await {
                    sleep(refused.error.retry_after().expect("throttled")).await;
                    batch = refused.batch;
                }
            }
        }));
    }
    while let Some(task) = tasks.join_next().await {
        let Err(_at_the_end) = task.unwrap();
    }
}

fn throttled_share(counts: &[Counts]) -> f64 {
    let batches: u64 = counts.iter().map(|it| it.batches).sum();
    let throttled: u64 = counts.iter().map(|it| it.throttled).sum();
    throttled as f64 / batches as f64
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_limiter_follows_what_another_writer_leaves_for_an_hour() {
    let service = Service::begin();
    let unit = RateLimit::throughput_units(1);
    let limiter = RateLimiter::adaptive(unit, Adaptive::default()).unwrap();
    send_for_an_hour(service.clone().rate_limited(&limiter)).await;

    let counts = service.counts();
    let mut least = f64::INFINITY;
    for (phase, counts) in counts.iter().enumerate() {
        let due = LEFT[phase % 2] * (PHASE - SETTLING).as_secs();
        let share = counts.events as f64 / due as f64;
        assert!(share >= 0.8, "minute {phase}: {counts:?} of {due}");
        least = least.min(share);
    }
    println!("at least {:.0}% of what was left", least * 100.0);
    let share = throttled_share(&counts);
    println!("{:.2}% of the batches were throttled", share * 100.0);
    assert!(share <= 0.02, "{share} of the batches were throttled");
}

#[tokio::test(start_paused = true)]
async fn without_a_limiter_the_same_load_is_throttled_hard() {
    let service = Service::begin();
    send_for_an_hour(service.clone()).await;
    let share = throttled_share(&service.counts());
    println!("{:.2}% of the batches were throttled", share * 100.0);
    assert!(share >= 0.2, "{share} of the batches were throttled");
}
