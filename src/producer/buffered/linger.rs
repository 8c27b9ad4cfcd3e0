//! The open batches of all partitions, oldest first, and the timer over them.
//!
//! The linger is one length for all, so the batch that was opened first is due
//! first: one queue and one timer serve every partition. Entries of batches that
//! were closed meanwhile are stale and passed over.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::buffer::Buffer;
use super::metrics::ClosedBy;
use crate::sync::{Mutex, lock};

/// A batch that was open when it was noted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opened {
    at: Instant,
    pub(super) partition: u32,
    pub(super) number: u64,
}

#[derive(Default)]
pub(super) struct OpenBatches {
    queue: Mutex<VecDeque<Opened>>,
    first: Notify,
}

impl OpenBatches {
    /// Notes a batch that was just opened. Stale entries are swept out once they
    /// outnumber what can be open, so the queue is bounded.
    pub(super) fn push(&self, partition: u32, number: u64, buffer: &Buffer) {
        let mut queue = lock(&self.queue);
        if queue.is_empty() {
            self.first.notify_one();
        }
        queue.push_back(Opened {
            at: Instant::now(),
            partition,
            number,
        });
        if queue.len() <= 2 * buffer.count() as usize + 64 {
            return;
        }
        // Other locks are taken with this one free.
        let mut swept = std::mem::take(&mut *queue);
        drop(queue);
        swept.retain(|opened| buffer.is_open(opened));
        let mut queue = lock(&self.queue);
        swept.append(&mut queue);
        *queue = swept;
        // The timer may have found the queue empty meanwhile.
        self.first.notify_one();
    }

    pub(super) fn pop(&self) -> Option<Opened> {
        lock(&self.queue).pop_front()
    }

    pub(super) fn pop_all(&self) -> VecDeque<Opened> {
        std::mem::take(&mut *lock(&self.queue))
    }

    fn pop_due(&self, linger: Duration, now: Instant) -> Option<Opened> {
        let mut queue = lock(&self.queue);
        let is_due = queue
            .front()
            .is_some_and(|opened| opened.at + linger <= now);
        is_due.then(|| queue.pop_front()).flatten()
    }

    fn first_opened_at(&self) -> Option<Instant> {
        lock(&self.queue).front().map(|opened| opened.at)
    }
}

/// Lets every batch go once it has lingered, for ever.
pub(super) async fn run(buffer: Arc<Buffer>, linger: Duration) {
    loop {
        let Some(at) = buffer.open_batches().first_opened_at() else {
            buffer.open_batches().first.notified().await;
            continue;
        };
        sleep_until(at + linger).await;
        let now = Instant::now();
        while let Some(opened) = buffer.open_batches().pop_due(linger, now) {
            buffer.press(&opened, ClosedBy::Linger);
        }
    }
}
