//! How the SDK is used.

use std::num::NonZeroU32;
use std::time::Duration;

/// Options of [`AzureSdkProducer`](super::AzureSdkProducer) and
/// [`AzureSdkConsumer`](super::AzureSdkConsumer).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureSdkOptions {
    pub(super) try_timeout: Duration,
    pub(super) prefetch: NonZeroU32,
}

impl AzureSdkOptions {
    /// How long an operation may take, connecting and the wait for the calls
    /// before it included. Defaults to 60 s.
    #[must_use]
    pub fn with_try_timeout(mut self, timeout: Duration) -> Self {
        self.try_timeout = timeout;
        self
    }

    /// Events that a receiver asks for ahead of the demand; it holds up to twice
    /// as many. Defaults to 100.
    #[must_use]
    pub fn with_prefetch(mut self, events: NonZeroU32) -> Self {
        self.prefetch = events;
        self
    }
}

impl Default for AzureSdkOptions {
    fn default() -> Self {
        Self {
            try_timeout: Duration::from_secs(60),
            prefetch: NonZeroU32::new(100).expect("not zero"),
        }
    }
}
