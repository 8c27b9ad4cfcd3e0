//! The batches that fill, one per target: when each is opened and closed.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::batch_options::BatchOptions;
use super::error::FlowError;
use crate::batch::EventBatch;
use crate::event::EventData;

/// Open batches, the oldest first, and the closed ones that nobody took yet.
///
/// A target has one open batch at most and closed batches leave in order, so
/// events of one target stay in order.
#[derive(Debug)]
pub(super) struct OpenBatches {
    options: BatchOptions,
    open: VecDeque<Open>,
    closed: VecDeque<Result<EventBatch, FlowError>>,
}

#[derive(Debug)]
struct Open {
    batch: EventBatch,
    opened_at: Instant,
}

impl OpenBatches {
    pub(super) fn new(options: BatchOptions) -> Self {
        Self {
            options,
            open: VecDeque::new(),
            closed: VecDeque::new(),
        }
    }

    /// Adds an event, and closes what it fills or displaces. The time is asked
    /// for if a batch is opened.
    pub(super) fn add(&mut self, event: EventData, now: impl FnOnce() -> Instant) {
        let target = self.options.target_of(&event);
        let place = self
            .open
            .iter()
            .position(|open| *open.batch.target() == target);
        let refused = match place {
            Some(index) => match self.open[index].batch.try_add(event) {
                Ok(()) => return self.close_full(index),
                Err(refused) => {
                    self.close(index);
                    *refused.event
                }
            },
            None => event,
        };
        let mut batch = EventBatch::new(target, self.options.limits());
        if let Err(refused) = batch.try_add(refused) {
            self.closed.push_back(Err(refused.into()));
            return;
        }
        if self.open.len() >= self.options.max_open() {
            self.close(0);
        }
        self.open.push_back(Open {
            batch,
            opened_at: now(),
        });
        self.close_full(self.open.len() - 1);
    }

    /// What was closed, in order.
    pub(super) fn take_closed(&mut self) -> Option<Result<EventBatch, FlowError>> {
        self.closed.pop_front()
    }

    /// When the oldest batch has lingered; `None` if there is none, or no timer.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let linger = self.options.linger().filter(|it| *it != Duration::ZERO)?;
        self.open.front().map(|open| open.opened_at + linger)
    }

    pub(super) fn close_due(&mut self, now: Instant) {
        while self.due_at().is_some_and(|due| due <= now) {
            self.close(0);
        }
    }

    /// Closes what should not wait while there is no next event.
    pub(super) fn close_idle(&mut self) {
        if self.options.linger() == Some(Duration::ZERO) {
            self.close_all();
        }
    }

    pub(super) fn close_all(&mut self) {
        while !self.open.is_empty() {
            self.close(0);
        }
    }

    /// Closes a batch that has all the events it may have, and the oldest ones
    /// while all together are too large.
    fn close_full(&mut self, index: usize) {
        let batch = &self.open[index].batch;
        if batch.len() >= self.options.limits().events {
            self.close(index);
        }
        while self.bytes() > self.options.max_open_bytes() {
            self.close(0);
        }
    }

    fn close(&mut self, index: usize) {
        let open = self.open.remove(index).expect("an open batch");
        self.closed.push_back(Ok(open.batch));
    }

    fn bytes(&self) -> usize {
        let sizes = self.open.iter().map(|open| open.batch.encoded_size());
        sizes.sum()
    }
}
