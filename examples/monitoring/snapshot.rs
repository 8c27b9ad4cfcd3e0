//! What the page is told: the library's snapshots, as JSON.

use std::time::Duration;

use eventhubs_flow::consumer::epoch_safe::PartitionSnapshot;
use eventhubs_flow::producer::ThrottleGate;
use eventhubs_flow::producer::buffered::BufferSnapshot;
use eventhubs_flow::producer::rate_limited::RateLimiter;
use serde::Serialize;

use crate::consuming::Seen;
use crate::load::Load;

/// All of it, at one moment. Counts are since the program began; durations are in
/// seconds.
#[derive(Serialize)]
pub(crate) struct Snapshot {
    hub: String,
    load: Offered,
    buffer: Buffer,
    limiter: Limiter,
    gate: Gate,
    consumer: Consumer,
}

#[derive(Serialize)]
struct Offered {
    events_per_second: u64,
    latency_median: Option<f64>,
    latency_p99: Option<f64>,
}

#[derive(Serialize)]
struct Buffer {
    events: usize,
    max_events: usize,
    bytes: usize,
    max_bytes: usize,
    oldest_age: f64,
    waiting: usize,
    attempts: u64,
    retries: u64,
    throttled: u64,
    delivered: u64,
    /// Events that ended in any other way.
    lost: u64,
}

#[derive(Serialize)]
struct Limiter {
    events_per_second: Option<u64>,
    waiting: usize,
}

#[derive(Serialize)]
struct Gate {
    paused_for: Option<f64>,
    pauses: u64,
}

#[derive(Serialize)]
struct Consumer {
    handled: u64,
    handler_milliseconds: u64,
    partitions: Vec<Partition>,
}

#[derive(Serialize)]
struct Partition {
    id: u32,
    state: String,
    owner: Option<String>,
    owner_level: Option<i64>,
    generation: Option<u64>,
    lag_events: Option<u64>,
    lag: Option<f64>,
    unacknowledged: u64,
    checkpoint_age: Option<f64>,
    thefts: u64,
}

impl Snapshot {
    pub(crate) fn of(
        hub: &str,
        load: &Load,
        limiter: &RateLimiter,
        gate: &ThrottleGate,
        consuming: &Seen,
    ) -> Self {
        let (latencies, gate) = (load.latencies(), gate.snapshot());
        let paused = gate.partitions_paused_for.iter().map(|(_, wait)| *wait);
        let longest = paused.chain(gate.all_paused_for).max();
        Self {
            hub: hub.to_owned(),
            load: Offered {
                events_per_second: load.events_per_second(),
                latency_median: seconds(latencies.as_ref().map(|it| it.median)),
                latency_p99: seconds(latencies.as_ref().map(|it| it.p99)),
            },
            buffer: Buffer::of(&load.buffer()),
            limiter: Limiter {
                events_per_second: limiter.current_limit().events_rate(),
                waiting: limiter.snapshot().waiting,
            },
            gate: Gate {
                paused_for: seconds(longest),
                pauses: gate.pauses,
            },
            consumer: Consumer {
                handled: consuming.handled(),
                handler_milliseconds: consuming.milliseconds(),
                partitions: consuming
                    .snapshot()
                    .partitions
                    .iter()
                    .map(Partition::of)
                    .collect(),
            },
        }
    }
}

impl Buffer {
    fn of(now: &BufferSnapshot) -> Self {
        let ended = &now.outcomes;
        Self {
            events: now.events,
            max_events: now.max_events,
            bytes: now.bytes,
            max_bytes: now.max_bytes,
            oldest_age: now.oldest_age.unwrap_or_default().as_secs_f64(),
            waiting: now.waiting,
            attempts: now.attempts,
            retries: now.retries,
            throttled: now.throttled,
            delivered: ended.delivered,
            lost: ended.rejected
                + ended.failed
                + ended.expired
                + ended.unknown
                + ended.dropped
                + ended.returned,
        }
    }
}

impl Partition {
    fn of(now: &PartitionSnapshot) -> Self {
        Self {
            id: now.partition.number(),
            state: format!("{:?}", now.state),
            owner: now.owner.clone(),
            owner_level: now.owner_level,
            generation: now.generation,
            lag_events: now.lag_events,
            lag: seconds(now.lag),
            unacknowledged: now.unacknowledged,
            checkpoint_age: seconds(now.checkpoint_age),
            thefts: now.thefts,
        }
    }
}

fn seconds(duration: Option<Duration>) -> Option<f64> {
    duration.map(|duration| duration.as_secs_f64())
}
