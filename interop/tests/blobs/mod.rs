//! Stores in Azurite, and what can go wrong on the way there.

// Each test binary uses a part of it.
#![allow(dead_code, unused_imports, unused_macros)]

pub(crate) mod cable;
pub(crate) mod proxy;

use std::time::Duration;

use eventhubs_flow::PartitionId;
use eventhubs_flow::consumer::checkpoint::{
    BlobStore, BlobStoreOptions, Checkpoint, ConsumerScope,
};
use eventhubs_interop::Azurite;

pub(crate) const CONTAINER: &str = "checkpoints";
pub(crate) const FIRST: PartitionId = PartitionId::new(0);

/// Where the blobs of the first partition are.
pub(crate) const CHECKPOINT: &str = "ns.servicebus.windows.net/eh1/$default/checkpoint/0";
pub(crate) const OWNERSHIP: &str = "ns.servicebus.windows.net/eh1/$default/ownership/0";
pub(crate) const GENERATION: &str = "ns.servicebus.windows.net/eh1/$default/generation/0";

pub(crate) fn scope() -> ConsumerScope {
    ConsumerScope::new("NS.servicebus.windows.net", "eh1", "$Default")
}

pub(crate) fn at(sequence_number: i64) -> Checkpoint {
    Checkpoint {
        sequence_number,
        offset: Some(format!("{}", sequence_number * 100)),
    }
}

/// Options that give up before the tests do.
pub(crate) fn options() -> BlobStoreOptions {
    BlobStoreOptions::default().with_try_timeout(Duration::from_secs(30))
}

/// A store in a container that is there.
pub(crate) async fn store(azurite: &Azurite) -> BlobStore {
    store_by(azurite, azurite.port(), options()).await
}

/// The same, by another port.
pub(crate) async fn store_by(azurite: &Azurite, port: u16, options: BlobStoreOptions) -> BlobStore {
    let direct = azurite.connection_string();
    let direct = BlobStore::from_connection_string(&direct, CONTAINER, options.clone());
    let made = direct.expect("nothing is wrong with it");
    made.create_container_if_missing()
        .await
        .expect("Azurite runs");
    let account = azurite.connection_string_by(port);
    let store = BlobStore::from_connection_string(&account, CONTAINER, options);
    store.expect("nothing is wrong with it")
}

/// An Azurite of the test's own; none, and the test is over, where it is not installed.
macro_rules! azurite {
    () => {
        match Azurite::start().await {
            Some(azurite) => azurite,
            None => return,
        }
    };
}

pub(crate) use azurite;
