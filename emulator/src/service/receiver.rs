//! Where a receiver's messages come from.

use super::delivery;
use super::sender::Node;
use crate::partition_log::{LoggedEvent, PartitionLog};
use crate::receivers::ReceiverLease;
use crate::throughput::EgressShare;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::sync::Arc;

/// How much is read from a log at once.
const READ_EVENTS: usize = 256;
const READ_BYTES: usize = 256 * 1024;
/// How many answers may wait for a client that asks but takes none.
const MAX_ANSWERS: usize = 1000;

/// What feeds a link on which the client receives.
pub(crate) enum Source {
    Events(EventSource),
    Answers(Answers),
}

/// Whether a source has a message to deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Supply {
    Ready,
    Empty,
    /// It has, but more than the namespace gives out now.
    Throttled,
}

impl Source {
    /// Whether there is a message to deliver now, for a client that would take `credit` of them.
    pub(crate) fn supply(&mut self, credit: u32) -> Supply {
        let has_message = match self {
            Self::Events(events) => events.is_ready(credit),
            Self::Answers(answers) => !answers.queue.is_empty(),
        };
        if !has_message {
            return Supply::Empty;
        }
        match self {
            Self::Answers(_) => Supply::Ready,
            Self::Events(events) => match events.share.allows() {
                true => Supply::Ready,
                false => Supply::Throttled,
            },
        }
    }

    /// Writes the next message, if there is one.
    pub(crate) fn write_next(&mut self, out: &mut BytesMut) {
        match self {
            Self::Events(events) => {
                let before = out.len();
                events.write_next(out);
                events.share.charge(out.len() - before);
            }
            Self::Answers(answers) => {
                if let Some(answer) = answers.queue.pop_front() {
                    out.extend_from_slice(&answer);
                }
            }
        }
    }
}

/// The events of a partition, from a position on.
pub(crate) struct EventSource {
    log: Arc<PartitionLog>,
    next: i64,
    /// Events read ahead, and how many of them are delivered.
    read: Vec<LoggedEvent>,
    delivered: usize,
    runtime_metrics: bool,
    /// What may be delivered of it.
    pub(crate) share: EgressShare,
    /// Keeps the place at the partition.
    _lease: ReceiverLease,
}

impl EventSource {
    pub(super) fn new(
        log: Arc<PartitionLog>,
        next: i64,
        runtime_metrics: bool,
        lease: ReceiverLease,
        share: EgressShare,
    ) -> Self {
        Self {
            log,
            next,
            read: Vec::new(),
            delivered: 0,
            runtime_metrics,
            share,
            _lease: lease,
        }
    }

    /// Waits until there is an event beyond those that were read.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> + Send + 'static {
        let (log, next) = (Arc::clone(&self.log), self.next);
        async move { log.appended(next).await }
    }

    fn is_ready(&mut self, credit: u32) -> bool {
        if self.delivered == self.read.len() {
            self.read.clear();
            self.delivered = 0;
            let events = READ_EVENTS.min(credit as usize);
            self.next = self.log.read(self.next, events, READ_BYTES, &mut self.read);
        }
        !self.read.is_empty()
    }

    fn write_next(&mut self, out: &mut BytesMut) {
        let Some(event) = self.read.get(self.delivered) else {
            return;
        };
        if self.runtime_metrics {
            delivery::write_runtime_metrics(out, &self.log.info());
        }
        delivery::write_event(out, event);
        self.delivered += 1;
    }
}

/// The answers of a node.
pub(crate) struct Answers {
    pub(crate) node: Node,
    /// The address under which the client expects answers.
    pub(crate) target: Option<String>,
    queue: VecDeque<Bytes>,
}

impl Answers {
    pub(super) fn new(node: Node, target: Option<String>) -> Self {
        Self {
            node,
            target,
            queue: VecDeque::new(),
        }
    }

    /// Adds an answer; `false` if too many wait already.
    pub(crate) fn push(&mut self, answer: Bytes) -> bool {
        let room = self.queue.len() < MAX_ANSWERS;
        if room {
            self.queue.push_back(answer);
        }
        room
    }
}
