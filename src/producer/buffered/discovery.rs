//! Finds partitions that were added to the hub while the producer is open.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::buffer::Buffer;
use super::policy::PartitionGrowth;
use super::tasks::Tasks;
use super::worker::{self, WorkerOptions};
use crate::error::{Error, ErrorKind};
use crate::partition::{PartitionId, Target};
use crate::shield::{Shielded, shielded};
use crate::sync::lock;
use crate::transport::TransportProducer;

/// How long the hub may take to answer.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) struct Discovery {
    pub(super) buffer: Arc<Buffer>,
    pub(super) transport: Arc<dyn TransportProducer>,
    pub(super) tasks: Arc<Tasks>,
    pub(super) worker: WorkerOptions,
    pub(super) growth: PartitionGrowth,
    pub(super) interval: Duration,
}

impl Discovery {
    /// Starts the worker of each partition from `first` on.
    pub(super) fn start_workers(&self, first: u32) {
        for number in first..self.buffer.count() {
            let (buffer, transport) = (Arc::clone(&self.buffer), Arc::clone(&self.transport));
            let target = Target::Partition(PartitionId::new(number));
            if let Some(limits) = shielded(|| transport.limits(&target)) {
                buffer.set_limits(number, limits);
            }
            let worker = worker::run(buffer, number, transport, self.worker);
            self.tasks.spawn(worker);
        }
    }

    /// Asks for the hub's partitions now and then, for ever.
    pub(super) async fn run(self) {
        loop {
            sleep(self.interval).await;
            match self.ask().await {
                Ok(count) if count > self.buffer.count() => self.grow(count).await,
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "the hub's partitions are not known anew"),
            }
        }
    }

    async fn ask(&self) -> Result<u32, Error> {
        let asked = Shielded::call(|| self.transport.hub_properties());
        let late = |_| Error::new(ErrorKind::Timeout, "the hub does not tell its partitions");
        let panicked = || Error::new(ErrorKind::Panicked, "the transport panicked");
        let hub = timeout(LIMIT, asked).await.map_err(late)?;
        let partitions = hub.ok_or_else(panicked)??.partitions;
        Ok(u32::try_from(partitions.len()).unwrap_or(u32::MAX))
    }

    async fn grow(&self, count: u32) {
        let before = self.buffer.count();
        tracing::info!(before, count, growth = ?self.growth, "the hub has more partitions");
        if self.growth == PartitionGrowth::Rehash {
            // Before the new ones can be seen: from then on no key is placed as
            // it was.
            self.buffer.partitions.hold_keys();
        }
        self.buffer.grow(count);
        self.start_workers(before);
        if self.growth == PartitionGrowth::Rehash {
            self.place_keys().await;
        }
    }

    /// Gives keys new places, once all events under the old ones have outcomes.
    async fn place_keys(&self) {
        for tally in self.buffer.cut() {
            tally.settled().await;
        }
        let partitions = &self.buffer.partitions;
        partitions.place_keys(partitions.count());
    }
}

impl Buffer {
    /// Makes room for events of more partitions, unless the producer is closed.
    fn grow(self: &Arc<Self>, count: u32) {
        let before = self.count();
        {
            let ledger = lock(&self.ledger);
            if self.account.is_closed() {
                return;
            }
            lock(self.total()).grow(count as usize);
            self.partitions.grow(count, &ledger.current());
        }
        // Those who wait for room in any partition.
        (before..count).for_each(|number| self.any.serve(self, number));
    }
}
