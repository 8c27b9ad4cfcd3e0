//! What proves our rights, and how it goes on a request.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::HttpRequest;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::address::Sas;
use crate::credential::TokenCredential;
use crate::error::{Error, ErrorKind};

/// The scope of tokens for Azure Storage.
const STORAGE_SCOPE: &str = "https://storage.azure.com/.default";

/// What proves our rights. `Debug` shows no secret.
pub(super) enum Access {
    /// The account's key, which signs each request.
    Key {
        account: String,
        key: AzureCredential,
    },
    /// A shared access signature, good for every request.
    Signature(AzureCredential),
    /// Tokens from elsewhere.
    Tokens(Tokens),
}

impl Access {
    pub(super) fn key(account: String, key: &str) -> Result<Self, Error> {
        // What is wrong with it is not told: it may quote the key.
        let key = AzureAccessKey::try_new(key).map_err(|_| {
            Error::new(
                ErrorKind::InvalidConnectionString,
                "invalid connection string of a storage account: AccountKey is no base64: give \
                 the whole key",
            )
        })?;
        let key = AzureCredential::AccessKey(key);
        Ok(Self::Key { account, key })
    }

    pub(super) fn signature(parts: Sas) -> Self {
        Self::Signature(AzureCredential::SASToken(parts))
    }

    pub(super) fn tokens(credential: Arc<dyn TokenCredential>) -> Self {
        Self::Tokens(Tokens {
            credential,
            last: Mutex::default(),
        })
    }

    /// Puts the proof on a request.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthorized`] if there is none.
    pub(super) async fn prove(&self, request: &mut HttpRequest) -> Result<(), Error> {
        let bearer;
        let (credential, account) = match self {
            Self::Key { account, key } => (key, account.as_str()),
            Self::Signature(signature) => (signature, ""),
            Self::Tokens(tokens) => {
                bearer = AzureCredential::BearerToken(tokens.secret().await?);
                (&bearer, "")
            }
        };
        let proven = AzureAuthorizer::new(credential, account).try_authorize(request);
        proven.map_err(|_| unauthorized("the request cannot be signed"))
    }

    /// The proof was refused: one that can be had anew is not used again.
    pub(super) async fn refused(&self) {
        if let Self::Tokens(tokens) = self {
            tokens.last.lock().await.take();
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { account, .. } => write!(f, "Key of {account:?}"),
            Self::Signature(_) => f.write_str("Signature"),
            Self::Tokens(tokens) => write!(f, "Tokens of {:?}", tokens.credential),
        }
    }
}

/// Tokens, each used for four fifths of its life, and longer if there is no other.
pub(super) struct Tokens {
    credential: Arc<dyn TokenCredential>,
    last: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    secret: String,
    renew_at: Instant,
    expires_at: Instant,
}

impl Tokens {
    async fn secret(&self) -> Result<String, Error> {
        let mut last = self.last.lock().await;
        let now = Instant::now();
        if let Some(token) = &*last
            && token.renew_at > now
        {
            return Ok(token.secret.clone());
        }
        match (self.issue(now).await, &*last) {
            (Ok(token), _) => Ok(last.insert(token).secret.clone()),
            (Err(error), Some(token)) if token.expires_at > now => {
                tracing::warn!(%error, "the token for the store of blobs was not renewed");
                Ok(token.secret.clone())
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn issue(&self, now: Instant) -> Result<Token, Error> {
        let token = self.credential.token(STORAGE_SCOPE).await;
        let token = token.map_err(|error| {
            unauthorized(format!("the credential gives no token: {error}")).with_source(error)
        })?;
        let life = token.expires_at().duration_since(SystemTime::now());
        // The clocks of those who make tokens are not trusted beyond a day.
        let life = life.unwrap_or_default().min(Duration::from_secs(86_400));
        let secret = token.secret().to_owned();
        if HeaderValue::from_str(&secret).is_err() {
            return Err(unauthorized(
                "the credential's token is no text for a header",
            ));
        }
        Ok(Token {
            secret,
            renew_at: now + life.mul_f64(0.8),
            expires_at: now + life,
        })
    }
}

fn unauthorized(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unauthorized, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::error::Error as StdError;
    use std::sync::atomic::{AtomicU64, Ordering};

    use async_trait::async_trait;
    use object_store::client::HttpRequestBody;
    use tokio::time::advance;

    use crate::credential::AccessToken;

    /// Hands out tokens `1`, `2`, .. of an hour, until it has none.
    #[derive(Debug, Default)]
    struct Counting {
        asked: AtomicU64,
        left: u64,
    }

    #[async_trait]
    impl TokenCredential for Counting {
        async fn token(&self, scope: &str) -> Result<AccessToken, Box<dyn StdError + Send + Sync>> {
            assert_eq!(scope, "https://storage.azure.com/.default");
            let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
            if number > self.left {
                return Err("no more".into());
            }
            let hour = Duration::from_secs(3600);
            Ok(AccessToken::new(
                number.to_string(),
                SystemTime::now() + hour,
            ))
        }
    }

    async fn shown(access: &Access) -> Result<String, Error> {
        let mut request = http::Request::new(HttpRequestBody::empty());
        access.prove(&mut request).await?;
        let header = request.headers()["authorization"].to_str().unwrap();
        Ok(header.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_used_for_four_fifths_of_its_life_and_to_its_end_if_there_is_no_other() {
        let left = 2;
        let access = Access::tokens(Arc::new(Counting {
            left,
            ..Counting::default()
        }));
        assert_eq!(shown(&access).await.unwrap(), "Bearer 1");
        advance(Duration::from_secs(2879)).await;
        assert_eq!(shown(&access).await.unwrap(), "Bearer 1");
        advance(Duration::from_secs(2)).await;
        assert_eq!(shown(&access).await.unwrap(), "Bearer 2");
        advance(Duration::from_secs(3500)).await;
        assert_eq!(
            shown(&access).await.unwrap(),
            "Bearer 2",
            "it is still good"
        );
        advance(Duration::from_secs(101)).await;
        let error = shown(&access).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unauthorized);
        assert!(error.to_string().contains("no more"), "{error}");
    }

    #[tokio::test]
    async fn a_token_that_was_refused_is_not_shown_again() {
        let left = 2;
        let access = Access::tokens(Arc::new(Counting {
            left,
            ..Counting::default()
        }));
        assert_eq!(shown(&access).await.unwrap(), "Bearer 1");
        access.refused().await;
        assert_eq!(shown(&access).await.unwrap(), "Bearer 2");
    }

    #[tokio::test]
    async fn no_secret_is_shown() {
        let key = Access::key("a".to_owned(), "c2VjcmV0").unwrap();
        let signature = Access::signature(vec![("sig".to_owned(), "secret".to_owned())]);
        for access in [key, signature] {
            let shown = format!("{access:?}");
            assert!(
                !shown.contains("secret") && !shown.contains("c2Vj"),
                "{shown}"
            );
        }
        let error = Access::key("a".to_owned(), "c2Vj!").unwrap_err();
        assert!(!format!("{error:?}").contains("c2Vj"), "{error:?}");
    }
}
