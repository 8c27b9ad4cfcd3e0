//! The load: so many events a second, and how long each takes to be acknowledged.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eventhubs_flow::producer::buffered::{
    BufferSnapshot, BufferedProducer, BufferedProducerOptions, Delivery,
};
use eventhubs_flow::producer::rate_limited::{Adaptive, RateLimit, RateLimiter};
use eventhubs_flow::{Error, EventData, SendError};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// What is offered at first: less than a third of a throughput unit.
const USUAL: u64 = 300;
/// The most that can be asked for.
pub(crate) const MOST: u64 = 5000;

const TICK: Duration = Duration::from_millis(20);
static BODY: [u8; 200] = [b'x'; 200];

/// Small bounds, to be reached while somebody watches.
const MAX_EVENTS: NonZeroUsize = NonZeroUsize::new(4000).expect("not zero");
const MAX_BYTES: NonZeroUsize = NonZeroUsize::new(2 << 20).expect("not zero");

/// For how long a latency counts.
const OF_LATE: Duration = Duration::from_secs(10);

/// What is offered, and what came of it.
pub(crate) struct Load {
    producer: BufferedProducer,
    events_per_second: AtomicU64,
    /// When events were acknowledged, and how long that took.
    latencies: Mutex<VecDeque<(Instant, Duration)>>,
}

/// How long events took from being offered to the hub's word.
pub(crate) struct Latencies {
    pub(crate) median: Duration,
    /// 99 of 100 took no longer.
    pub(crate) p99: Duration,
}

/// The limit is for two units and the hub has one, so that there is a throttling to be
/// seen. An adaptive limiter gives way to it, and tries again.
pub(crate) fn limiter() -> Result<RateLimiter, Error> {
    let adaptive = Adaptive::default().with_recovery(Duration::from_secs(30));
    RateLimiter::adaptive(RateLimit::throughput_units(2), adaptive)
}

pub(crate) fn options() -> BufferedProducerOptions {
    BufferedProducerOptions::default()
        .with_max_events(MAX_EVENTS)
        .with_max_bytes(MAX_BYTES)
}

/// Offers events for as long as it is let. While the buffer is full it waits, as
/// whoever makes events should, and makes up for nothing afterwards.
///
/// # Errors
///
/// Once the producer is closed.
pub(crate) async fn offer(load: Arc<Load>) -> Result<Infallible, SendError> {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    let mut owed = 0.0;
    loop {
        let now = ticks.tick().await;
        let passed = now.duration_since(last).min(2 * TICK);
        last = now;
        owed += load.events_per_second() as f64 * passed.as_secs_f64();
        if owed < 1.0 {
            continue;
        }
        // The first one is measured.
        owed -= 1.0;
        let offered = Instant::now();
        let delivery = load.producer.send(event()).await?;
        tokio::spawn(Arc::clone(&load).measure(offered, delivery));
        while owed >= 1.0 {
            owed -= 1.0;
            load.producer.enqueue(event()).await?;
        }
    }
}

fn event() -> EventData {
    EventData::new(&BODY[..])
}

impl Load {
    pub(crate) fn new(producer: BufferedProducer) -> Self {
        Self {
            producer,
            events_per_second: AtomicU64::new(USUAL),
            latencies: Mutex::default(),
        }
    }

    pub(crate) fn events_per_second(&self) -> u64 {
        self.events_per_second.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, events_per_second: u64) {
        let offered = &self.events_per_second;
        offered.store(events_per_second, Ordering::Relaxed);
    }

    pub(crate) fn buffer(&self) -> BufferSnapshot {
        self.producer.snapshot()
    }

    /// Those of the last ten seconds; `None` if nothing was acknowledged in them.
    pub(crate) fn latencies(&self) -> Option<Latencies> {
        let mut sorted: Vec<_> = self.recent().iter().map(|(_, took)| *took).collect();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        Some(Latencies {
            median: sorted[last / 2],
            p99: sorted[last * 99 / 100],
        })
    }

    /// Waits for the hub's word.
    async fn measure(self: Arc<Self>, offered: Instant, delivery: Delivery) {
        if delivery.await.is_ok() {
            let now = Instant::now();
            self.recent().push_back((now, now - offered));
        }
    }

    /// The latencies that still count.
    fn recent(&self) -> MutexGuard<'_, VecDeque<(Instant, Duration)>> {
        let latencies = self.latencies.lock();
        let mut latencies = latencies.unwrap_or_else(PoisonError::into_inner);
        while latencies
            .front()
            .is_some_and(|(at, _)| at.elapsed() > OF_LATE)
        {
            latencies.pop_front();
        }
        latencies
    }
}
