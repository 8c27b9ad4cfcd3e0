//! A transport that panics, hears nothing, or learns late, on command.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use eventhubs_flow::transport::memory::MemoryHub;
use eventhubs_flow::transport::{
    HubProperties, PartitionProperties, ReceiverOptions, TransportConsumer, TransportManagement,
    TransportReceiver,
};
use eventhubs_flow::{Error, PartitionId, ReceivedEvent};
use tokio::time::Instant;

/// Over the hub of the moment.
#[derive(Debug)]
pub(crate) struct Tricky {
    pub(crate) hub: Mutex<MemoryHub>,
    /// Calls of `hub_properties`; the one of this number panics.
    pub(crate) asked: AtomicU32,
    pub(crate) panics_at: u32,
    /// The first receivers, so many, hear nothing.
    pub(crate) deaf: AtomicU32,
    /// An end is told so much later.
    pub(crate) late: Duration,
}

impl Tricky {
    pub(crate) fn new(hub: &MemoryHub) -> Self {
        Self {
            hub: Mutex::new(hub.clone()),
            asked: AtomicU32::new(0),
            panics_at: 0,
            deaf: AtomicU32::new(0),
            late: Duration::ZERO,
        }
    }

    fn hub(&self) -> MemoryHub {
        self.hub.lock().unwrap().clone()
    }
}

#[async_trait]
impl TransportManagement for Tricky {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(asked != self.panics_at, "planted");
        self.hub().consumer().hub_properties().await
    }

    async fn partition_properties(&self, id: PartitionId) -> Result<PartitionProperties, Error> {
        self.hub().consumer().partition_properties(id).await
    }
}

#[async_trait]
impl TransportConsumer for Tricky {
    async fn open_receiver(
        &self,
        options: ReceiverOptions,
    ) -> Result<Box<dyn TransportReceiver>, Error> {
        let inner = self.hub().consumer().open_receiver(options).await?;
        let relaxed = Ordering::Relaxed;
        let deaf = self
            .deaf
            .fetch_update(relaxed, relaxed, |left| left.checked_sub(1))
            .is_ok();
        Ok(Box::new(TrickyReceiver {
            inner,
            deaf,
            late: self.late,
            ended: None,
        }))
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[derive(Debug)]
struct TrickyReceiver {
    inner: Box<dyn TransportReceiver>,
    deaf: bool,
    late: Duration,
    ended: Option<(Instant, Error)>,
}

impl TrickyReceiver {
    async fn end(&mut self, error: Error) -> Error {
        let late = self.late;
        let (at, error) = self
            .ended
            .get_or_insert_with(|| (Instant::now() + late, error));
        tokio::time::sleep_until(*at).await;
        error.clone()
    }
}

#[async_trait]
impl TransportReceiver for TrickyReceiver {
    async fn receive(&mut self, credit: NonZeroU32) -> Result<Vec<ReceivedEvent>, Error> {
        if self.deaf {
            std::future::pending::<()>().await;
        }
        match self.inner.receive(credit).await {
            Ok(events) => Ok(events),
            Err(error) => Err(self.end(error).await),
        }
    }

    async fn ended(&mut self) -> Error {
        let error = self.inner.ended().await;
        self.end(error).await
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        self.inner.close().await
    }
}
