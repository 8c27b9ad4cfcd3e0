//! The records of owners, each call bounded, counted, and safe against panics.

use std::time::Duration;

use super::meters::{Meters, StoreCall};
use crate::consumer::checkpoint::Ownership;
use crate::consumer::epoch_safe::Stores;
use crate::error::Error;
use crate::partition::PartitionId;

#[derive(Debug)]
pub(super) struct Registry {
    pub(super) stores: Stores,
    pub(super) meters: Meters,
}

impl Registry {
    pub(super) fn owner(&self) -> &str {
        &self.stores.owner
    }

    pub(super) async fn list(&self) -> Result<Vec<(PartitionId, Ownership)>, Error> {
        let Stores { owners, scope, .. } = &self.stores;
        let call = async { owners.ownerships(scope).await };
        self.count(
            StoreCall::List,
            self.stores.bounded("listing the owners", call).await,
        )
    }

    pub(super) async fn read(&self, partition: PartitionId) -> Result<Option<Ownership>, Error> {
        let Stores { owners, scope, .. } = &self.stores;
        let call = async { owners.ownership(scope, partition).await };
        self.count(
            StoreCall::List,
            self.stores.bounded("reading the owner", call).await,
        )
    }

    pub(super) async fn claim(
        &self,
        partition: PartitionId,
        seen: Option<&Ownership>,
    ) -> Result<Option<Ownership>, Error> {
        let Stores {
            owners,
            scope,
            owner,
            ..
        } = &self.stores;
        let call = async { owners.claim_if(scope, partition, owner, seen).await };
        let claimed = self.stores.bounded("claiming the partition", call).await;
        self.count(StoreCall::Claim, claimed)
    }

    pub(super) async fn renew(
        &self,
        partition: PartitionId,
        held: &Ownership,
    ) -> Result<Option<Ownership>, Error> {
        let Stores { owners, scope, .. } = &self.stores;
        let call = async { owners.renew(scope, partition, held).await };
        let renewed = self.stores.bounded("renewing the ownership", call).await;
        self.count(StoreCall::Renew, renewed)
    }

    pub(super) async fn release(
        &self,
        partition: PartitionId,
        generation: u64,
    ) -> Result<(), Error> {
        let Stores { owners, scope, .. } = &self.stores;
        let call = async { owners.release(scope, partition, generation).await };
        let released = self.stores.bounded("releasing the partition", call).await;
        self.count(StoreCall::Release, released)
    }

    pub(super) fn timeout(&self) -> Duration {
        self.stores.timeout
    }

    fn count<T>(&self, call: StoreCall, answer: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &answer {
            self.meters.store_failed(call, error);
        }
        answer
    }
}
