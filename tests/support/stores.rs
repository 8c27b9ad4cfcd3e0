//! A store that fails or hangs on command.

// Each test binary uses a part of it.
#![allow(dead_code)]

#[path = "store_calls.rs"]
mod store_calls;

use std::sync::Arc;

use eventhubs_flow::consumer::checkpoint::{
    Checkpoint, CheckpointStore, ConsumerScope, MemoryStore, Ownership, OwnershipStore,
};
use eventhubs_flow::{Error, ErrorKind, PartitionId};
use store_calls::{Call, pass_calls};
use tokio::sync::watch;

/// What a store does to checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// They cannot be written.
    Failing,
    /// To write one takes for ever.
    Hanging,
    /// It holds something that is none.
    Corrupt,
}

/// A store in memory with a mood. A clone is the same store.
#[derive(Debug, Clone)]
pub(crate) struct Moody {
    pub(crate) inner: MemoryStore,
    mood: Arc<watch::Sender<Mood>>,
    /// Writes that were tried.
    attempts: Arc<watch::Sender<u64>>,
}

impl Moody {
    pub(crate) fn new() -> Self {
        Self::in_mood(Mood::Well)
    }

    pub(crate) fn in_mood(mood: Mood) -> Self {
        Self {
            inner: MemoryStore::new(),
            mood: Arc::new(watch::Sender::new(mood)),
            attempts: Arc::new(watch::Sender::new(0)),
        }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    pub(crate) fn attempts(&self) -> u64 {
        *self.attempts.borrow()
    }

    pub(crate) async fn tried(&self, attempts: u64) {
        let mut tried = self.attempts.subscribe();
        let enough = tried.wait_for(|tried| *tried >= attempts).await;
        enough.expect("the store is here");
    }

    async fn pass<T>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        if call == Call::Store {
            self.attempts.send_modify(|attempts| *attempts += 1);
        }
        let planted = |kind| Err(Error::new(kind, "planted"));
        let mood = *self.mood.borrow();
        match (mood, call) {
            (Mood::Failing, Call::Store) => planted(ErrorKind::StoreUnavailable),
            (Mood::Hanging, Call::Store) => std::future::pending().await,
            (Mood::Corrupt, Call::Checkpoint | Call::Fence | Call::Store | Call::Reset) => {
                planted(ErrorKind::CorruptCheckpoint)
            }
            _ => work.await,
        }
    }
}

pass_calls!(Moody);
