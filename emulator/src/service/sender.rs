//! Where a sender's messages go.

use super::authorization::Claim;
use super::batch;
use crate::hub::Hub;
use crate::texts;
use crate::wire::error::{AmqpError, condition};
use bytes::Bytes;
use std::sync::Arc;

/// The longest partition key, in characters.
const MAX_PARTITION_KEY: usize = 128;

/// What takes the messages of a link on which the client sends.
pub(crate) enum Sink {
    Events(EventSink),
    /// Requests to a node.
    Node(Node),
}

impl Sink {
    /// What the link needs to be allowed; nothing for requests, which are checked one by one.
    pub(crate) fn claim(&self) -> Option<&Claim> {
        match self {
            Self::Events(events) => Some(&events.claim),
            Self::Node(_) => None,
        }
    }
}

/// A node that answers requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    Cbs,
    Management,
}

/// A hub, or one of its partitions.
pub(crate) struct EventSink {
    hub: Arc<Hub>,
    /// `None` at the gateway: the hub chooses.
    partition: Option<u32>,
    claim: Claim,
}

impl EventSink {
    pub(super) fn new(hub: Arc<Hub>, partition: Option<u32>, claim: Claim) -> Self {
        Self {
            hub,
            partition,
            claim,
        }
    }

    /// Stores an event, or a batch as one: all of its events go to one partition.
    ///
    /// # Errors
    ///
    /// If it cannot be decoded, or has a partition key that is too long; nothing is stored then.
    pub(crate) fn store(&self, format: u32, message: &Bytes) -> Result<(), AmqpError> {
        let batch = batch::split(format, message).map_err(|error| {
            AmqpError::new(
                condition::DECODE_ERROR,
                format!("The message cannot be decoded: {error}."),
            )
        })?;
        if batch.has_key_longer_than(MAX_PARTITION_KEY) {
            return Err(texts::partition_key_too_long(MAX_PARTITION_KEY).into());
        }
        let partition = self
            .partition
            .unwrap_or_else(|| match batch.partition_key() {
                Some(key) => self.hub.partition_for_key(key),
                None => self.hub.next_round_robin(),
            });
        let stored = self.hub.partitions()[partition as usize].append(batch.events());
        self.hub.counters().stored(stored, message.len());
        Ok(())
    }
}
