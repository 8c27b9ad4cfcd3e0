//! The stores keep the contract of their ports.
#![cfg(feature = "contract")]

mod store_support;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use eventhubs_flow::PartitionId;
use eventhubs_flow::consumer::checkpoint::contract::{self, Guard, Harness};
use eventhubs_flow::consumer::checkpoint::{
    CheckpointStore, ConsumerScope, FileStore, MemoryStore, OwnershipStore,
};
use store_support::{Directory, folder_of, record_in};

#[derive(Debug, Default)]
struct Memory(MemoryStore);

#[async_trait]
impl Harness for Memory {
    async fn checkpoints(&self) -> Option<Arc<dyn CheckpointStore>> {
        // What is boxed and shared is a store, too.
        Some(Arc::new(Box::new(self.0.clone())))
    }

    async fn owners(&self) -> Option<Arc<dyn OwnershipStore>> {
        Some(Arc::new(Arc::new(self.0.clone())))
    }
}

#[derive(Debug)]
struct Files(Directory);

impl Files {
    async fn open(&self) -> Arc<FileStore> {
        Arc::new(FileStore::open(self.0.path()).await.unwrap())
    }
}

#[async_trait]
impl Harness for Files {
    async fn checkpoints(&self) -> Option<Arc<dyn CheckpointStore>> {
        Some(self.open().await)
    }

    async fn owners(&self) -> Option<Arc<dyn OwnershipStore>> {
        Some(self.open().await)
    }

    async fn damage(&self, scope: &ConsumerScope, partition: PartitionId) -> bool {
        let record = record_in(&folder_of(self.0.path(), scope, partition));
        fs::write(record.unwrap(), "").unwrap();
        true
    }

    async fn cut_off(&self) -> Option<Guard> {
        let here = self.0.path().to_owned();
        let away = here.with_extension("away");
        fs::rename(&here, &away).unwrap();
        Some(Guard::new(Back { here, away }))
    }
}

struct Back {
    here: PathBuf,
    away: PathBuf,
}

impl Drop for Back {
    fn drop(&mut self) {
        fs::rename(&self.away, &self.here).unwrap();
    }
}

const SKIPPED_IN_MEMORY: [&str; 6] = [
    "failing::damaged",
    "failing::damaged_apart",
    "failing::damaged_owners",
    "failing::damaged_listing",
    "failing::cut_off",
    "failing::cut_off_owners",
];

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    let report = contract::run(async || Memory::default()).await;
    assert_eq!(report.skipped(), SKIPPED_IN_MEMORY);
}

#[tokio::test]
async fn memory_keeps_the_contract_on_one_thread() {
    let report = contract::run(async || Memory::default()).await;
    assert_eq!(report.skipped(), SKIPPED_IN_MEMORY);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_keep_the_contract() {
    let report = contract::run(async || Files(Directory::new())).await;
    assert!(report.skipped().is_empty(), "{report}");
}

#[tokio::test]
async fn files_keep_the_contract_on_one_thread() {
    let report = contract::run(async || Files(Directory::new())).await;
    assert!(report.skipped().is_empty(), "{report}");
}

/// A store of one port only.
#[derive(Debug)]
struct OwnersOnly(Memory);

#[async_trait]
impl Harness for OwnersOnly {
    async fn owners(&self) -> Option<Arc<dyn OwnershipStore>> {
        self.0.owners().await
    }
}

#[tokio::test]
async fn what_a_store_has_not_is_skipped() {
    let report = contract::run(async || OwnersOnly(Memory::default())).await;
    assert!(report.held().contains(&"owners::claims_at_once"));
    assert!(report.skipped().contains(&"checkpoints::absent"));
}
