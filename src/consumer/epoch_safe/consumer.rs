//! The consumer: a stream over the inbox that its pumps fill.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::inbox::Inbox;
use super::options::EpochSafeConsumerOptions;
use super::pump::Pump;
use crate::error::{Error, ErrorKind};
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;
use crate::transport::{ReceiverOptions, TransportConsumer};

/// A stream of events that owns its partitions and knows when it lost one.
///
/// At least once, in order per partition; the partitions take turns. A lost
/// partition is one error item, after which the stream goes on with the others.
/// See the [module](super). Dropping it closes its receivers; a stopped reader
/// stops the wire.
///
/// # Cancel safety
/// Dropping a future of `next()` loses no event.
#[must_use = "streams do nothing unless polled"]
pub struct EpochSafeConsumer {
    inbox: Arc<Inbox>,
    partitions: Vec<PartitionId>,
    pumps: JoinSet<()>,
    closing: watch::Sender<bool>,
}

impl EpochSafeConsumer {
    /// Opens a receiver for each partition, on the current tokio runtime.
    ///
    /// Attaching goes on in the background: where a partition is refused, the
    /// stream says so, and the others are read.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPartition`] if a named partition does not exist, or
    /// whatever keeps the transport from telling the hub's partitions.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    /// Dropping the future opens nothing.
    pub async fn open(
        transport: Arc<dyn TransportConsumer>,
        options: EpochSafeConsumerOptions,
    ) -> Result<Self, Error> {
        let existing = transport.hub_properties().await?.partitions;
        let partitions = choose(&existing, options.partitions.as_deref())?;
        let inbox = Arc::new(Inbox::new(
            partitions.len(),
            options.prefetch_events.get(),
            options.prefetch_bytes.get(),
        ));
        let closing = watch::Sender::new(false);
        let mut pumps = JoinSet::new();
        for (index, partition) in partitions.iter().enumerate() {
            let pump = Pump {
                transport: Arc::clone(&transport),
                inbox: Arc::clone(&inbox),
                index,
                options: ReceiverOptions {
                    consumer_group: options.consumer_group.clone(),
                    partition: *partition,
                    position: options.position.clone(),
                    owner_level: options.policy.owner_level(),
                    name: options.name.clone(),
                },
                policy: options.policy,
                closing: closing.subscribe(),
            };
            pumps.spawn(pump.run());
        }
        Ok(Self {
            inbox,
            partitions,
            pumps,
            closing,
        })
    }

    /// The partitions that the consumer was opened on.
    #[must_use]
    pub fn partitions(&self) -> &[PartitionId] {
        &self.partitions
    }

    /// Whether generations order owners across processes: not without a shared
    /// store, and there is none yet.
    #[must_use]
    pub fn is_fencing(&self) -> bool {
        false
    }

    /// Closes the receivers and waits until the service has let go of them.
    /// Events that were not yielded are discarded.
    ///
    /// # Cancel safety
    /// Dropping the future closes without waiting for the service.
    pub async fn close(mut self) {
        self.closing.send_replace(true);
        while self.pumps.join_next().await.is_some() {}
    }
}

/// The partitions to read, each once.
fn choose(
    existing: &[PartitionId],
    wanted: Option<&[PartitionId]>,
) -> Result<Vec<PartitionId>, Error> {
    let Some(wanted) = wanted else {
        return Ok(existing.to_vec());
    };
    if wanted.is_empty() {
        let message = "no partition was named: name some, or leave the option out to read all";
        return Err(Error::invalid_options(message));
    }
    let mut chosen = wanted.to_vec();
    chosen.sort_unstable();
    chosen.dedup();
    match chosen.iter().find(|id| !existing.contains(id)) {
        None => Ok(chosen),
        Some(missing) => Err(Error::new(
            ErrorKind::InvalidPartition,
            format!(
                "partition {missing} does not exist: the hub has {}",
                existing.len()
            ),
        )),
    }
}

impl Stream for EpochSafeConsumer {
    type Item = Result<ReceivedEvent, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inbox.poll_next(cx)
    }
}

impl fmt::Debug for EpochSafeConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpochSafeConsumer")
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}
