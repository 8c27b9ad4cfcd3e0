//! The harnesses of the stores, and directories that go.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use eventhubs_flow::PartitionId;
use eventhubs_flow::consumer::checkpoint::{Checkpoint, ConsumerScope};

/// A directory that is deleted when it is dropped.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("eventhubs-flow-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // What a process of the same number has left.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

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
