//! The worker of one partition: takes one batch after the other and sees each to
//! its outcome.

use std::sync::Arc;

use super::buffer::Buffer;
use super::journey::Journey;
use super::verdict::RetryPolicy;
use crate::sync::lock;
use crate::transport::TransportProducer;

/// Sends what a partition's queue holds, until the producer is closed and the
/// queue empty. One batch is on its way at a time, so the order is kept.
pub(super) async fn run(
    buffer: Arc<Buffer>,
    partition: u32,
    transport: Arc<dyn TransportProducer>,
    policy: RetryPolicy,
) {
    while due(&buffer, partition).await {
        // A batch goes on filling until it can go.
        let clearance = buffer.departures.clear(partition).await;
        let Some(batch) = buffer.take(partition) else {
            continue;
        };
        let journey = Journey::new(&buffer, partition, batch);
        journey.run(&*transport, &policy, clearance).await;
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
