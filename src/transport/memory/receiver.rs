//! The consuming side of a hub in memory.

use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use super::hub::MemoryHub;
use crate::error::Error;
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;
use crate::transport::{
    HubProperties, PartitionProperties, ReceiverOptions, TransportConsumer, TransportManagement,
    TransportReceiver,
};

/// Reads from a [`MemoryHub`].
#[derive(Debug)]
pub struct MemoryConsumer {
    hub: MemoryHub,
    closed: Arc<watch::Sender<bool>>,
}

impl MemoryConsumer {
    pub(super) fn new(hub: MemoryHub) -> Self {
        let closed = Arc::new(watch::Sender::new(false));
        Self { hub, closed }
    }
}

#[async_trait]
impl TransportManagement for MemoryConsumer {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        Ok(self.hub.properties())
    }

    async fn partition_properties(
        &self,
        partition: PartitionId,
    ) -> Result<PartitionProperties, Error> {
        self.hub.partition_properties(partition)
    }
}

#[async_trait]
impl TransportConsumer for MemoryConsumer {
    async fn open_receiver(
        &self,
        options: ReceiverOptions,
    ) -> Result<Box<dyn TransportReceiver>, Error> {
        if *self.closed.borrow() {
            return Err(Error::closed("consumer"));
        }
        let (id, next) = self.hub.attach(&options)?;
        Ok(Box::new(MemoryReceiver {
            changes: self.hub.changes(),
            closed: self.closed.subscribe(),
            _consumer: Arc::clone(&self.closed),
            hub: self.hub.clone(),
            options,
            id,
            next,
        }))
    }

    async fn close(&self) -> Result<(), Error> {
        self.closed.send_replace(true);
        Ok(())
    }
}

/// Reads one partition of a [`MemoryHub`].
#[derive(Debug)]
pub struct MemoryReceiver {
    hub: MemoryHub,
    options: ReceiverOptions,
    id: u64,
    next: usize,
    changes: watch::Receiver<()>,
    closed: watch::Receiver<bool>,
    /// Keeps `closed` from ending when the consumer is dropped.
    _consumer: Arc<watch::Sender<bool>>,
}

impl MemoryReceiver {
    /// What there is, unless the receiver ended.
    fn read(&mut self, most: usize) -> Result<Vec<ReceivedEvent>, Error> {
        if *self.closed.borrow() {
            return Err(Error::closed("consumer"));
        }
        self.changes.borrow_and_update();
        let partition = self.options.partition;
        let events = self.hub.read(partition, self.id, self.next, most)?;
        self.next += events.len();
        Ok(events)
    }

    /// Waits until there may be more to read, or an end.
    async fn changed(&mut self) {
        tokio::select! {
            _ = self.changes.changed() => {}
            _ = self.closed.changed() => {}
        }
    }
}

#[async_trait]
impl TransportReceiver for MemoryReceiver {
    async fn receive(&mut self, credit: NonZeroU32) -> Result<Vec<ReceivedEvent>, Error> {
        loop {
            let events = self.read(credit.get() as usize)?;
            if !events.is_empty() {
                return Ok(events);
            }
            self.changed().await;
        }
    }

    async fn ended(&mut self) -> Error {
        loop {
            if let Err(error) = self.read(0) {
                return error;
            }
            self.changed().await;
        }
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}

impl Drop for MemoryReceiver {
    fn drop(&mut self) {
        self.hub.detach(&self.options, self.id);
    }
}
