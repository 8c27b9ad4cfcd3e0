//! The port for ownership.

use std::fmt;

use async_trait::async_trait;

use super::scope::ConsumerScope;
use crate::error::Error;
use crate::partition::PartitionId;

/// Who owns a partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ownership {
    /// The owner's name; `None` once it was released.
    pub owner: Option<String>,
    /// The number of the last claim: later owners have higher ones.
    pub generation: u64,
}

/// Keeps who owns each partition.
///
/// Each call is one attempt. A store that cannot be reached fails with
/// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable), which can
/// be tried again.
#[async_trait]
pub trait OwnershipStore: fmt::Debug + Send + Sync + 'static {
    /// Whether all processes that read the hub see the same records, so that a
    /// generation orders owners anywhere, or only those of this process.
    fn is_shared(&self) -> bool;

    /// Reads who owns a partition; `None` if nobody ever did.
    ///
    /// # Cancel safety
    /// Dropping the future loses the answer and nothing else.
    async fn ownership(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
    ) -> Result<Option<Ownership>, Error>;

    /// Makes `owner` the owner, whoever is it now, and returns its generation:
    /// higher than that of any claim before, in every process.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidOptions`](crate::ErrorKind::InvalidOptions) if the name
    /// is empty or longer than 1024 bytes.
    ///
    /// # Cancel safety
    /// When the future is dropped, the claim was made or was not.
    async fn claim(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        owner: &str,
    ) -> Result<u64, Error>;

    /// Gives a partition up, so that others need not wait for it; the generation
    /// stays. If it was claimed again since, nothing happens.
    ///
    /// # Cancel safety
    /// When the future is dropped, it is released or is not.
    async fn release(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
    ) -> Result<(), Error>;
}
