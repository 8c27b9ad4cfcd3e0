//! What goes on all the while: a producer, a consumer, and a look at both.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use eventhubs_flow::consumer::epoch_safe::{
    ConsumerHandle, EpochSafeConsumer, EpochSafeConsumerOptions,
};
use eventhubs_flow::prelude::*;
use eventhubs_flow::producer::buffered::{
    BufferedProducer, BufferedProducerOptions, PartitionGrowth,
};
use eventhubs_flow::producer::rate_limited::RateLimiter;
use eventhubs_flow::transport::StartPosition;
use eventhubs_flow::{EventData, EventHub, PartitionId, PartitionKey, Value};
use futures::StreamExt;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, timeout};

use crate::common::{Failure, progress};
use crate::seen::Seen;

pub(crate) const DEVICES: usize = 48;

/// How long a throughput is measured.
const MEASURED: Duration = Duration::from_secs(5);
/// How often the hub is asked for its partitions.
const DISCOVERY: Duration = Duration::from_secs(1);
/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the events of this run have in common.
const RUN: &str = "run";

/// All that sends and reads, for as long as it is let.
pub(crate) struct Load {
    pub(crate) hub: EventHub,
    pub(crate) limiter: RateLimiter,
    producer: BufferedProducer,
    consumer: ConsumerHandle,
    seen: Arc<Mutex<Seen>>,
    feeding: JoinHandle<()>,
    reading: JoinHandle<()>,
}

/// The load at a moment.
pub(crate) struct Look {
    pub(crate) stored: u64,
    throttled: u64,
    /// Partitions whose events wait since the service is busy.
    pub(crate) paused: usize,
    /// Partitions that the producer knows, and the consumer.
    pub(crate) producing: usize,
    pub(crate) consuming: usize,
    /// What was read of each partition.
    pub(crate) spread: BTreeMap<PartitionId, u64>,
    /// The same, each event once and without gaps.
    complete: u64,
    /// Devices whose events are in several partitions.
    pub(crate) moved: usize,
}

impl Load {
    pub(crate) async fn start(hub: &EventHub, limiter: RateLimiter) -> Result<Self, Failure> {
        // Clocks differ; what is older than this run is left out by its mark.
        let start = SystemTime::now() - Duration::from_secs(60);
        let mark = Value::from(format!("{:?}", SystemTime::now()));
        let options = EpochSafeConsumerOptions::default()
            .with_position(StartPosition::EnqueuedAfter(start.into()))
            .with_discovery_interval(DISCOVERY);
        let events = hub.epoch_safe_consumer(options).await?;
        let consumer = events.handle();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let reading = tokio::spawn(read(events, mark.clone(), Arc::clone(&seen)));

        // A partition takes 1000 events/s, whatever the units: what waits for one after a
        // pause has to be less.
        let options = BufferedProducerOptions::default()
            .with_partition_growth(PartitionGrowth::Rehash)
            .with_discovery_interval(DISCOVERY)
            .with_max_events_per_partition(NonZeroUsize::new(300).expect("not zero"))
            .with_max_events(NonZeroUsize::new(2000).expect("not zero"));
        let limited = hub.producer().rate_limited(&limiter);
        let producer = limited.buffered(options).await?;
        let keys: Result<Vec<_>, _> = (0..DEVICES)
            .map(|device| PartitionKey::new(format!("device{device}")))
            .collect();
        let feeding = tokio::spawn(feed(producer.clone(), keys?, mark));
        Ok(Self {
            hub: hub.clone(),
            limiter,
            producer,
            consumer,
            seen,
            feeding,
            reading,
        })
    }

    pub(crate) fn look(&self) -> Look {
        let sent = self.producer.snapshot();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Look {
            stored: sent.outcomes.delivered,
            throttled: sent.throttled,
            paused: sent.paused_partitions,
            producing: sent.partitions.len(),
            consuming: self.consumer.partitions().len(),
            spread: seen.partitions.clone(),
            complete: seen.complete(),
            moved: seen.moved(),
        }
    }

    /// Waits for something, until the load is as it should be.
    pub(crate) async fn wait_for(
        &self,
        what: &'static str,
        holds: impl Fn(&Look) -> bool + Send + Sync,
    ) -> Result<(), Failure> {
        let bar = progress::waiting(what);
        let mut look = interval(Duration::from_millis(20));
        let looking = async {
            while !holds(&self.look()) {
                look.tick().await;
                bar.tick();
            }
        };
        let looked = timeout(PATIENCE, looking).await;
        bar.finish_and_clear();
        Ok(looked.map_err(|_| format!("waited for {what} for {PATIENCE:?}"))?)
    }

    /// Measures for a while, prints it, and returns the events stored per second.
    pub(crate) async fn measure(&self) -> f64 {
        let (before, start) = (self.look(), Instant::now());
        let so_far = || self.look().since(&before, start.elapsed());
        progress::pass(MEASURED, so_far).await;
        let (after, time) = (self.look(), start.elapsed());
        println!("  {}", after.since(&before, time));
        let spread = after.spread.iter().map(|(partition, events)| {
            let events = events - before.spread.get(partition).unwrap_or(&0);
            format!("{partition}: {:.0}", per_second(events, time))
        });
        println!(
            "  read per second, by partition: {}",
            spread.collect::<Vec<_>>().join(", ")
        );
        per_second(after.stored - before.stored, time)
    }

    /// Sends what is accepted, reads it to the last event, and tells the balance.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.feeding.abort();
        let report = self.producer.close(PATIENCE).await;
        let read = |now: &Look| now.complete >= report.delivered;
        let caught_up = self.wait_for("the consumer", read).await;
        self.consumer.stop();
        self.reading.await?;
        caught_up?;

        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (complete, late) = (seen.complete(), seen.late());
        println!(
            "\n{} events accepted, {} delivered, {complete} read; {late} of them after a later one of their device.",
            report.accepted, report.delivered
        );
        if report.accepted != complete {
            return Err("not all events that were accepted were read".into());
        }
        Ok(())
    }
}

impl Look {
    /// What happened since an earlier look, so long ago.
    pub(crate) fn since(&self, before: &Self, time: Duration) -> String {
        let read = |look: &Self| look.spread.values().sum::<u64>();
        format!(
            "stored {:.0} events/s, read {:.0} events/s, {} batches throttled",
            per_second(self.stored - before.stored, time),
            per_second(read(self) - read(before), time),
            self.throttled - before.throttled
        )
    }
}

fn per_second(events: u64, time: Duration) -> f64 {
    events as f64 / time.as_secs_f64()
}

/// Adds events of all devices in turns, as fast as there is room for them.
async fn feed(producer: BufferedProducer, keys: Vec<PartitionKey>, mark: Value) {
    for number in 0_u64.. {
        for (device, key) in keys.iter().enumerate() {
            let event = EventData::new(format!("{device} {number}"))
                .with_target(key.clone())
                .with_property(RUN, mark.clone());
            if let Err(refused) = producer.enqueue(event).await {
                eprintln!("Error: {refused}");
                return;
            }
        }
    }
}

/// Reads all partitions, and those that come.
async fn read(mut events: EpochSafeConsumer, mark: Value, seen: Arc<Mutex<Seen>>) {
    while let Some(item) = events.next().await {
        match item {
            Ok(event) if event.properties().get(RUN) == Some(&mark) => {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.note(&event);
            }
            Ok(_) => {}
            Err(error) => eprintln!("Error: {error}"),
        }
    }
    // It lets go of its partitions; whatever is said to that, it is over.
    let _ = events.close().await;
}
