//! The producing port over a client.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use tokio::sync::watch;
use tokio::time::timeout;

use super::CLOSE_TIMEOUT;
use super::lane::{Answer, Caller, Connect, Lane, Place, Request, Shared};
use crate::batch::{BatchLimits, EventBatch};
use crate::error::{Error, SendBatchError};
use crate::partition::{PartitionId, Target};
use crate::producer::ThrottleGate;
use crate::transport::{
    HubProperties, PartitionProperties, TransportManagement, TransportProducer,
};

/// Sends by clients that live in tasks.
pub(crate) struct ClientProducer<K> {
    connect: Arc<K>,
    shared: Shared,
    gate: ThrottleGate,
    closed: watch::Sender<bool>,
    lanes: Mutex<HashMap<Place, Lane>>,
}

impl<K: Connect> ClientProducer<K> {
    pub(crate) fn new(connect: Arc<K>, try_timeout: Duration) -> Self {
        let (closed, closing) = watch::channel(false);
        Self {
            connect,
            shared: Shared {
                try_timeout,
                max_message_size: Arc::default(),
                closed: closing,
            },
            gate: ThrottleGate::new(),
            closed,
            lanes: Mutex::default(),
        }
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<Place, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn caller(&self, request: &Request) -> Result<Caller, Error> {
        let mut lanes = self.lanes();
        if *self.closed.borrow() {
            return Err(Error::closed("producer"));
        }
        let lane = lanes.entry(self.connect.place(request));
        let start = || Lane::start(Arc::clone(&self.connect), self.shared.clone());
        Ok(lane.or_insert_with(start).caller())
    }

    async fn call(&self, request: Request) -> Result<Answer, Error> {
        let caller = self.caller(&request)?;
        caller.call(request, self.shared.try_timeout).await
    }
}

#[async_trait]
impl<K: Connect> TransportManagement for ClientProducer<K> {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        read_hub(self.call(Request::Hub).await)
    }

    async fn partition_properties(
        &self,
        partition: PartitionId,
    ) -> Result<PartitionProperties, Error> {
        read_partition(self.call(Request::Partition(partition)).await)
    }
}

#[async_trait]
impl<K: Connect> TransportProducer for ClientProducer<K> {
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
        if batch.is_empty() {
            return Ok(());
        }
        match self.call(Request::Send(batch.clone())).await {
            Ok(_) => Ok(()),
            Err(error) => Err(SendBatchError::new(batch, error)),
        }
    }

    fn limits(&self, _: &Target) -> BatchLimits {
        let stated = self.shared.max_message_size.load(Ordering::Relaxed);
        self.connect.limits(match stated {
            0 => BatchLimits::STANDARD.bytes as u64,
            stated => stated,
        })
    }

    fn throttle_gate(&self) -> Option<ThrottleGate> {
        Some(self.gate.clone())
    }

    async fn close(&self) -> Result<(), Error> {
        let lanes = {
            let mut lanes = self.lanes();
            self.closed.send_replace(true);
            std::mem::take(&mut *lanes)
        };
        join_all(lanes.into_values().map(Lane::ended)).await;
        // Whatever is left goes when it is dropped.
        let _ = timeout(CLOSE_TIMEOUT, self.connect.disconnect()).await;
        Ok(())
    }
}

pub(super) fn read_hub(answer: Result<Answer, Error>) -> Result<HubProperties, Error> {
    match answer? {
        Answer::Hub(properties) => Ok(properties),
        _ => unreachable!("a lane answers what it is asked"),
    }
}

pub(super) fn read_partition(answer: Result<Answer, Error>) -> Result<PartitionProperties, Error> {
    match answer? {
        Answer::Partition(properties) => Ok(properties),
        _ => unreachable!("a lane answers what it is asked"),
    }
}

impl<K: Connect> fmt::Debug for ClientProducer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientProducer")
            .field("connect", &self.connect)
            .field("closed", &*self.closed.borrow())
            .finish_non_exhaustive()
    }
}
