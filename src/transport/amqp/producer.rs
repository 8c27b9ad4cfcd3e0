//! The producing port over AMQP.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::connection::{Connection, timed_out};
use super::management;
use super::sender::{Request, SenderLink};
use crate::batch::{BatchLimits, EventBatch};
use crate::error::{Error, ErrorKind, SendBatchError};
use crate::partition::{PartitionId, Target};
use crate::producer::ThrottleGate;
use crate::transport::{
    HubProperties, PartitionProperties, TransportManagement, TransportProducer,
};

/// Sends batches to an event hub over AMQP.
///
/// It has one link to the hub's gateway, for [`Target::Any`] and
/// [`Target::Key`], and one to each partition, all attached when they are first
/// used. Calls overlap on a link: up to 256 batches are in flight at once. A link
/// that broke fails the calls that it had transferred; the others, and the next,
/// go over a new one.
///
/// Closing it gives half a second to what is under way. What the service has not
/// acknowledged by then fails with [`ErrorKind::Closed`], its fate unknown; what
/// was not transferred is refused. Closing the [`EventHub`](crate::EventHub)
/// gives it no time.
///
/// An operation that takes longer than the try time-out (60 s) fails with
/// [`ErrorKind::Timeout`].
///
/// [`ErrorKind::Timeout`]: crate::ErrorKind::Timeout
pub struct AmqpProducer {
    connection: Arc<Connection>,
    gate: ThrottleGate,
    links: Mutex<Links>,
}

#[derive(Default)]
struct Links {
    /// By partition; the gateway's is `None`.
    by_place: HashMap<Option<PartitionId>, Slot>,
    closed: bool,
}

#[derive(Default)]
struct Slot {
    link: Option<SenderLink>,
    /// As the service stated last, in bytes; 0 before.
    max_message_size: Arc<AtomicU64>,
}

impl AmqpProducer {
    pub(crate) fn new(connection: Arc<Connection>, gate: ThrottleGate) -> Self {
        Self {
            connection,
            gate,
            links: Mutex::default(),
        }
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The queue of the link to a target; starts the link if there is none.
    fn requests(&self, target: &Target) -> Result<mpsc::Sender<Request>, Error> {
        let mut links = self.links();
        if links.closed {
            return Err(Error::closed("producer"));
        }
        let place = place(target);
        let slot = links.by_place.entry(place).or_default();
        let live = slot.link.take_if(|link| !link.requests().is_closed());
        let link = live.unwrap_or_else(|| {
            let hub = self.connection.hub();
            let address = match place {
                Some(partition) => format!("{hub}/Partitions/{partition}"),
                None => hub.to_owned(),
            };
            let size = Arc::clone(&slot.max_message_size);
            SenderLink::start(Arc::clone(&self.connection), address, size)
        });
        let requests = link.requests().clone();
        slot.link = Some(link);
        Ok(requests)
    }

    async fn send(&self, batch: &EventBatch) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let limit = self.connection.try_timeout();
        let deadline = Instant::now() + limit;
        let (request, answer) = Request::new(batch.clone(), deadline, limit);
        let requests = self.requests(batch.target())?;
        match timeout_at(deadline, requests.send(request)).await {
            Ok(Ok(())) => drop(requests),
            Ok(Err(_)) => return Err(self.unanswered()),
            Err(_) => return Err(timed_out("waiting for the sender link", limit)),
        }
        let in_flight = answer.await.map_err(|_| self.unanswered())??;
        in_flight.outcome(&self.connection).await
    }

    /// Why a link's task is gone without an answer: before a transfer was whole.
    fn unanswered(&self) -> Error {
        match self.links().closed {
            true => Error::closed("producer"),
            false => Error::new(ErrorKind::Disconnected, "the sender link is gone"),
        }
    }
}

fn place(target: &Target) -> Option<PartitionId> {
    match target {
        Target::Partition(partition) => Some(*partition),
        Target::Any | Target::Key(_) => None,
    }
}

#[async_trait]
impl TransportManagement for AmqpProducer {
    async fn hub_properties(&self) -> Result<HubProperties, Error> {
        management::hub(&self.connection).await
    }

    async fn partition_properties(
        &self,
        partition: PartitionId,
    ) -> Result<PartitionProperties, Error> {
        management::partition(&self.connection, partition).await
    }
}

#[async_trait]
impl TransportProducer for AmqpProducer {
    async fn send_batch(&self, batch: EventBatch) -> Result<(), SendBatchError> {
        match self.send(&batch).await {
            Ok(()) => Ok(()),
            Err(error) => Err(SendBatchError::new(batch, self.connection.explain(error))),
        }
    }

    fn limits(&self, target: &Target) -> BatchLimits {
        let links = self.links();
        let slot = links.by_place.get(&place(target));
        let stated = slot.map_or(0, |slot| slot.max_message_size.load(Ordering::Relaxed));
        match usize::try_from(stated) {
            Ok(0) => BatchLimits::STANDARD,
            stated => BatchLimits {
                bytes: stated.unwrap_or(usize::MAX),
                events: usize::MAX,
            },
        }
    }

    fn throttle_gate(&self) -> Option<ThrottleGate> {
        Some(self.gate.clone())
    }

    async fn close(&self) -> Result<(), Error> {
        let slots = {
            let mut links = self.links();
            links.closed = true;
            std::mem::take(&mut links.by_place)
        };
        let links = slots.into_values().filter_map(|slot| slot.link);
        futures::future::join_all(links.map(SenderLink::close)).await;
        Ok(())
    }
}

impl fmt::Debug for AmqpProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links = self.links();
        f.debug_struct("AmqpProducer")
            .field("connection", &self.connection)
            .field("links", &links.by_place.len())
            .field("closed", &links.closed)
            .finish()
    }
}
