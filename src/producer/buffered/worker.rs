//! The worker of one partition: takes batches and sees each to its outcome.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::sleep_until;

use super::buffer::Buffer;
use super::departures::Clearance;
use super::journey::Journey;
use super::metrics::AttemptMetrics;
use super::queued::Batch;
use super::verdict::RetryPolicy;
use crate::sync::lock;
use crate::transport::TransportProducer;

/// How a worker sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct WorkerOptions {
    pub(super) retry: RetryPolicy,
    /// How many batches are on their way at once. With one, the order is kept.
    pub(super) max_in_flight: usize,
}

/// Sends what a partition's queue holds, until the producer is closed and the
/// queue empty.
pub(super) async fn run(
    buffer: Arc<Buffer>,
    partition: u32,
    transport: Arc<dyn TransportProducer>,
    options: WorkerOptions,
) {
    let attempts = AttemptMetrics::new(&buffer.metrics, partition);
    // Polled in the order of their batches, which is that of their transfers.
    let mut journeys = FuturesUnordered::new();
    let mut next = pin!(next_batch(&buffer, partition));
    let mut expiry = pin!(expire(&buffer, partition));
    loop {
        tokio::select! {
            biased;
            Some(()) = journeys.next() => {}
            never = &mut expiry => match never {},
            batch = &mut next, if journeys.len() < options.max_in_flight => {
                let Some((batch, clearance)) = batch else {
                    break;
                };
                let journey = Journey::new(&buffer, partition, batch, &attempts);
                journeys.push(journey.run(&*transport, &options.retry, clearance));
                next.set(next_batch(&buffer, partition));
            }
        }
    }
    while journeys.next().await.is_some() {}
}

/// Waits until a batch may go, and takes it; `None` once there will be none any
/// more.
async fn next_batch(buffer: &Buffer, partition: u32) -> Option<(Batch, Clearance)> {
    loop {
        if !due(buffer, partition).await {
            return None;
        }
        // A batch goes on filling until it can go.
        let clearance = buffer
            .departures
            .clear(partition, &buffer.metrics.throttle_wait)
            .await;
        if let Some(batch) = buffer.take(partition) {
            return Some((batch, clearance));
        }
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
            if queue.is_finished() {
                return false;
            }
        }
        partition.wake.notified().await;
    }
}

/// Hands back what waits in the queue for longer than it may, for ever.
async fn expire(buffer: &Arc<Buffer>, partition: u32) -> Infallible {
    let alarm = &buffer.partition(partition).alarm;
    loop {
        let first = lock(&buffer.partition(partition).queue).first_deadline();
        let Some(first) = first else {
            alarm.notified().await;
            continue;
        };
        tokio::select! {
            () = alarm.notified() => {}
            () = sleep_until(first) => buffer.expire(partition),
        }
    }
}
