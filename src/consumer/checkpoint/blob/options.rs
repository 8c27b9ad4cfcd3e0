//! The options of the store.

use std::fmt;
use std::time::Duration;

/// Options of a [`BlobStore`](super::BlobStore).
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use eventhubs_flow::consumer::checkpoint::BlobStoreOptions;
///
/// let options = BlobStoreOptions::default().with_try_timeout(Duration::from_secs(5));
/// ```
#[derive(Clone)]
pub struct BlobStoreOptions {
    pub(super) try_timeout: Duration,
    pub(super) roots: Option<Vec<u8>>,
    pub(super) plaintext_to: Option<String>,
}

impl Default for BlobStoreOptions {
    fn default() -> Self {
        Self {
            try_timeout: Duration::from_secs(10),
            roots: None,
            plaintext_to: None,
        }
    }
}

impl BlobStoreOptions {
    /// How long a call may take, all its requests and lost races together. Defaults
    /// to 10 s.
    #[must_use]
    pub fn with_try_timeout(mut self, timeout: Duration) -> Self {
        self.try_timeout = timeout;
        self
    }

    /// Trusts these root certificates, in PEM, and no others. Defaults to those of
    /// the platform.
    #[must_use]
    pub fn with_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// Allows `http://` to one host that is not this machine, such as an Azurite in
    /// a container of its own. Anyone in between reads what is sent, keys and tokens
    /// included. Defaults to none.
    #[must_use]
    pub fn allow_plaintext_to(mut self, host: impl Into<String>) -> Self {
        self.plaintext_to = Some(host.into());
        self
    }
}

impl fmt::Debug for BlobStoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobStoreOptions")
            .field("try_timeout", &self.try_timeout)
            .field("own_roots", &self.roots.is_some())
            .field("plaintext_to", &self.plaintext_to)
            .finish()
    }
}
