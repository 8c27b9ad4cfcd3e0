//! A look at a partition's properties from time to time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::error::Error;
use crate::partition::PartitionId;
use crate::transport::{PartitionProperties, TransportConsumer};

type Asking = Pin<Box<dyn Future<Output = Result<PartitionProperties, Error>> + Send>>;

/// Waits, asks, tells, and begins anew. Polled beside other things, it neither
/// asks twice nor starts its wait again.
pub(super) struct Look {
    transport: Arc<dyn TransportConsumer>,
    partition: PartitionId,
    interval: Duration,
    asking: Asking,
}

impl Look {
    pub(super) fn new(
        transport: Arc<dyn TransportConsumer>,
        partition: PartitionId,
        interval: Duration,
    ) -> Self {
        let asking = ask(Arc::clone(&transport), partition, interval);
        Self {
            transport,
            partition,
            interval,
            asking,
        }
    }
}

impl Future for Look {
    type Output = Result<PartitionProperties, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let looked = ready!(self.asking.as_mut().poll(context));
        self.asking = ask(Arc::clone(&self.transport), self.partition, self.interval);
        Poll::Ready(looked)
    }
}

fn ask(
    transport: Arc<dyn TransportConsumer>,
    partition: PartitionId,
    interval: Duration,
) -> Asking {
    let asking = async move {
        tokio::time::sleep(interval).await;
        transport.partition_properties(partition).await
    };
    Box::pin(asking)
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Look")
            .field("partition", &self.partition)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
