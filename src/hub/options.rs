//! How a connection to an event hub is made and kept.

use std::fmt;
use std::time::Duration;

use crate::retry::Backoff;
use crate::transport::amqp::WallClock;

/// How a connection to an event hub is made and kept.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use eventhubs_flow::EventHubOptions;
///
/// let options = EventHubOptions::default()
///     .with_web_sockets()
///     .with_try_timeout(Duration::from_secs(20));
/// ```
#[derive(Clone)]
pub struct EventHubOptions {
    pub(crate) event_hub: Option<String>,
    pub(crate) web_sockets: bool,
    pub(crate) custom_endpoint: Option<String>,
    pub(crate) root_certificates: Option<Vec<u8>>,
    pub(crate) plaintext_to: Option<String>,
    pub(crate) try_timeout: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) token_life: Duration,
    pub(crate) reconnect: Backoff,
    pub(crate) wall_clock: WallClock,
}

impl Default for EventHubOptions {
    fn default() -> Self {
        Self {
            event_hub: None,
            web_sockets: false,
            custom_endpoint: None,
            root_certificates: None,
            plaintext_to: None,
            try_timeout: Duration::from_secs(60),
            heartbeat: Duration::from_secs(30),
            token_life: Duration::from_secs(30 * 60),
            reconnect: Backoff::default(),
            wall_clock: WallClock::default(),
        }
    }
}

impl EventHubOptions {
    /// The event hub, where the connection string names none (`EntityPath`).
    #[must_use]
    pub fn with_event_hub(mut self, name: impl Into<String>) -> Self {
        self.event_hub = Some(name.into());
        self
    }

    /// Speaks AMQP over WebSockets, on port 443, for networks that block AMQP's
    /// own port 5671. Defaults to AMQP over TCP.
    #[must_use]
    pub fn with_web_sockets(mut self) -> Self {
        self.web_sockets = true;
        self
    }

    /// Connects to `HOST[:PORT]` in place of the connection string's host, which
    /// still is whom TLS and the tokens speak to: for private endpoints and
    /// gateways. Defaults to the connection string's host.
    #[must_use]
    pub fn with_custom_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.custom_endpoint = Some(endpoint.into());
        self
    }

    /// Trusts these root certificates, in PEM, and no others. Defaults to those
    /// of the platform.
    #[must_use]
    pub fn with_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates = Some(pem.into());
        self
    }

    /// Allows a connection string with `UseDevelopmentEmulator=true`, which turns
    /// TLS off, to name this host: an emulator in a container, say. Keys do not
    /// travel, but events do, for all of that network to read. Defaults to
    /// this machine only.
    #[must_use]
    pub fn allow_plaintext_to(mut self, host: impl Into<String>) -> Self {
        self.plaintext_to = Some(host.into());
        self
    }

    /// The most that one attempt of any operation may take. Defaults to 60 s.
    #[must_use]
    pub fn with_try_timeout(mut self, timeout: Duration) -> Self {
        self.try_timeout = timeout;
        self
    }

    /// How often each side says that it is there; a service that was silent for
    /// twice as long is dead. Defaults to 30 s.
    #[must_use]
    pub fn with_heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = every;
        self
    }

    /// How long a token that is signed with the key of a connection string is
    /// good for; it is renewed after four fifths of that. Defaults to 30 min.
    #[must_use]
    pub fn with_token_life(mut self, life: Duration) -> Self {
        self.token_life = life;
        self
    }

    /// The waits between attempts to connect that fail: a random part of `first`,
    /// which doubles with each failure up to `limit`. Defaults to 0.8 s and 60 s.
    #[must_use]
    pub fn with_reconnect_backoff(mut self, first: Duration, limit: Duration) -> Self {
        self.reconnect = Backoff::new(first, limit);
        self
    }
}

impl fmt::Debug for EventHubOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventHubOptions")
            .field("event_hub", &self.event_hub)
            .field("web_sockets", &self.web_sockets)
            .field("custom_endpoint", &self.custom_endpoint)
            .field("own_roots", &self.root_certificates.is_some())
            .field("plaintext_to", &self.plaintext_to)
            .field("try_timeout", &self.try_timeout)
            .field("heartbeat", &self.heartbeat)
            .field("token_life", &self.token_life)
            .field("reconnect", &self.reconnect)
            .field("wall_clock", &self.wall_clock)
            .finish()
    }
}
