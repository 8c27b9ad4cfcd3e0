//! The port for ownership.

use std::fmt;
use std::time::Duration;

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
    /// Another after each claim, renewal and release, and never one that was before.
    /// Opaque, such as a blob's ETag.
    pub version: String,
    /// How long ago it was claimed, renewed or released when it was read, by the
    /// store's own clock: that of one process need not agree with another's.
    pub age: Duration,
}

/// Keeps who owns each partition.
///
/// An owner for a while, one of many that share the partitions of a hub, claims with
/// [`claim_if`](Self::claim_if) what nobody has claimed meanwhile, and says with
/// [`renew`](Self::renew) that it is still there. The store keeps the age of that, and
/// judges nothing by it: which age is too old is up to those who share.
///
/// What is written of checkpoints changes neither the version nor the age.
///
/// Where other programs claim partitions in the same records, in ways of their own,
/// a generation may stay as it is though the owner is another. The version never does.
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

    /// Reads who owns the partitions of a consumer group, in any order: those that
    /// somebody has ever owned. A record that cannot be understood is left out: to
    /// claim its partition tells what is wrong with it.
    ///
    /// # Cancel safety
    /// Dropping the future loses the answer and nothing else.
    async fn ownerships(
        &self,
        scope: &ConsumerScope,
    ) -> Result<Vec<(PartitionId, Ownership)>, Error>;

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

    /// Makes `owner` the owner as [`claim`](Self::claim) does, if nothing has changed
    /// since `seen` was read, going by its version; `None` stands for a partition that
    /// nobody ever owned. Returns what it is now, or `None` if something has changed:
    /// then it stays as it is. Of several that saw the same, one claims it.
    ///
    /// # Errors
    /// As [`claim`](Self::claim).
    ///
    /// # Cancel safety
    /// When the future is dropped, the claim was made or was not.
    async fn claim_if(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        owner: &str,
        seen: Option<&Ownership>,
    ) -> Result<Option<Ownership>, Error>;

    /// Says that the owner is still there: the age begins again, the generation stays.
    /// Returns what it is now, or `None` if the owner in `held` is not the owner any
    /// more, or not by that claim: then it stays as it is.
    ///
    /// It goes by owner and generation, not by the version: a renewal whose answer was
    /// lost can be made again.
    ///
    /// # Cancel safety
    /// When the future is dropped, it was renewed or was not.
    async fn renew(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        held: &Ownership,
    ) -> Result<Option<Ownership>, Error>;

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
