//! The port for checkpoints.

use std::fmt;

use async_trait::async_trait;

use super::scope::ConsumerScope;
use crate::error::Error;
use crate::partition::PartitionId;

/// How far a partition was read: everything up to this event is done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// The sequence number of the last event that is done.
    pub sequence_number: i64,
    /// Its offset, opaque, where it is known: other SDKs go by it. From 1 to 1024
    /// bytes.
    pub offset: Option<String>,
}

/// Keeps how far each partition was read.
///
/// Every write names the generation of its writer. A store keeps, per partition,
/// the highest generation it was [fenced](Self::fence) with, and refuses what is
/// older. It decides that in one step with the write, even between processes if it
/// is shared.
///
/// Each call is one attempt. A store that cannot be reached fails with
/// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable), which can
/// be tried again.
#[async_trait]
pub trait CheckpointStore: fmt::Debug + Send + Sync + 'static {
    /// Reads a partition's checkpoint; `None` if it has none.
    ///
    /// # Errors
    /// [`ErrorKind::CorruptCheckpoint`](crate::ErrorKind::CorruptCheckpoint) if
    /// what is stored cannot be understood: it is never taken for none.
    ///
    /// # Cancel safety
    /// Dropping the future loses the answer and nothing else.
    async fn checkpoint(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
    ) -> Result<Option<Checkpoint>, Error>;

    /// Refuses the writes of older generations from now on, and reads the
    /// checkpoint that they left. The same generation may fence again.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`](crate::ErrorKind::Fenced) if a later generation has
    /// fenced it; as [`checkpoint`](Self::checkpoint).
    ///
    /// # Cancel safety
    /// When the future is dropped, the fence is there or is not.
    async fn fence(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
    ) -> Result<Option<Checkpoint>, Error>;

    /// Stores a checkpoint. One that is stored already is stored again. A
    /// generation higher than the fence raises it.
    ///
    /// # Errors
    /// - [`ErrorKind::Fenced`](crate::ErrorKind::Fenced) if a later generation has
    ///   fenced the partition;
    /// - [`ErrorKind::InvalidPosition`](crate::ErrorKind::InvalidPosition) if it
    ///   would go back: what is stored stays;
    /// - [`ErrorKind::CorruptCheckpoint`](crate::ErrorKind::CorruptCheckpoint) if
    ///   it is no position (a negative number, an offset that is empty or too
    ///   long), or what is stored cannot be understood: what is stored stays.
    ///
    /// # Cancel safety
    /// When the future is dropped, it is stored whole or not at all.
    async fn store(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
        checkpoint: &Checkpoint,
    ) -> Result<(), Error>;

    /// Sets a partition's checkpoint anywhere, back too, or takes it away: `None`
    /// starts where the consumer's options say. Also over what cannot be
    /// understood. The fence is raised to the generation.
    ///
    /// It is for a deliberate rewind, and for a hub that was created anew. A store
    /// logs it at warn.
    ///
    /// # Errors
    /// As [`store`](Self::store), but it may go back.
    ///
    /// # Cancel safety
    /// When the future is dropped, it is done whole or not at all.
    async fn reset(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<(), Error>;
}
