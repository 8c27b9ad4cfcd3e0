//! The receivers of one hub: who holds which partition, and how the displaced learn of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};

use crate::ownership::{LinkId, OwnershipTable, Receiver};
use crate::texts::{Scope, ServiceError};

/// A receiver that is attached to a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiverInfo {
    /// The consumer group it reads for.
    pub consumer_group: String,
    /// The partition it reads.
    pub partition: u32,
    /// Its epoch (owner level); `None` if it shares the partition.
    pub epoch: Option<i64>,
    /// The name it gave itself.
    pub name: Option<String>,
}

/// The receivers of one hub.
#[derive(Debug)]
pub(crate) struct Receivers {
    state: Mutex<State>,
    count: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    /// By consumer group (its canonical name) and partition. Empty tables are removed.
    tables: BTreeMap<(Arc<str>, u32), OwnershipTable>,
    /// How to tell each attached receiver that it was displaced.
    displaced: HashMap<LinkId, oneshot::Sender<ServiceError>>,
    last_link: u64,
}

impl Receivers {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            count: watch::Sender::new(0),
        })
    }

    /// Gives a receiver its place and tells those that it displaces.
    ///
    /// # Errors
    ///
    /// The refusal, when those already there forbid it.
    pub(crate) fn attach(
        self: &Arc<Self>,
        group: &Arc<str>,
        partition: u32,
        scope: &Scope,
        epoch: Option<i64>,
        name: Option<String>,
    ) -> Result<(ReceiverLease, Displaced), ServiceError> {
        let mut state = self.state();
        state.last_link += 1;
        let link = LinkId(state.last_link);
        let key = (Arc::clone(group), partition);
        let receiver = Receiver { link, epoch, name };
        // A refusal needs someone there, so it never leaves an empty table behind.
        let table = state.tables.entry(key.clone()).or_default();
        let losers = table
            .attach(receiver)
            .map_err(|refusal| refusal.tracked(scope))?;
        for (loser, reason) in losers {
            if let Some(channel) = state.displaced.remove(&loser) {
                // A receiver that is gone needs no telling.
                let _ = channel.send(reason.tracked(scope));
            }
        }
        let (sender, displaced) = oneshot::channel();
        state.displaced.insert(link, sender);
        self.count.send_replace(state.displaced.len());
        let receivers = Arc::clone(self);
        Ok((
            ReceiverLease {
                receivers,
                key,
                link,
            },
            displaced,
        ))
    }

    /// Every attached receiver, by consumer group, partition and order of arrival.
    pub(crate) fn list(&self) -> Vec<ReceiverInfo> {
        let state = self.state();
        let places = state.tables.iter();
        let infos = places.flat_map(|((group, partition), table)| {
            table.receivers().iter().map(|receiver| ReceiverInfo {
                consumer_group: group.to_string(),
                partition: *partition,
                epoch: receiver.epoch,
                name: receiver.name.clone(),
            })
        });
        infos.collect()
    }

    /// Waits until at least `count` receivers are attached.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub(crate) async fn at_least(&self, count: usize) {
        // The sender lives as long as `self`, so the channel cannot close.
        let _ = self.count.subscribe().wait_for(|n| *n >= count).await;
    }

    fn detach(&self, key: &(Arc<str>, u32), link: LinkId) {
        let mut state = self.state();
        state.displaced.remove(&link);
        if let Some(table) = state.tables.get_mut(key) {
            table.detach(link);
            if table.receivers().is_empty() {
                state.tables.remove(key);
            }
        }
        self.count.send_replace(state.displaced.len());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves to what to detach with once another receiver takes the place; to an error once the lease is dropped.
pub(crate) type Displaced = oneshot::Receiver<ServiceError>;

/// A receiver's place at its partition; dropping it frees the place.
#[derive(Debug)]
#[must_use]
pub(crate) struct ReceiverLease {
    receivers: Arc<Receivers>,
    key: (Arc<str>, u32),
    link: LinkId,
}

impl Drop for ReceiverLease {
    fn drop(&mut self) {
        self.receivers.detach(&self.key, self.link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        receivers: Arc<Receivers>,
        group: Arc<str>,
        scope: Scope,
    }

    impl Place {
        fn new() -> Self {
            Self {
                receivers: Receivers::new(),
                group: "$Default".into(),
                scope: Scope::hub("ns", "eh1").partition(0, 4).group("$Default"),
            }
        }

        fn attach(
            &self,
            partition: u32,
            epoch: Option<i64>,
        ) -> Result<(ReceiverLease, Displaced), ServiceError> {
            self.receivers
                .attach(&self.group, partition, &self.scope, epoch, None)
        }
    }

    #[tokio::test]
    async fn a_displaced_receiver_is_told_with_tracking() {
        let place = Place::new();
        let (_old, displaced) = place.attach(0, Some(1)).unwrap();
        let _new = place.attach(0, Some(2)).unwrap();
        let reason = displaced.await.unwrap();
        assert_eq!(reason.condition, "amqp:link:stolen");
        assert!(reason.text.contains("higher epoch of '2'"));
        assert!(
            reason
                .text
                .contains("SystemTracker:ns:eventhub:eh1~8191|$default")
        );
    }

    #[tokio::test]
    async fn waiting_for_displacement_ends_with_the_lease() {
        let place = Place::new();
        let (lease, displaced) = place.attach(0, Some(1)).unwrap();
        drop(lease);
        assert!(displaced.await.is_err());
    }

    #[test]
    fn a_refused_receiver_changes_nothing() {
        let place = Place::new();
        let _holder = place.attach(0, Some(1)).unwrap();
        let refusal = place.attach(0, None).unwrap_err();
        assert!(refusal.text.contains(" TrackingId:"));
        assert_eq!(place.receivers.list().len(), 1);
    }

    #[test]
    fn dropping_the_lease_frees_the_place() {
        let place = Place::new();
        drop(place.attach(0, Some(9)).unwrap());
        assert_eq!(place.receivers.list(), []);
        assert!(place.attach(0, None).is_ok());
    }

    #[test]
    fn a_displaced_lease_that_is_dropped_leaves_its_successor_in_place() {
        let place = Place::new();
        let old = place.attach(0, Some(0)).unwrap();
        let _new = place.attach(0, Some(0)).unwrap();
        drop(old);
        assert_eq!(place.receivers.list().len(), 1);
        assert_eq!(
            place.attach(0, None).unwrap_err().condition,
            "amqp:link:stolen"
        );
    }

    #[test]
    fn partitions_and_groups_do_not_meddle_with_each_other() {
        let place = Place::new();
        let _a = place.attach(0, Some(5)).unwrap();
        let _b = place.attach(1, None).unwrap();
        let other: Arc<str> = "cg1".into();
        let _c = place
            .receivers
            .attach(&other, 0, &place.scope, None, Some("me".into()))
            .unwrap();
        let shown = place.receivers.list();
        let info = |group: &str, partition, epoch, name: Option<&str>| ReceiverInfo {
            consumer_group: group.into(),
            partition,
            epoch,
            name: name.map(str::to_owned),
        };
        assert_eq!(
            shown,
            [
                info("$Default", 0, Some(5), None),
                info("$Default", 1, None, None),
                info("cg1", 0, None, Some("me")),
            ]
        );
    }

    #[tokio::test]
    async fn a_waiter_sees_the_receivers_arrive() {
        let place = Place::new();
        let receivers = Arc::clone(&place.receivers);
        let waiter = tokio::spawn(async move { receivers.at_least(2).await });
        let _a = place.attach(0, None).unwrap();
        let _b = place.attach(1, None).unwrap();
        waiter.await.unwrap();
    }
}
