//! One event hub.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use crate::clock;
use crate::config::HubConfig;
use crate::metrics::{Changes, Counters, Metrics};
use crate::partition_key;
use crate::partition_log::PartitionLog;
use crate::receivers::{Displaced, ReceiverInfo, ReceiverLease, Receivers};
use crate::retention::Retention;
use crate::texts::{self, Scope, ServiceError};
use crate::throughput::{EgressShare, HubThroughput, Throughput};

/// An event hub: its partitions and the receivers at them.
#[derive(Debug)]
pub(crate) struct Hub {
    name: String,
    scope: Scope,
    created_at: i64,
    /// Only ever replaced by more.
    partitions: RwLock<Arc<[Arc<PartitionLog>]>>,
    consumer_groups: Vec<Arc<str>>,
    receivers: Arc<Receivers>,
    /// Events ever appended, over all partitions.
    total: watch::Sender<u64>,
    placed: AtomicU32,
    counters: Counters,
    throughput: HubThroughput,
}

impl Hub {
    /// The configuration is taken as valid.
    pub(crate) fn new(
        namespace: &str,
        config: &HubConfig,
        retention: &Arc<Retention>,
        changes: &Arc<Changes>,
        throughput: &Arc<Throughput>,
    ) -> Self {
        let hub = Self {
            name: config.name().to_owned(),
            created_at: clock::unix_millis(),
            partitions: RwLock::default(),
            consumer_groups: config.consumer_groups().map(Arc::from).collect(),
            receivers: Receivers::new(),
            total: watch::Sender::new(0),
            placed: AtomicU32::new(0),
            counters: Counters::new(changes),
            throughput: HubThroughput::new(throughput),
            scope: Scope::hub(namespace, config.name()),
        };
        hub.grow(config.partitions(), retention);
        hub
    }

    /// Adds partitions until there are `count`. Those that are there stay as they are.
    pub(crate) fn grow(&self, count: u32, retention: &Arc<Retention>) {
        let mut partitions = self
            .partitions
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let added = (partitions.len() as u32..count).map(|id| {
            let scope = self.scope.partition(id, count);
            Arc::new(PartitionLog::new(scope, retention, self.total.clone()))
        });
        *partitions = partitions.iter().cloned().chain(added).collect();
    }

    /// The name as configured.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Unix time in milliseconds.
    pub(crate) fn created_at(&self) -> i64 {
        self.created_at
    }

    pub(crate) fn partition_count(&self) -> u32 {
        self.partitions().len() as u32
    }

    /// All partitions, in order of their ids. An id that was valid once is so ever after.
    pub(crate) fn partitions(&self) -> Arc<[Arc<PartitionLog>]> {
        let partitions = self.partitions.read();
        Arc::clone(&partitions.unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What was counted until now.
    pub(crate) fn metrics(&self) -> Metrics {
        let partitions = self.partitions();
        let size = partitions.iter().map(|log| log.size());
        self.counters.snapshot(size.sum())
    }

    /// The partition that an address names.
    ///
    /// # Errors
    ///
    /// The refusal, when there is no such partition.
    pub(crate) fn partition(&self, id: &str) -> Result<(u32, Arc<PartitionLog>), ServiceError> {
        let partitions = self.partitions();
        let found = id.parse().ok().and_then(|id: u32| {
            let log = partitions.get(id as usize)?;
            Some((id, Arc::clone(log)))
        });
        let count = partitions.len() as u32;
        found.ok_or_else(|| texts::invalid_partition(count).tracked(&self.scope))
    }

    /// The consumer group's name as configured, whatever the case of `name`.
    ///
    /// # Errors
    ///
    /// The refusal, when there is no such group.
    pub(crate) fn consumer_group(&self, name: &str) -> Result<&Arc<str>, ServiceError> {
        self.consumer_groups
            .iter()
            .find(|group| group.eq_ignore_ascii_case(name))
            .ok_or_else(|| texts::group_not_found(&self.scope, name).tracked(&self.scope))
    }

    /// The partition for the next batch that leaves the choice to the hub.
    pub(crate) fn next_round_robin(&self) -> u32 {
        self.placed.fetch_add(1, Ordering::Relaxed) % self.partition_count()
    }

    pub(crate) fn partition_for_key(&self, key: &str) -> u32 {
        partition_key::partition_for_key(key, self.partition_count())
    }

    /// Takes in a batch of `bytes` for a partition, or refuses it and counts nothing.
    ///
    /// # Errors
    ///
    /// The refusal, if the namespace or the partition is over its limit.
    pub(crate) fn admit_batch(
        &self,
        bytes: usize,
        events: usize,
        partition: u32,
    ) -> Result<(), ServiceError> {
        let place = || self.scope.partition(partition, self.partition_count());
        self.throughput
            .admit_batch(bytes, events, partition, &self.scope, place)
    }

    /// Lets a management call through, or refuses it and counts nothing.
    ///
    /// # Errors
    ///
    /// The refusal, if the hub or the namespace is over its limit.
    pub(crate) fn admit_call(&self) -> Result<(), ServiceError> {
        self.throughput.admit_call(&self.scope)
    }

    /// A receiver's share of what the namespace gives out.
    pub(crate) fn egress_share(&self) -> EgressShare {
        self.throughput.egress_share()
    }

    /// Attaches a receiver under the epoch rules. The place is held until the lease is dropped or
    /// another receiver takes it.
    ///
    /// # Errors
    ///
    /// The refusal, when the rules or a name forbid it.
    pub(crate) fn attach_receiver(
        &self,
        consumer_group: &str,
        partition: u32,
        epoch: Option<i64>,
        name: Option<String>,
    ) -> Result<(ReceiverLease, Displaced), ServiceError> {
        let group = self.consumer_group(consumer_group)?;
        let scope = self.scope.partition(partition, self.partition_count());
        let scope = scope.group(group);
        self.receivers.attach(group, partition, &scope, epoch, name)
    }

    /// Every attached receiver, by consumer group, partition and order of arrival.
    pub(crate) fn receivers(&self) -> Vec<ReceiverInfo> {
        self.receivers.list()
    }

    /// Waits until at least `count` receivers are attached.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub(crate) async fn wait_for_receivers(&self, count: usize) {
        self.receivers.at_least(count).await;
    }

    /// How many events were ever appended, over all partitions.
    pub(crate) fn event_count(&self) -> u64 {
        *self.total.borrow()
    }

    /// Waits until at least `count` events were appended, over all partitions.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub(crate) async fn wait_for_events(&self, count: u64) {
        // The sender lives as long as `self`, so the channel cannot close.
        let _ = self.total.subscribe().wait_for(|n| *n >= count).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition_log::{EventAnnotations, NewEvent};

    fn hub() -> Hub {
        let config = HubConfig::new("Orders").with_consumer_group("Billing");
        let retention = Retention::new(1 << 20, 4);
        let throughput = Throughput::new(None, false);
        Hub::new("ns", &config, &retention, &Arc::default(), &throughput)
    }

    fn event() -> NewEvent<'static> {
        NewEvent {
            sections: b"event",
            annotations: EventAnnotations::default(),
        }
    }

    #[test]
    fn batches_go_round_the_partitions_from_the_first() {
        let hub = hub();
        let placed: Vec<_> = (0..6).map(|_| hub.next_round_robin()).collect();
        assert_eq!(placed, [0, 1, 2, 3, 0, 1]);
    }

    #[test]
    fn a_partition_is_found_by_its_id_only() {
        let hub = hub();
        for (index, id) in ["0", "1", "2", "3"].into_iter().enumerate() {
            assert_eq!(hub.partition(id).unwrap().0 as usize, index);
        }
        for id in ["4", "-1", "", "a", "4294967296"] {
            let error = hub.partition(id).unwrap_err();
            assert_eq!(error.condition, "com.microsoft:argument-out-of-range");
            assert!(error.text.contains("between 0 and 3. TrackingId:"));
        }
    }

    #[test]
    fn consumer_groups_are_found_whatever_their_case() {
        let hub = hub();
        for (name, canonical) in [("billing", "Billing"), ("$default", "$Default")] {
            assert_eq!(&**hub.consumer_group(name).unwrap(), canonical);
        }
        let error = hub.consumer_group("nope").unwrap_err();
        assert_eq!(error.condition, "amqp:not-found");
    }

    #[test]
    fn groups_named_in_another_case_contend_for_the_same_place() {
        let hub = hub();
        let _holder = hub.attach_receiver("billing", 0, Some(1), None).unwrap();
        let refusal = hub.attach_receiver("BILLING", 0, None, None).unwrap_err();
        assert!(
            refusal
                .text
                .contains("SystemTracker:ns:eventhub:Orders~8191|billing,")
        );
        assert_eq!(hub.receivers()[0].consumer_group, "Billing");
    }

    #[tokio::test]
    async fn events_of_all_partitions_are_counted_and_awaited() {
        let hub = Arc::new(hub());
        let waiting = Arc::clone(&hub);
        let waiter = tokio::spawn(async move { waiting.wait_for_events(3).await });
        hub.partitions()[0].append([event(), event()]);
        hub.partitions()[3].append([event()]);
        waiter.await.unwrap();
        assert_eq!(hub.event_count(), 3);
    }

    #[test]
    fn after_growth_old_partitions_are_the_same_and_new_ones_take_part_in_all() {
        let hub = hub();
        let old = hub.partitions();
        hub.grow(6, &Retention::new(1 << 20, 6));
        assert_eq!(hub.partition_count(), 6);
        let logs = hub.partitions();
        assert!(old.iter().zip(&*logs).all(|(a, b)| Arc::ptr_eq(a, b)));
        assert_eq!(hub.partition("5").unwrap().0, 5);
        assert!(hub.partition("6").is_err());
        let mut placed: Vec<_> = (0..6).map(|_| hub.next_round_robin()).collect();
        placed.sort_unstable();
        assert_eq!(placed, [0, 1, 2, 3, 4, 5]);
        for n in 0..100 {
            let key = n.to_string();
            let expected = partition_key::partition_for_key(&key, 6);
            assert_eq!(hub.partition_for_key(&key), expected);
        }
        logs[5].append([event()]);
        assert_eq!(hub.event_count(), 1);
    }
}
