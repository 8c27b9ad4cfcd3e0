//! The consuming port over AMQP.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use tokio::sync::watch;

use super::connection::Connection;
use super::management;
use super::receiver::{AmqpReceiver, Link, SharedLink};
use crate::error::Error;
use crate::partition::PartitionId;
use crate::transport::{
    HubProperties, PartitionProperties, ReceiverOptions, TransportConsumer, TransportManagement,
    TransportReceiver,
};

/// Opens receivers on an event hub over AMQP.
///
/// An operation that takes longer than the try time-out (60 s) fails with
/// [`ErrorKind::Timeout`]; waiting for events has no limit.
///
/// [`ErrorKind::Timeout`]: crate::ErrorKind::Timeout
pub struct AmqpConsumer {
    connection: Arc<Connection>,
    closed: watch::Sender<bool>,
    links: Mutex<Vec<Weak<tokio::sync::Mutex<Option<Link>>>>>,
}

impl AmqpConsumer {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        Self {
            connection,
            closed: watch::Sender::new(false),
            links: Mutex::default(),
        }
    }

    fn links(&self) -> MutexGuard<'_, Vec<Weak<tokio::sync::Mutex<Option<Link>>>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Remembers a link, to close it with the consumer.
    fn register(&self, link: &SharedLink) {
        let mut links = self.links();
        links.retain(|link| link.strong_count() > 0);
        links.push(Arc::downgrade(link));
    }
}

#[async_trait]
impl TransportManagement for AmqpConsumer {
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
impl TransportConsumer for AmqpConsumer {
    async fn open_receiver(
        &self,
        options: ReceiverOptions,
    ) -> Result<Box<dyn TransportReceiver>, Error> {
        if self.is_closed() {
            return Err(Error::closed("consumer"));
        }
        let connection = Arc::clone(&self.connection);
        let attaching = async move { Link::attach(&connection, &options).await };
        let link = self.connection.in_task(attaching).await;
        let link = link.map_err(|error| self.connection.explain(error))?;
        let link = Arc::new(tokio::sync::Mutex::new(Some(link)));
        self.register(&link);
        // Closed meanwhile: the receiver says so, and goes when it is dropped.
        let connection = Arc::clone(&self.connection);
        let receiver = AmqpReceiver::new(connection, link, self.closed.subscribe());
        Ok(Box::new(receiver))
    }

    async fn close(&self) -> Result<(), Error> {
        self.closed.send_replace(true);
        let links = std::mem::take(&mut *self.links());
        let close = async |link: SharedLink| {
            let link = link.lock().await.take();
            match link {
                Some(link) => link.close().await,
                None => Ok(()),
            }
        };
        let links = links.iter().filter_map(Weak::upgrade);
        let closed = futures::future::join_all(links.map(close)).await;
        closed.into_iter().collect()
    }
}

impl fmt::Debug for AmqpConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpConsumer")
            .field("connection", &self.connection)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
