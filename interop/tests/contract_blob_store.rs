//! The store of blobs keeps the contract of its ports, in the real Azurite.

mod blobs;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use blobs::cable::Cable;
use eventhubs_flow::PartitionId;
use eventhubs_flow::consumer::checkpoint::contract::{self, Guard, Harness};
use eventhubs_flow::consumer::checkpoint::{
    BlobStore, CheckpointStore, ConsumerScope, OwnershipStore,
};
use eventhubs_interop::Azurite;

/// A container of its own.
#[derive(Debug)]
struct Blobs {
    azurite: Arc<Azurite>,
    cable: Cable,
    container: String,
}

impl Blobs {
    async fn fresh(azurite: &Arc<Azurite>) -> Self {
        static CONTAINERS: AtomicU64 = AtomicU64::new(0);
        let number = CONTAINERS.fetch_add(1, Ordering::Relaxed);
        let blobs = Self {
            azurite: Arc::clone(azurite),
            cable: Cable::to(azurite.port()).await,
            container: format!("checkpoints-{number}"),
        };
        let made = blobs.open().create_container_if_missing().await;
        assert!(made.expect("Azurite runs"), "it is there before");
        blobs
    }

    fn open(&self) -> Arc<BlobStore> {
        let account = self.azurite.connection_string_by(self.cable.port);
        let store = BlobStore::from_connection_string(&account, &self.container, blobs::options());
        Arc::new(store.expect("nothing is wrong with it"))
    }
}

#[async_trait]
impl Harness for Blobs {
    async fn checkpoints(&self) -> Option<Arc<dyn CheckpointStore>> {
        Some(self.open())
    }

    async fn owners(&self) -> Option<Arc<dyn OwnershipStore>> {
        Some(self.open())
    }

    async fn damage(&self, scope: &ConsumerScope, partition: PartitionId) -> bool {
        let blob = format!("{scope}/checkpoint/{partition}");
        let damaged = [("sequencenumber", "many"), ("offset", "1")];
        self.azurite
            .put_metadata(&self.container, &blob, &damaged)
            .await;
        true
    }

    async fn cut_off(&self) -> Option<Guard> {
        Some(self.cable.pull_out())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_keep_the_contract() {
    let Some(azurite) = Azurite::start().await else {
        return;
    };
    let azurite = Arc::new(azurite);
    let report = contract::run(async || Blobs::fresh(&azurite).await).await;
    assert!(report.skipped().is_empty(), "{report}");
}
