//! How azeventhubs is used.

use std::num::NonZeroU32;
use std::time::Duration;

/// Options of [`AzeventhubsProducer`](super::AzeventhubsProducer) and
/// [`AzeventhubsConsumer`](super::AzeventhubsConsumer).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzeventhubsOptions {
    pub(super) event_hub: Option<String>,
    pub(super) custom_endpoint: Option<String>,
    pub(super) try_timeout: Duration,
    pub(super) prefetch: NonZeroU32,
}

impl AzeventhubsOptions {
    /// The event hub. Defaults to the `EntityPath` of the connection string.
    #[must_use]
    pub fn with_event_hub(mut self, name: impl Into<String>) -> Self {
        self.event_hub = Some(name.into());
        self
    }

    /// Where the bytes go, `HOST[:PORT]`: a gateway or an emulator. TLS and tokens
    /// are for the host of the connection string. Defaults to that host.
    #[must_use]
    pub fn with_custom_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.custom_endpoint = Some(endpoint.into());
        self
    }

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

impl Default for AzeventhubsOptions {
    fn default() -> Self {
        Self {
            event_hub: None,
            custom_endpoint: None,
            try_timeout: Duration::from_secs(60),
            prefetch: NonZeroU32::new(100).expect("not zero"),
        }
    }
}
