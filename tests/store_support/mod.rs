//! The harnesses of the stores, and directories that go.

// Each test binary uses a part of it.
#![allow(dead_code)]

#[path = "../support/directory.rs"]
mod directory;

use std::fs;
use std::path::{Path, PathBuf};

use eventhubs_flow::PartitionId;
use eventhubs_flow::consumer::checkpoint::{Checkpoint, ConsumerScope};

pub(crate) use directory::Directory;

pub(crate) const FIRST: PartitionId = PartitionId::new(0);

pub(crate) fn scope() -> ConsumerScope {
    ConsumerScope::new("ns.servicebus.windows.net", "eh1", "$Default")
}

/// The folder of a partition whose names need no escaping.
pub(crate) fn folder_of(root: &Path, scope: &ConsumerScope, partition: PartitionId) -> PathBuf {
    root.join(scope.to_string()).join(partition.to_string())
}

/// The newest version of a partition's record, if there is one.
pub(crate) fn record_in(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    let numbers = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let newest: Option<u64> = numbers.max();
    Some(folder.join(newest?.to_string()))
}

pub(crate) fn at(sequence_number: i64) -> Checkpoint {
    Checkpoint {
        sequence_number,
        offset: Some(format!("offset of {sequence_number}")),
    }
}
