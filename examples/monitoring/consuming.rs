//! The consumer: it owns the partitions, and a handler runs at each event.

use std::convert::Infallible;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eventhubs_flow::EventHub;
use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::consumer::checkpoint::MemoryStore;
use eventhubs_flow::consumer::epoch_safe::{
    ConsumerHandle, ConsumerSnapshot, EpochPolicy, EpochSafeConsumerOptions,
};
use futures::StreamExt;
use tokio::task::JoinHandle;

use crate::common::Failure;

/// How many events are handled at once, and how long each takes at first.
const HANDLERS: NonZeroUsize = NonZeroUsize::new(16).expect("not zero");
const USUAL: u64 = 2;
/// The longest that can be asked for.
pub(crate) const MOST: u64 = 2000;

const CHECKPOINT_EVENTS: NonZeroU32 = NonZeroU32::new(500).expect("not zero");
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);

/// The hub is asked for its newest events twice in this time: so fresh is the lag.
const LIVENESS: Duration = Duration::from_secs(6);

/// A consumer that reads for as long as it is let.
pub(crate) struct Consuming {
    pub(crate) handle: ConsumerHandle,
    handlers: Arc<Handlers>,
    task: JoinHandle<u64>,
}

/// What can be seen and set of it from elsewhere.
pub(crate) struct Seen {
    handle: ConsumerHandle,
    handlers: Arc<Handlers>,
}

struct Handlers {
    milliseconds: AtomicU64,
    handled: AtomicU64,
}

impl Consuming {
    pub(crate) async fn start(hub: &EventHub) -> Result<Self, Failure> {
        let options = EpochSafeConsumerOptions::default()
            .with_name("monitoring")
            // Takes back what a rival took, at a higher owner level.
            .with_policy(EpochPolicy::Escalate { from: 0, max: 1000 })
            .with_store(MemoryStore::new())
            .with_liveness_timeout(LIVENESS);
        let events = hub.epoch_safe_consumer(options).await?;
        let events = events.checkpoint_every(CHECKPOINT_EVENTS, CHECKPOINT_INTERVAL);
        let handle = events.handle();
        let handlers = Arc::new(Handlers {
            milliseconds: AtomicU64::new(USUAL),
            handled: AtomicU64::new(0),
        });
        let task = tokio::spawn(read(events, Arc::clone(&handlers)));
        Ok(Self {
            handle,
            handlers,
            task,
        })
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen {
            handle: self.handle.clone(),
            handlers: Arc::clone(&self.handlers),
        }
    }

    /// Lets the handlers end, writes the checkpoints and gives the partitions up; how
    /// many events were handled in all.
    pub(crate) async fn stop(self) -> Result<u64, Failure> {
        self.handle.stop();
        Ok(self.task.await?)
    }
}

impl Seen {
    pub(crate) fn set_milliseconds(&self, milliseconds: u64) {
        let set = &self.handlers.milliseconds;
        set.store(milliseconds, Ordering::Relaxed);
    }

    pub(crate) fn milliseconds(&self) -> u64 {
        self.handlers.milliseconds.load(Ordering::Relaxed)
    }

    pub(crate) fn handled(&self) -> u64 {
        self.handlers.handled.load(Ordering::Relaxed)
    }

    pub(crate) fn snapshot(&self) -> ConsumerSnapshot {
        self.handle.snapshot()
    }
}

/// Runs a handler at each event until the stream ends.
async fn read(events: impl EventStream, handlers: Arc<Handlers>) -> u64 {
    let setting = Arc::clone(&handlers);
    let mut outcomes = events.process_concurrently(HANDLERS, move |_event| {
        let pace = Duration::from_millis(setting.milliseconds.load(Ordering::Relaxed));
        async move {
            tokio::time::sleep(pace).await;
            Ok::<_, Infallible>(())
        }
    });
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Ok(_event) => {
                handlers.handled.fetch_add(1, Ordering::Relaxed);
            }
            // A partition was lost, and what of it was being handled is another's.
            Err(error) => eprintln!("{error}"),
        }
    }
    if let Some(error) = outcomes.close().await.close_error {
        eprintln!("Error: {error}");
    }
    handlers.handled.load(Ordering::Relaxed)
}
