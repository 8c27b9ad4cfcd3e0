//! Where a receiver's messages come from.

use super::answers::Answers;
use super::authorization::Claim;
use super::delivery;
use crate::partition_log::{Cursor, PartitionLog};
use crate::receivers::ReceiverLease;
use crate::throughput::EgressShare;
use bytes::BytesMut;
use std::sync::Arc;

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
    /// Whether there seems to be a message to deliver now.
    pub(crate) fn supply(&mut self) -> Supply {
        let has_message = match self {
            Self::Events(events) => events.is_ready(),
            Self::Answers(answers) => !answers.is_empty(),
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
            Self::Events(events) => {
                let before = out.len();
                let written = events.write_next(out);
                if written {
                    events.share.charge(out.len() - before);
                }
                written
            }
            Self::Answers(answers) => answers.write_next(out),
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
    /// What may be delivered of it.
    pub(crate) share: EgressShare,
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
        share: EgressShare,
    ) -> Self {
        Self {
            log,
            cursor: start,
            known: 0,
            runtime_metrics,
            claim,
            share,
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
