//! Credentials of the Azure SDK.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use azure_core::credentials as azure;

use super::{AccessToken, TokenCredential};

/// A credential of the Azure SDK, such as those of `azure_identity`: of its
/// releases on `azure_core` 1.2, that is `azure_identity` 1.1.0-beta.1 or later.
///
/// What the credential says of a failure is told; the error itself, which may
/// hold what a server answered, is not kept.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use azure_core::credentials::TokenCredential;
/// use eventhubs_flow::{AzureCredential, Error, EventHub, EventHubOptions};
///
/// /// For instance with `azure_identity::DeveloperToolsCredential::new(None)?`.
/// async fn connect(credential: Arc<dyn TokenCredential>) -> Result<EventHub, Error> {
///     let host = "NAMESPACE.servicebus.windows.net";
///     let credential = Arc::new(AzureCredential::new(credential));
///     let options = EventHubOptions::default();
///     EventHub::connect_with_credential(host, "orders", credential, options).await
/// }
/// ```
#[derive(Clone)]
pub struct AzureCredential {
    inner: Arc<dyn azure::TokenCredential>,
}

impl AzureCredential {
    /// Takes tokens from a credential of the Azure SDK.
    #[must_use]
    pub fn new(credential: Arc<dyn azure::TokenCredential>) -> Self {
        Self { inner: credential }
    }
}

#[async_trait]
impl TokenCredential for AzureCredential {
    async fn token(&self, scope: &str) -> Result<AccessToken, Box<dyn StdError + Send + Sync>> {
        let token = self.inner.get_token(&[scope], None).await;
        let token = token.map_err(|error| error.to_string())?;
        let expires_at = time(token.expires_on.unix_timestamp());
        Ok(AccessToken::new(token.token.secret(), expires_at))
    }
}

/// A Unix time in seconds; 1970 if it makes no sense.
fn time(seconds: i64) -> SystemTime {
    let seconds = u64::try_from(seconds).unwrap_or_default();
    UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .unwrap_or(UNIX_EPOCH)
}

impl fmt::Debug for AzureCredential {
    /// Shows nothing of the credential: it is somebody else's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureCredential").finish_non_exhaustive()
    }
}
