//! The handle: what a program holds of a buffered producer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::buffer::{Buffer, Refusal};
use super::delivery::Delivery;
use super::options::BufferedProducerOptions;
use super::permit::Permit;
use super::report::{CloseReport, FlushReport, Tally};
use super::sink::BufferedSink;
use super::{linger, wait, worker};
use crate::error::{Error, ErrorKind, SendError};
use crate::event::EventData;
use crate::partition::Target;
use crate::transport::TransportProducer;

/// A bounded buffer that turns single events into full batches.
///
/// A handle: clones share the buffer. See the [module](super) for how it works
/// and how to choose its bounds.
#[derive(Clone)]
pub struct BufferedProducer {
    inner: Arc<Inner>,
}

/// Ends the producer when the last handle goes.
struct Inner {
    buffer: Arc<Buffer>,
    tasks: Vec<AbortHandle>,
}

impl BufferedProducer {
    /// Opens a buffer over a transport and starts its workers on the current
    /// tokio runtime.
    ///
    /// The transport stays open when the producer closes: others may share it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidOptions`] if the bounds admit no event, or whatever
    /// keeps the transport from telling the hub's partitions.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn open(
        transport: Arc<dyn TransportProducer>,
        options: BufferedProducerOptions,
    ) -> Result<Self, Error> {
        options.validate()?;
        let hub = transport.hub_properties().await?;
        let count = u32::try_from(hub.partitions.len()).unwrap_or(u32::MAX);
        if count == 0 {
            return Err(Error::new(
                ErrorKind::Protocol,
                "the hub names no partitions",
            ));
        }
        let gate = transport.throttle_gate().unwrap_or_default();
        let buffer = Arc::new(Buffer::new(count, &options, gate));
        let mut tasks = Vec::with_capacity(hub.partitions.len() + 1);
        for id in (0..count).map(crate::PartitionId::new) {
            buffer.set_limits(id.number(), transport.limits(&Target::Partition(id)));
            let (buffer, transport) = (Arc::clone(&buffer), Arc::clone(&transport));
            let task = tokio::spawn(worker::run(buffer, id.number(), transport, options.retry()));
            tasks.push(task.abort_handle());
        }
        if let Some(linger) = options.linger().filter(|linger| !linger.is_zero()) {
            let task = tokio::spawn(linger::run(Arc::clone(&buffer), linger));
            tasks.push(task.abort_handle());
        }
        Ok(Self {
            inner: Arc::new(Inner { buffer, tasks }),
        })
    }

    /// Accepts an event, waiting for room if there is none.
    ///
    /// Accepting is not delivering: [`flush`](Self::flush) and
    /// [`close`](Self::close) tell what became of it, [`send`](Self::send) lets
    /// you await it. An event for a stuck partition waits for that partition.
    ///
    /// # Errors
    /// The event comes back with [`ErrorKind::TooLarge`],
    /// [`ErrorKind::InvalidPartition`] or [`ErrorKind::Closed`].
    ///
    /// # Cancel safety
    /// Dropped while it waits: the event was not accepted and is dropped with
    /// the future; use [`reserve`](Self::reserve) to keep it.
    pub async fn enqueue(&self, event: EventData) -> Result<(), SendError> {
        self.accept(event, false).await.map(drop)
    }

    /// Accepts an event and lets you await its outcome; else as
    /// [`enqueue`](Self::enqueue).
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue).
    ///
    /// # Cancel safety
    /// As [`enqueue`](Self::enqueue). Dropping the [`Delivery`] changes nothing.
    pub async fn send(&self, event: EventData) -> Result<Delivery, SendError> {
        let delivery = self.accept(event, true).await?;
        Ok(delivery.expect("a delivery was asked for"))
    }

    /// Accepts an event if there is room now.
    ///
    /// # Errors
    /// [`ErrorKind::BufferFull`] if there is no room now; else as
    /// [`enqueue`](Self::enqueue).
    #[allow(clippy::result_large_err)]
    pub fn try_enqueue(&self, event: EventData) -> Result<(), SendError> {
        self.try_accept(event, false).map(drop)
    }

    /// Accepts an event if there is room now and lets you await its outcome.
    ///
    /// # Errors
    /// As [`try_enqueue`](Self::try_enqueue).
    #[allow(clippy::result_large_err)]
    pub fn try_send(&self, event: EventData) -> Result<Delivery, SendError> {
        self.try_accept(event, true)
            .map(|delivery| delivery.expect("a delivery was asked for"))
    }

    /// Reserves room for one event of at most `encoded_size` bytes, as
    /// [`EventData::encoded_size`] tells it. Using the permit never waits.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue).
    ///
    /// # Cancel safety
    /// Dropped while it waits: gives up its place, nothing is taken.
    pub async fn reserve(&self, target: &Target, encoded_size: usize) -> Result<Permit, Error> {
        let room = wait::room(&self.inner.buffer, target, encoded_size).await?;
        Ok(Permit::new(room, target.clone()))
    }

    /// Sends what was accepted before the call, without waiting for the linger,
    /// and waits at most `within` for the outcomes.
    ///
    /// # Cancel safety
    /// Dropped while it waits: the events still go; a later flush reports them.
    pub async fn flush(&self, within: Duration) -> FlushReport {
        let buffer = &self.inner.buffer;
        let covered = buffer.cut();
        // What is not settled in time is reported as pending.
        let _ = tokio::time::timeout(within, settled(&covered)).await;
        buffer.report(&covered)
    }

    /// Refuses new events, sends what was accepted, and waits at most `within`
    /// for the outcomes. What is left then comes back in the report: events in
    /// flight as [`Unknown`](super::UndeliveredReason::Unknown), others as
    /// [`Returned`](super::UndeliveredReason::Returned).
    ///
    /// Idempotent; callers who wait for room get their event back.
    ///
    /// # Cancel safety
    /// Dropped while it waits: the producer is closed and still sends.
    pub async fn close(&self, within: Duration) -> CloseReport {
        let buffer = &self.inner.buffer;
        buffer.close();
        let covered = buffer.cut();
        if tokio::time::timeout(within, settled(&covered))
            .await
            .is_err()
        {
            self.inner.abort();
            // Workers are ended at their next step, which settles what they hold.
            settled(&covered).await;
        }
        buffer.close_report()
    }

    /// Ends at once: nothing more is sent; the outcomes resolve as
    /// [`close`](Self::close) says.
    pub fn abort(&self) {
        self.inner.abort();
    }

    /// A [`Sink`](futures::Sink) of events over this producer.
    pub fn into_sink(self) -> BufferedSink {
        BufferedSink::new(self)
    }

    async fn accept(&self, event: EventData, track: bool) -> Result<Option<Delivery>, SendError> {
        let event = match self.inner.buffer.try_accept(event, track) {
            Ok(delivery) => return Ok(delivery),
            Err(Refusal::Final(refused)) => return Err(refused),
            Err(Refusal::Full(event)) => event,
        };
        let size = event.encoded_size();
        match wait::room(&self.inner.buffer, event.target(), size).await {
            Ok(room) => room.fill(event, track),
            Err(error) => Err(SendError::new(event, error)),
        }
    }

    #[allow(clippy::result_large_err)]
    fn try_accept(&self, event: EventData, track: bool) -> Result<Option<Delivery>, SendError> {
        match self.inner.buffer.try_accept(event, track) {
            Ok(delivery) => Ok(delivery),
            Err(Refusal::Final(refused)) => Err(refused),
            Err(Refusal::Full(event)) => {
                let full = "no room now: wait with `enqueue`, shed load, or raise the bounds";
                Err(SendError::new(
                    event,
                    Error::new(ErrorKind::BufferFull, full),
                ))
            }
        }
    }

    pub(super) fn take_failure(&self) -> Option<Error> {
        self.inner.buffer.take_failure()
    }
}

async fn settled(tallies: &[Arc<Tally>]) {
    for tally in tallies {
        tally.settled().await;
    }
}

impl Inner {
    fn abort(&self) {
        self.buffer.close();
        self.buffer.return_buffered();
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.buffer.is_closed() {
            tracing::warn!("a buffered producer was dropped without close: nothing more is sent");
        }
        self.abort();
    }
}

impl fmt::Debug for BufferedProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferedProducer")
            .field("partitions", &self.inner.buffer.partitions())
            .field("closed", &self.inner.buffer.is_closed())
            .finish_non_exhaustive()
    }
}
