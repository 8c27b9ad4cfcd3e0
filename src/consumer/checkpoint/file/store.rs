//! The store: both ports over files.

use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use super::disk;
use super::record_file::{RecordFile, partitions_of};
use crate::consumer::checkpoint::ownership::{Ownership, OwnershipStore};
use crate::consumer::checkpoint::record::{Change, Millis, Place, Record, unless_lost};
use crate::consumer::checkpoint::scope::ConsumerScope;
use crate::consumer::checkpoint::store::{Checkpoint, CheckpointStore};
use crate::error::{Error, ErrorKind};
use crate::partition::PartitionId;

/// A store in a directory, shared by all processes of the machine that open it.
///
/// What it has told to be stored outlasts a crash of the process and of the
/// machine. The [module](crate::consumer::checkpoint::file) tells what is in the files. A clone is the same
/// store.
///
/// Files are read and written on tokio's threads for blocking work. Nobody waits for
/// another process, not even for one that stands still in the middle of a change:
/// of several changes at once one is made, and the others are tried again on top of
/// it, for some seconds at most.
///
/// # Cancel safety
/// When the future of a change is dropped, the change is made whole or not at all.
///
/// # Examples
/// ```
/// use eventhubs_flow::PartitionId;
/// use eventhubs_flow::consumer::checkpoint::{
///     Checkpoint, CheckpointStore, ConsumerScope, FileStore, OwnershipStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), eventhubs_flow::Error> {
/// # let directory = std::env::temp_dir().join(format!("eventhubs-flow-{}", std::process::id()));
/// let scope = ConsumerScope::new("ns.servicebus.windows.net", "eh1", "$Default");
/// let partition = PartitionId::new(0);
///
/// let store = FileStore::open(&directory).await?;
/// let generation = store.claim(&scope, partition, "worker-1").await?;
/// let checkpoint = Checkpoint { sequence_number: 100, offset: None };
/// store.store(&scope, partition, generation, &checkpoint).await?;
///
/// // Another process, or this one when it runs again.
/// let store = FileStore::open(&directory).await?;
/// assert_eq!(store.checkpoint(&scope, partition).await?, Some(checkpoint));
/// # std::fs::remove_dir_all(&directory).unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FileStore {
    root: Arc<Path>,
}

impl FileStore {
    /// Opens the store in a directory, which is made if it is not there.
    ///
    /// # Errors
    /// [`ErrorKind::StoreUnavailable`] if there is no such directory and it cannot
    /// be made.
    ///
    /// # Cancel safety
    /// When the future is dropped, the directory may have been made.
    pub async fn open(directory: impl AsRef<Path>) -> Result<Self, Error> {
        let directory = directory.as_ref().to_owned();
        let root = blocking(move || open(&directory)).await?.into();
        Ok(Self { root })
    }

    fn file(&self, scope: &ConsumerScope, partition: PartitionId) -> RecordFile {
        RecordFile::new(&self.root, Place::new(scope, partition))
    }

    async fn record(&self, scope: &ConsumerScope, partition: PartitionId) -> Result<Record, Error> {
        let file = self.file(scope, partition);
        blocking(move || file.read()).await
    }

    async fn change(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        change: Change,
    ) -> Result<Record, Error> {
        let file = self.file(scope, partition);
        let asked = Asked::default();
        let gone = Arc::clone(&asked.gone);
        blocking(move || {
            let is_abandoned = || gone.load(Ordering::Acquire);
            file.change(&change, &is_abandoned)
        })
        .await
    }
}

/// Whoever waits for a change, until it is dropped.
#[derive(Default)]
struct Asked {
    gone: Arc<AtomicBool>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Release);
    }
}

/// Does something that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        let message = format!("the runtime has not done the work with files: {error}");
        Err(Error::new(ErrorKind::StoreUnavailable, message).with_source(error))
    })
}

/// The time of day, which all processes of the machine share.
fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        since.as_millis().try_into().unwrap_or(Millis::MAX)
    })
}

fn open(directory: &Path) -> Result<PathBuf, Error> {
    // The process may change its current directory later.
    let root = absolute(directory).and_then(|root| {
        disk::create_folders(&root)?;
        Ok(root)
    });
    root.map_err(|error| {
        let message = format!("cannot open the store {}: {error}", directory.display());
        Error::new(ErrorKind::StoreUnavailable, message).with_source(error)
    })
}

#[async_trait]
impl CheckpointStore for FileStore {
    async fn checkpoint(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
    ) -> Result<Option<Checkpoint>, Error> {
        Ok(self.record(scope, partition).await?.checkpoint)
    }

    async fn fence(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
    ) -> Result<Option<Checkpoint>, Error> {
        let fenced = self
            .change(scope, partition, Change::Fence(generation))
            .await?;
        Ok(fenced.checkpoint)
    }

    async fn store(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
        checkpoint: &Checkpoint,
    ) -> Result<(), Error> {
        let change = Change::Store(generation, checkpoint.clone());
        self.change(scope, partition, change).await.map(drop)
    }

    async fn reset(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<(), Error> {
        let change = Change::Reset(generation, checkpoint.cloned());
        self.change(scope, partition, change).await.map(drop)
    }
}

#[async_trait]
impl OwnershipStore for FileStore {
    fn is_shared(&self) -> bool {
        true
    }

    async fn ownership(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
    ) -> Result<Option<Ownership>, Error> {
        Ok(self.record(scope, partition).await?.ownership(now()))
    }

    async fn ownerships(
        &self,
        scope: &ConsumerScope,
    ) -> Result<Vec<(PartitionId, Ownership)>, Error> {
        let (root, scope) = (Arc::clone(&self.root), scope.clone());
        blocking(move || {
            let mut owned = Vec::new();
            for partition in partitions_of(&root, &scope)? {
                let record = RecordFile::new(&root, Place::new(&scope, partition)).read();
                match record {
                    Ok(record) => owned.extend(record.ownership(now()).map(|it| (partition, it))),
                    Err(error) if *error.kind() == ErrorKind::CorruptCheckpoint => {
                        tracing::debug!(%error, "a record is left out");
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(owned)
        })
        .await
    }

    async fn claim(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        owner: &str,
    ) -> Result<u64, Error> {
        let change = Change::Claim(owner.to_owned(), now());
        Ok(self.change(scope, partition, change).await?.claimed)
    }

    async fn claim_if(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        owner: &str,
        seen: Option<&Ownership>,
    ) -> Result<Option<Ownership>, Error> {
        let seen = seen.map(|seen| seen.version.clone());
        let change = Change::ClaimIf(owner.to_owned(), seen, now());
        unless_lost(self.change(scope, partition, change).await, now())
    }

    async fn renew(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        held: &Ownership,
    ) -> Result<Option<Ownership>, Error> {
        let change = Change::Renew(held.owner.clone(), held.generation, now());
        unless_lost(self.change(scope, partition, change).await, now())
    }

    async fn release(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
    ) -> Result<(), Error> {
        let change = Change::Release(generation, now());
        self.change(scope, partition, change).await.map(drop)
    }
}
