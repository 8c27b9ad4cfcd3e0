//! The handle: what a program holds of a buffered producer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;

use super::buffer::Buffer;
use super::delivery::Delivery;
use super::discovery::Discovery;
use super::metrics::BufferMetrics;
use super::options::BufferedProducerOptions;
use super::outcomes::Outcomes;
use super::permit::Permit;
use super::queued::Arrival;
use super::report::{CloseReport, FlushReport, Tally};
use super::sink::BufferedSink;
use super::snapshot::{self, BufferSnapshot};
use super::tasks::Tasks;
use super::worker::WorkerOptions;
use super::{accept, linger, wait};
use crate::error::{Error, ErrorKind, SendError};
use crate::event::EventData;
use crate::partition::{PartitionId, Target};
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
    tasks: Arc<Tasks>,
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
        let metrics = BufferMetrics::new(&hub.name, options.name());
        let buffer = Arc::new(Buffer::new(count, &options, gate, metrics));
        tracing::info!(
            hub = hub.name,
            partitions = count,
            "buffered producer opened"
        );
        let tasks = Arc::new(Tasks::new());
        let discovery = Discovery {
            buffer: Arc::clone(&buffer),
            transport,
            tasks: Arc::clone(&tasks),
            worker: WorkerOptions {
                retry: options.retry(),
                max_in_flight: options.max_in_flight_per_partition(),
            },
            growth: options.growth(),
            interval: options.discovery_interval(),
        };
        discovery.start_workers(0);
        tasks.spawn(discovery.run());
        tasks.spawn(snapshot::run(Arc::clone(&buffer)));
        if let Some(linger) = options.linger().filter(|linger| !linger.is_zero()) {
            tasks.spawn(linger::run(Arc::clone(&buffer), linger));
        }
        Ok(Self {
            inner: Arc::new(Inner { buffer, tasks }),
        })
    }

    /// Accepts an event, waiting for room if there is none, unless the
    /// [`OverflowPolicy`](super::OverflowPolicy) is another.
    ///
    /// Accepting is not delivering: [`flush`](Self::flush) and
    /// [`close`](Self::close) tell what became of it, [`send`](Self::send) lets
    /// you await it. An event for a stuck partition waits for that partition. A
    /// caller that never has to wait yields now and then, so that workers can run.
    ///
    /// # Errors
    /// The event comes back with [`ErrorKind::TooLarge`],
    /// [`ErrorKind::InvalidPartition`] or [`ErrorKind::Closed`], and under a
    /// policy other than to wait with [`ErrorKind::BufferFull`].
    ///
    /// # Cancel safety
    /// Dropped while it waits: the event was not accepted and is dropped with
    /// the future; use [`reserve`](Self::reserve) to keep it.
    pub async fn enqueue(&self, event: EventData) -> Result<(), SendError> {
        self.let_workers_run().await;
        let mut arrival = Arrival::new(event, false);
        if let Err(refusal) = self.inner.buffer.try_accept(&mut arrival) {
            let accepted = accept::later(&self.inner.buffer, &mut arrival, refusal, Duration::MAX);
            if let Err(error) = accepted.await {
                return Err(arrival.refused(error));
            }
        }
        // Nothing is left in it, and to find that out takes time.
        std::mem::forget(arrival);
        Ok(())
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
        self.let_workers_run().await;
        let mut arrival = Arrival::new(event, true);
        if let Err(refusal) = self.inner.buffer.try_accept(&mut arrival) {
            let accepted = accept::later(&self.inner.buffer, &mut arrival, refusal, Duration::MAX);
            if let Err(error) = accepted.await {
                return Err(arrival.refused(error));
            }
        }
        let delivery = arrival.take_delivery();
        // As above.
        std::mem::forget(arrival);
        Ok(delivery)
    }

    /// Accepts an event, waiting at most `within` for room.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] if there was no room in time; else as
    /// [`enqueue`](Self::enqueue). The event comes back.
    ///
    /// # Cancel safety
    /// As [`enqueue`](Self::enqueue).
    pub async fn enqueue_timeout(
        &self,
        event: EventData,
        within: Duration,
    ) -> Result<(), SendError> {
        self.let_workers_run().await;
        let mut arrival = Arrival::new(event, false);
        if let Err(refusal) = self.inner.buffer.try_accept(&mut arrival) {
            let accepted = accept::later(&self.inner.buffer, &mut arrival, refusal, within);
            if let Err(error) = accepted.await {
                return Err(arrival.refused(error));
            }
        }
        Ok(())
    }

    /// Accepts an event, waiting at most `within` for room, and lets you await
    /// its outcome.
    ///
    /// # Errors
    /// As [`enqueue_timeout`](Self::enqueue_timeout).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_timeout(
        &self,
        event: EventData,
        within: Duration,
    ) -> Result<Delivery, SendError> {
        self.let_workers_run().await;
        let mut arrival = Arrival::new(event, true);
        if let Err(refusal) = self.inner.buffer.try_accept(&mut arrival) {
            let accepted = accept::later(&self.inner.buffer, &mut arrival, refusal, within);
            if let Err(error) = accepted.await {
                return Err(arrival.refused(error));
            }
        }
        Ok(arrival.take_delivery())
    }

    /// Accepts an event if there is room now, or if
    /// [`DropOldest`](super::OverflowPolicy::DropOldest) makes some.
    ///
    /// # Errors
    /// [`ErrorKind::BufferFull`] if there is no room now; else as
    /// [`enqueue`](Self::enqueue).
    pub fn try_enqueue(&self, event: EventData) -> Result<(), SendError> {
        let mut arrival = Arrival::new(event, false);
        if let Err(refusal) = self.inner.buffer.try_accept(&mut arrival)
            && let Err(error) = accept::by_policy(&self.inner.buffer, &mut arrival, refusal)
        {
            return Err(arrival.refused(error));
        }
        Ok(())
    }

    /// Accepts an event if there is room now and lets you await its outcome.
    ///
    /// # Errors
    /// As [`try_enqueue`](Self::try_enqueue).
    pub fn try_send(&self, event: EventData) -> Result<Delivery, SendError> {
        let mut arrival = Arrival::new(event, true);
        if let Err(refusal) = self.inner.buffer.try_accept(&mut arrival)
            && let Err(error) = accept::by_policy(&self.inner.buffer, &mut arrival, refusal)
        {
            return Err(arrival.refused(error));
        }
        Ok(arrival.take_delivery())
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
        // Nothing is left to do for those that go on without events.
        self.inner.tasks.abort();
        if let Some(outcomes) = &buffer.outcomes {
            outcomes.end();
        }
        buffer.sample();
        tracing::info!(hub = &*buffer.metrics.hub, "buffered producer closed");
        buffer.account.close_report()
    }

    /// Ends at once: nothing more is sent; the outcomes resolve as
    /// [`close`](Self::close) says.
    pub fn abort(&self) {
        self.inner.abort();
    }

    /// The stream of what becomes of events, for whoever asks first; `None` for
    /// others, and without
    /// [`with_outcome_stream`](BufferedProducerOptions::with_outcome_stream).
    #[must_use]
    pub fn outcomes(&self) -> Option<Outcomes> {
        self.inner.buffer.outcomes.as_ref()?.stream()
    }

    /// What it holds now, and what it has done since it was opened.
    ///
    /// Takes one short lock per partition: call it now and then.
    #[must_use]
    pub fn snapshot(&self) -> BufferSnapshot {
        self.inner.buffer.snapshot()
    }

    /// The partitions that are halted, see
    /// [`OnFailure::HaltPartition`](super::OnFailure::HaltPartition).
    #[must_use]
    pub fn halted(&self) -> Vec<PartitionId> {
        let buffer = &self.inner.buffer;
        let halted = (0..buffer.count()).filter(|number| buffer.partition(*number).is_halted());
        halted.map(PartitionId::new).collect()
    }

    /// Lets a halted partition go on; says whether it was halted.
    pub fn resume(&self, partition: PartitionId) -> bool {
        let buffer = &self.inner.buffer;
        partition.number() < buffer.count() && buffer.resume(partition.number())
    }

    /// A [`Sink`](futures::Sink) of events over this producer.
    pub fn into_sink(self) -> BufferedSink {
        BufferedSink::new(self)
    }

    #[inline]
    async fn let_workers_run(&self) {
        if self.workers_wait() {
            yield_now().await;
        }
    }

    /// Whether to yield before the next event.
    #[inline]
    pub(super) fn workers_wait(&self) -> bool {
        self.inner.buffer.workers_wait()
    }

    pub(super) fn take_failure(&self) -> Option<Error> {
        self.inner.buffer.account.take_failure()
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
        self.tasks.abort();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.buffer.account.is_closed() {
            tracing::warn!("a buffered producer was dropped without close: nothing more is sent");
        }
        self.abort();
    }
}

impl fmt::Debug for BufferedProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferedProducer")
            .field("partitions", &self.inner.buffer.count())
            .field("closed", &self.inner.buffer.account.is_closed())
            .finish_non_exhaustive()
    }
}
