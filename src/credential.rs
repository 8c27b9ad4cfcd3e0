//! Tokens from elsewhere, such as Microsoft Entra ID.

#[cfg(feature = "azure-core")]
mod azure;

use std::error::Error as StdError;
use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;

#[cfg(feature = "azure-core")]
pub use azure::AzureCredential;

/// The scope of tokens for Event Hubs.
pub const EVENT_HUBS_SCOPE: &str = "https://eventhubs.azure.net//.default";

/// A token, and how long it is good for. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    secret: String,
    expires_at: SystemTime,
}

impl AccessToken {
    /// A JSON web token.
    #[must_use]
    pub fn new(secret: impl Into<String>, expires_at: SystemTime) -> Self {
        Self {
            secret: secret.into(),
            expires_at,
        }
    }

    /// The token as it is shown to the service.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// When it stops to be good.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Whence tokens come: implement it over the identity library of your choice. For
/// credentials of the Azure SDK there is `AzureCredential`, under the feature
/// `azure-core`.
///
/// A connection asks for a token when it is made, and for a newer one after four
/// fifths of the last one's life; it keeps none longer than that, so an
/// implementation needs no cache of its own.
///
/// # Examples
/// ```
/// use std::error::Error;
/// use std::time::{Duration, SystemTime};
///
/// use async_trait::async_trait;
/// use eventhubs_flow::{AccessToken, TokenCredential};
///
/// #[derive(Debug)]
/// struct FromFile;
///
/// #[async_trait]
/// impl TokenCredential for FromFile {
///     async fn token(&self, _scope: &str) -> Result<AccessToken, Box<dyn Error + Send + Sync>> {
///         let secret = std::fs::read_to_string("/var/run/secrets/token")?;
///         Ok(AccessToken::new(secret, SystemTime::now() + Duration::from_secs(600)))
///     }
/// }
/// ```
#[async_trait]
pub trait TokenCredential: fmt::Debug + Send + Sync + 'static {
    /// A token for a scope, [`EVENT_HUBS_SCOPE`] for Event Hubs.
    ///
    /// # Errors
    /// Why there is none. The connection fails with
    /// [`ErrorKind::Unauthorized`](crate::ErrorKind::Unauthorized), this error its
    /// source; a renewal is tried again.
    ///
    /// # Cancel safety
    /// The future may be dropped at any time.
    async fn token(&self, scope: &str) -> Result<AccessToken, Box<dyn StdError + Send + Sync>>;
}
