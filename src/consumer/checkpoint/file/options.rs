//! How a store of files behaves.

use std::time::Duration;

/// How a [`FileStore`](super::FileStore) behaves.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use eventhubs_flow::consumer::checkpoint::FileStoreOptions;
///
/// let options = FileStoreOptions::default().with_lock_timeout(Duration::from_secs(2));
/// ```
#[derive(Debug, Clone)]
pub struct FileStoreOptions {
    pub(super) lock_timeout: Duration,
}

impl Default for FileStoreOptions {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_secs(10),
        }
    }
}

impl FileStoreOptions {
    /// How long a change waits for another process that is changing the same
    /// record, in real time. Such a process holds it for some milliseconds, unless
    /// it was frozen. Zero is one try. Defaults to 10 seconds.
    #[must_use]
    pub fn with_lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }
}
