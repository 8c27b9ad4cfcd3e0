//! Where a sender's messages go.

use super::batch;
use crate::hub::Hub;
use crate::wire::error::{AmqpError, condition};
use bytes::Bytes;
use std::sync::Arc;

/// What takes the messages of a link on which the client sends.
pub(crate) enum Sink {
    Events(EventSink),
    /// Requests to a node.
    Node(Node),
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
}

impl EventSink {
    pub(super) fn new(hub: Arc<Hub>, partition: Option<u32>) -> Self {
        Self { hub, partition }
    }

    /// Stores an event, or a batch as one: all of its events go to one partition.
    ///
    /// # Errors
    ///
    /// If it cannot be decoded, or more is sent than may be; nothing is stored then.
    pub(crate) fn store(&self, format: u32, message: &Bytes) -> Result<(), AmqpError> {
        let batch = batch::split(format, message).map_err(|error| {
            AmqpError::new(
                condition::DECODE_ERROR,
                format!("The message cannot be decoded: {error}."),
            )
        })?;
        let partition = self
            .partition
            .unwrap_or_else(|| match batch.partition_key() {
                Some(key) => self.hub.partition_for_key(key),
                None => self.hub.next_round_robin(),
            });
        self.hub
            .admit_batch(message.len(), batch.events.len(), partition)?;
        self.hub.partitions()[partition as usize].append(batch.events);
        Ok(())
    }
}
