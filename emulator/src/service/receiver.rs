//! Where a receiver's messages come from.

use super::authorization::Claim;
use super::delivery;
use super::sender::Node;
use crate::partition_log::{Cursor, PartitionLog};
use crate::receivers::ReceiverLease;
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::VecDeque;
use std::sync::Arc;

/// How many answers may wait for a client that asks but takes none.
const MAX_ANSWERS: usize = 1000;

/// What feeds a link on which the client receives.
pub(crate) enum Source {
    Events(EventSource),
    Answers(Answers),
}

impl Source {
    /// Whether there seems to be a message to deliver now.
    pub(crate) fn is_ready(&mut self) -> bool {
        match self {
            Self::Events(events) => events.is_ready(),
            Self::Answers(answers) => !answers.queue.is_empty(),
        }
    }

    /// What the link needs to be allowed; nothing for a node's answers.
    pub(crate) fn claim(&self) -> Option<&Claim> {
        match self {
            Self::Events(events) => Some(&events.claim),
            Self::Answers(_) => None,
        }
    }

    /// Writes the next message; `false` if there is none after all, since retention dropped it.
    pub(crate) fn write_next(&mut self, out: &mut BytesMut) -> bool {
        match self {
            Self::Events(events) => events.write_next(out),
            Self::Answers(answers) => {
                let answer = answers.queue.pop_front();
                answer.inspect(|answer| out.put_slice(answer)).is_some()
            }
        }
    }
}

/// The events of a partition, from a position on.
pub(crate) struct EventSource {
    log: Arc<PartitionLog>,
    cursor: Cursor,
    /// The sequence number up to which events are known to have been appended.
    known: i64,
    runtime_metrics: bool,
    claim: Claim,
    /// Keeps the place at the partition.
    _lease: ReceiverLease,
}

impl EventSource {
    pub(super) fn new(
        log: Arc<PartitionLog>,
        start: Cursor,
        runtime_metrics: bool,
        lease: ReceiverLease,
        claim: Claim,
    ) -> Self {
        Self {
            log,
            cursor: start,
            known: 0,
            runtime_metrics,
            claim,
            _lease: lease,
        }
    }

    /// Waits until there is an event beyond those that were delivered.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> + Send + 'static {
        let (log, next) = (Arc::clone(&self.log), self.cursor.sequence_number());
        async move { log.appended(next).await }
    }

    fn is_ready(&mut self) -> bool {
        let next = self.cursor.sequence_number();
        if next >= self.known {
            self.known = self.log.next();
        }
        next < self.known
    }

    fn write_next(&mut self, out: &mut BytesMut) -> bool {
        let runtime_metrics = self.runtime_metrics;
        let written = self.log.read(&mut self.cursor, |event, info| {
            if runtime_metrics {
                delivery::write_runtime_metrics(out, &info);
            }
            delivery::write_event(out, event);
        });
        written.is_some()
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
