//! Who starts a pump for each partition, those that are added later included.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::handle::Shared;
use super::look::Look;
use super::meters::Meters;
use super::options::EpochSafeConsumerOptions;
use super::pump::{Life, Pump};
use super::pumps::Pumps;
use super::records::{Records, Stores};
use crate::partition::PartitionId;
use crate::shield::Shielded;
use crate::transport::{StartPosition, TransportConsumer};

/// How long the hub may take to tell its partitions.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(super) struct Crew {
    pub(super) transport: Arc<dyn TransportConsumer>,
    pub(super) options: Arc<EpochSafeConsumerOptions>,
    pub(super) stores: Option<Stores>,
    pub(super) meters: Meters,
    pub(super) shared: Arc<Shared>,
}

impl Crew {
    /// Starts to read a partition.
    pub(super) fn read(&self, pumps: &Pumps, partition: PartitionId, start: StartPosition) {
        let most = self.options.most_outstanding();
        let lane = self.shared.buffer.add(partition, most);
        self.shared.checkpointer.count_unsaved(&lane);
        self.shared.add(Arc::clone(&lane));
        let slot = lane.slot;
        let pump = Pump {
            transport: Arc::clone(&self.transport),
            consumer_group: self.options.consumer_group.clone(),
            name: self.options.name.clone(),
            policy: self.options.policy,
            claim: self.options.claim,
            missing: self.options.missing_position,
            records: Records {
                stores: self.stores.clone(),
                partition,
            },
            buffer: Arc::clone(&self.shared.buffer),
            meters: self.meters.of(partition),
            look: Look::new(
                Arc::clone(&self.transport),
                partition,
                self.options.liveness_timeout / 2,
            ),
            lane,
            start,
            life: Life::default(),
        };
        pumps.start(slot, |closing| pump.run(closing));
    }

    /// Looks for new partitions now and then, for as long as there are pumps.
    pub(super) async fn discover(self, pumps: Weak<Pumps>) {
        loop {
            tokio::time::sleep(self.options.discovery_interval).await;
            // A transport that panics once is asked again, as one that fails.
            let asking = Shielded::call(|| self.transport.hub_properties());
            let found = match tokio::time::timeout(LIMIT, asking).await {
                Ok(Some(Ok(hub))) => hub.partitions,
                Ok(Some(Err(error))) => {
                    tracing::debug!(%error, "the hub's partitions are not known anew");
                    continue;
                }
                Ok(None) | Err(_) => continue,
            };
            let Some(pumps) = pumps.upgrade() else { return };
            let known = self.shared.partitions();
            for partition in found.into_iter().filter(|found| !known.contains(found)) {
                tracing::info!(%partition, "partition added to the hub: it is read");
                // All of it came after the consumer was opened.
                self.read(&pumps, partition, StartPosition::Earliest);
            }
        }
    }
}
