//! The store: both ports over a container.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::access::Access;
use super::address::Address;
use super::blobs::Blobs;
use super::connection_string::{Account, Rights};
use super::container::Container;
use super::options::BlobStoreOptions;
use super::{checkpoints, owners};
use crate::consumer::checkpoint::ownership::{Ownership, OwnershipStore};
use crate::consumer::checkpoint::record::{Change, Place};
use crate::consumer::checkpoint::scope::ConsumerScope;
use crate::consumer::checkpoint::store::{Checkpoint, CheckpointStore};
use crate::credential::TokenCredential;
use crate::error::{Error, ErrorKind};
use crate::partition::PartitionId;

/// A store in a container of Azure Blob Storage, shared by all processes that use the
/// container, with this library or with another SDK.
///
/// The [module](crate::consumer::checkpoint::blob) tells what is in the blobs. A clone
/// is the same store, with the same connections. Nothing is sent before the first call.
///
/// Every call takes 10 s at most, unless [an option](BlobStoreOptions::with_try_timeout)
/// says otherwise, and makes each of its requests once. When another process was
/// faster, a call looks again and goes on from there, within that time.
///
/// # Errors
/// What the ports name, and of every call:
/// - [`ErrorKind::StoreUnavailable`] if there is no answer in time, or none that helps;
/// - [`ErrorKind::NotFound`] if there is no such container: see
///   [`create_container_if_missing`](Self::create_container_if_missing);
/// - [`ErrorKind::Unauthorized`] if the key, signature or token does not do;
/// - [`ErrorKind::Untrusted`] if the host does not prove who it is;
/// - [`ErrorKind::InvalidOptions`] if a namespace, hub or consumer group has a name
///   that the service has not.
///
/// # Cancel safety
/// When the future of a change is dropped, the change is made whole or not at all, and
/// never on top of a later one.
///
/// # Examples
/// ```no_run
/// use eventhubs_flow::consumer::checkpoint::{BlobStore, BlobStoreOptions};
/// use eventhubs_flow::consumer::epoch_safe::EpochSafeConsumerOptions;
///
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let account = std::env::var("STORAGE_CONNECTION_STRING")?;
/// let store = BlobStore::from_connection_string(
///     &account,
///     "checkpoints",
///     BlobStoreOptions::default(),
/// )?;
/// store.create_container_if_missing().await?;
/// let options = EpochSafeConsumerOptions::default().with_store(store);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BlobStore {
    container: Arc<Container>,
    try_timeout: Duration,
}

impl BlobStore {
    /// A container of the account in a connection string, as the portal shows it, with
    /// the account's key or a shared access signature. Azurite's are understood, too,
    /// and `UseDevelopmentStorage=true`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConnectionString`] or [`ErrorKind::InvalidOptions`]; neither
    /// holds a secret.
    pub fn from_connection_string(
        connection_string: &str,
        container: &str,
        options: BlobStoreOptions,
    ) -> Result<Self, Error> {
        let Account { endpoint, rights } = Account::parse(connection_string)?;
        let address = Address::in_account(&endpoint, container)?;
        let access = match rights {
            Rights::Key { account, key } => Access::key(account, &key)?,
            Rights::Signature(signature) => Access::signature(signature),
        };
        Self::open(address, access, options)
    }

    /// A container by its URL with a shared access signature:
    /// `https://<account>.blob.core.windows.net/<container>?sv=...&sig=...`, which
    /// allows to read, write, create, delete and list (`rwcdl`).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidOptions`]; no secret is in it.
    pub fn from_sas_url(url: &str, options: BlobStoreOptions) -> Result<Self, Error> {
        let (address, signature) = Address::with_sas(url)?;
        let signature = signature.ok_or_else(|| {
            Error::invalid_options("the URL has no shared access signature: it follows a `?`")
        })?;
        Self::open(address, Access::signature(signature), options)
    }

    /// A container by its URL, `https://<account>.blob.core.windows.net/<container>`,
    /// with tokens of Microsoft Entra ID for the scope
    /// `https://storage.azure.com/.default`. The identity is a *Storage Blob Data
    /// Contributor* of the container. A token is used for four fifths of its life, and
    /// to its end if there is no other.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidOptions`].
    pub fn with_credential(
        url: &str,
        credential: Arc<dyn TokenCredential>,
        options: BlobStoreOptions,
    ) -> Result<Self, Error> {
        let (address, signature) = Address::with_sas(url)?;
        if signature.is_some() {
            return Err(Error::invalid_options(
                "a credential and a shared access signature contradict each other: remove one",
            ));
        }
        Self::open(address, Access::tokens(credential), options)
    }

    fn open(address: Address, access: Access, options: BlobStoreOptions) -> Result<Self, Error> {
        address.check_plaintext(&options)?;
        let container = Container::new(address, access, options.roots);
        Ok(Self {
            container: Arc::new(container),
            try_timeout: options.try_timeout,
        })
    }

    /// Makes the container if it is not there; whether it was made. A signature for one
    /// container does not allow it.
    ///
    /// # Errors
    /// As every call.
    ///
    /// # Cancel safety
    /// When the future is dropped, the container was made or was not.
    pub async fn create_container_if_missing(&self) -> Result<bool, Error> {
        self.bounded("making the container", self.container.create())
            .await
    }

    fn blobs(&self) -> &dyn Blobs {
        &*self.container
    }

    /// Waits for what is to be done, but not for ever.
    async fn bounded<T>(
        &self,
        what: &str,
        done: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        let in_time = tokio::time::timeout(self.try_timeout, done).await;
        in_time.unwrap_or_else(|_| {
            let timeout = self.try_timeout;
            let message = format!("{what}: the store of blobs has not done it within {timeout:?}");
            Err(Error::new(ErrorKind::StoreUnavailable, message))
        })
    }

    async fn change(
        &self,
        what: &str,
        scope: &ConsumerScope,
        partition: PartitionId,
        change: Change,
    ) -> Result<Option<Checkpoint>, Error> {
        let place = Place::new(scope, partition);
        let changing = checkpoints::change(self.blobs(), &place, &change);
        let left = self.bounded(what, changing).await?;
        change.log(&place);
        Ok(left)
    }
}

impl fmt::Debug for BlobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobStore")
            .field("container", &self.container)
            .field("try_timeout", &self.try_timeout)
            .finish()
    }
}

#[async_trait]
impl CheckpointStore for BlobStore {
    async fn checkpoint(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
    ) -> Result<Option<Checkpoint>, Error> {
        let place = Place::new(scope, partition);
        let reading = checkpoints::read(self.blobs(), &place);
        self.bounded("reading the checkpoint", reading).await
    }

    async fn fence(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
    ) -> Result<Option<Checkpoint>, Error> {
        let change = Change::Fence(generation);
        self.change("fencing the checkpoint", scope, partition, change)
            .await
    }

    async fn store(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
        checkpoint: &Checkpoint,
    ) -> Result<(), Error> {
        let change = Change::Store(generation, checkpoint.clone());
        let stored = self.change("storing the checkpoint", scope, partition, change);
        stored.await.map(drop)
    }

    async fn reset(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<(), Error> {
        let change = Change::Reset(generation, checkpoint.cloned());
        let reset = self.change("resetting the checkpoint", scope, partition, change);
        reset.await.map(drop)
    }
}

#[async_trait]
impl OwnershipStore for BlobStore {
    fn is_shared(&self) -> bool {
        true
    }

    async fn ownership(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
    ) -> Result<Option<Ownership>, Error> {
        let place = Place::new(scope, partition);
        let reading = owners::read(self.blobs(), &place);
        self.bounded("reading the owner", reading).await
    }

    async fn ownerships(
        &self,
        scope: &ConsumerScope,
    ) -> Result<Vec<(PartitionId, Ownership)>, Error> {
        let listing = owners::list(self.blobs(), scope);
        self.bounded("listing the owners", listing).await
    }

    async fn claim(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        owner: &str,
    ) -> Result<u64, Error> {
        let place = Place::new(scope, partition);
        let claiming = owners::claim(self.blobs(), &place, owner);
        self.bounded("claiming the partition", claiming).await
    }

    async fn claim_if(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        owner: &str,
        seen: Option<&Ownership>,
    ) -> Result<Option<Ownership>, Error> {
        let place = Place::new(scope, partition);
        let claiming = owners::claim_if(self.blobs(), &place, owner, seen);
        self.bounded("claiming the partition", claiming).await
    }

    async fn renew(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        held: &Ownership,
    ) -> Result<Option<Ownership>, Error> {
        let place = Place::new(scope, partition);
        let renewing = owners::renew(self.blobs(), &place, held);
        self.bounded("renewing the owner", renewing).await
    }

    async fn release(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
    ) -> Result<(), Error> {
        let place = Place::new(scope, partition);
        let releasing = owners::release(self.blobs(), &place, generation);
        self.bounded("releasing the partition", releasing).await
    }
}
