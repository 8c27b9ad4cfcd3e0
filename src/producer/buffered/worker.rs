//! The worker of one partition: takes a batch, sends it, settles its events.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;

use super::buffer::Buffer;
use super::delivery::UndeliveredReason;
use super::queue::Batch;
use crate::batch::EventBatch;
use crate::error::{Error, ErrorKind};
use crate::partition::{PartitionId, Target};
use crate::sync::lock;
use crate::transport::TransportProducer;

/// Sends what a partition's queue holds, until the producer is closed and the
/// queue empty. One batch is in flight at a time.
pub(super) async fn run(
    buffer: Arc<Buffer>,
    partition: u32,
    transport: Arc<dyn TransportProducer>,
) {
    let target = Target::Partition(PartitionId::new(partition));
    while due(&buffer, partition).await {
        // Taken before the batch, which goes on filling while this waits.
        let Ok(_slot) = buffer.in_flight.acquire().await else {
            return;
        };
        let Some(batch) = buffer.take(partition) else {
            continue;
        };
        let limits = transport.limits(&target);
        let attempt = Attempt::new(&buffer, partition, batch, limits);
        let sent = transport.send_batch(attempt.batch.clone());
        // The transport may be the user's: a panic in it harms this batch alone.
        let result = AssertUnwindSafe(sent).catch_unwind().await;
        attempt.finish(match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(refused)) => Err(refused.error),
            Err(_) => {
                Err(Error::new(ErrorKind::Panicked, "the transport panicked").with_unknown_fate())
            }
        });
        buffer.set_limits(partition, transport.limits(&target));
    }
}

/// Waits until a batch is due; false once there will be none any more.
async fn due(buffer: &Buffer, partition: u32) -> bool {
    let partition = buffer.partition(partition);
    loop {
        {
            let mut queue = lock(&partition.queue);
            if queue.worker_is_due() {
                return true;
            }
            if queue.is_closed() {
                return false;
            }
        }
        partition.wake.notified().await;
    }
}

/// A batch in flight. Dropped without an outcome, its fate is unknown.
struct Attempt<'a> {
    buffer: &'a Arc<Buffer>,
    partition: u32,
    queued: Batch,
    batch: EventBatch,
    settled: bool,
}

impl<'a> Attempt<'a> {
    fn new(
        buffer: &'a Arc<Buffer>,
        partition: u32,
        mut queued: Batch,
        limits: crate::batch::BatchLimits,
    ) -> Self {
        let events = std::mem::take(&mut queued.events);
        let target = Target::Partition(PartitionId::new(partition));
        let batch = EventBatch::from_measured(target, limits, events, queued.encoded_size);
        tracing::debug!(
            partition,
            events = batch.len(),
            bytes = batch.encoded_size(),
            "send"
        );
        Self {
            buffer,
            partition,
            queued,
            batch,
            settled: false,
        }
    }

    fn finish(mut self, result: Result<(), Error>) {
        self.settle(result);
    }

    fn settle(&mut self, result: Result<(), Error>) {
        self.settled = true;
        let result = match result {
            Ok(()) => Ok(self.batch.len()),
            Err(error) => {
                let target = self.batch.target().clone();
                let empty = EventBatch::new(target, crate::BatchLimits::STANDARD);
                let events = std::mem::replace(&mut self.batch, empty).into_events();
                Err((events, reason(&error), error))
            }
        };
        self.buffer.settle(self.partition, &self.queued, result);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.settled {
            let aborted = Error::new(ErrorKind::Closed, "aborted while the batch was in flight");
            self.settle(Err(aborted.with_unknown_fate()));
        }
    }
}

/// What an attempt's error makes of its events.
fn reason(error: &Error) -> UndeliveredReason {
    if error.is_fate_unknown() {
        UndeliveredReason::Unknown
    } else if error.is_retryable() {
        UndeliveredReason::Failed { attempts: 1 }
    } else {
        UndeliveredReason::Rejected
    }
}
