//! The tokens of a connection: signed, given or asked for, and when to renew them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::sas;
use crate::connection_string::Credential;
use crate::credential::{AccessToken, EVENT_HUBS_SCOPE, TokenCredential};
use crate::error::{Error, ErrorKind};
use crate::sync::lock;

/// Where tokens come from. It has no `Debug`: it may hold a key.
pub(crate) enum TokenSource {
    /// A key that they are signed with, and how long they are good for.
    Key {
        name: String,
        key: String,
        life: Duration,
    },
    /// One that was given, and will not be followed by another.
    Given(String),
    /// Somebody else.
    Credential(Arc<dyn TokenCredential>),
}

impl TokenSource {
    pub(crate) fn of(credential: &Credential, life: Duration) -> Self {
        match credential.clone() {
            Credential::Key { name, key } => Self::Key { name, key, life },
            Credential::Signature(token) => Self::Given(token),
        }
    }
}

/// A token as `$cbs` takes it. It has no `Debug`: it is a secret.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: String,
    /// What `$cbs` calls its kind.
    pub(super) kind: &'static str,
    /// When to renew it, and when it stops to be good; `None` if it is the last.
    life: Option<(SystemTime, SystemTime)>,
}

impl Token {
    fn new(text: String, kind: &'static str, now: SystemTime, expires_at: SystemTime) -> Self {
        let life = expires_at.duration_since(now).unwrap_or_default();
        // Four fifths: the rest is for renewals that fail.
        Self {
            text,
            kind,
            life: Some((now + life.mul_f64(0.8), expires_at)),
        }
    }

    fn of(token: &AccessToken, now: SystemTime) -> Self {
        Self::new(token.secret().to_owned(), "jwt", now, token.expires_at())
    }

    /// How long it may be used from `now` on before it is renewed.
    pub(super) fn fresh_for(&self, now: SystemTime) -> Option<Duration> {
        let (renew_at, _) = self.life?;
        Some(renew_at.duration_since(now).unwrap_or_default())
    }

    /// How long it is good from `now` on.
    pub(super) fn good_for(&self, now: SystemTime) -> Option<Duration> {
        let (_, expires_at) = self.life?;
        Some(expires_at.duration_since(now).unwrap_or_default())
    }
}

/// Hands out the tokens for one event hub.
pub(super) struct Issuer {
    source: TokenSource,
    audience: String,
    last: Mutex<Option<Token>>,
}

const SAS: &str = "servicebus.windows.net:sastoken";

impl Issuer {
    pub(super) fn new(source: TokenSource, audience: String) -> Self {
        Self {
            source,
            audience,
            last: Mutex::default(),
        }
    }

    /// What the tokens are made out to.
    pub(super) fn audience(&self) -> &str {
        &self.audience
    }

    /// The last token while it is fresh, else a new one.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthorized`] if the credential gives none.
    pub(super) async fn token(&self, now: SystemTime) -> Result<Token, Error> {
        let last = lock(&self.last).clone();
        let fresh = last.filter(|token| token.fresh_for(now) != Some(Duration::ZERO));
        match fresh {
            Some(token) => Ok(token),
            None => self.issue(now).await,
        }
    }

    /// A new token; the one that was given, where there is no other.
    ///
    /// # Errors
    /// As [`token`](Self::token).
    pub(super) async fn issue(&self, now: SystemTime) -> Result<Token, Error> {
        let token = match &self.source {
            TokenSource::Given(text) => Token {
                text: text.clone(),
                kind: SAS,
                life: None,
            },
            TokenSource::Key { name, key, life } => {
                let expires_at = now + *life;
                let expiry = expires_at.duration_since(UNIX_EPOCH).unwrap_or_default();
                // Whole seconds, rounded up: it is good for its life at least.
                let expiry = expiry.as_secs() + u64::from(expiry.subsec_nanos() > 0);
                let text = sas::sign(name, key, &self.audience, expiry);
                Token::new(text, SAS, now, expires_at)
            }
            TokenSource::Credential(credential) => {
                let token = credential.token(EVENT_HUBS_SCOPE).await.map_err(|error| {
                    let message = format!("the credential gives no token: {error}");
                    Error::new(ErrorKind::Unauthorized, message).with_source(error)
                })?;
                Token::of(&token, now)
            }
        };
        *lock(&self.last) = Some(token.clone());
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = UNIX_EPOCH;

    fn after(seconds: u64) -> SystemTime {
        NOW + Duration::from_secs(seconds)
    }

    fn issuer() -> Issuer {
        let source = TokenSource::Key {
            name: "n".into(),
            key: "k".into(),
            life: Duration::from_secs(1000),
        };
        Issuer::new(source, "sb://h/eh1".into())
    }

    #[tokio::test]
    async fn a_signed_token_is_good_for_its_life_and_fresh_for_four_fifths() {
        let token = issuer().token(NOW).await.unwrap();
        assert!(token.text.contains("&se=1000&"), "the expiry is signed");
        assert_eq!(token.fresh_for(NOW), Some(Duration::from_secs(800)));
        assert_eq!(token.good_for(after(900)), Some(Duration::from_secs(100)));
    }

    #[tokio::test]
    async fn a_signed_token_is_not_good_for_less_than_its_life() {
        let token = issuer()
            .token(NOW + Duration::from_millis(1))
            .await
            .unwrap();
        assert!(token.text.contains("&se=1001&"), "rounded up");
    }

    #[tokio::test]
    async fn a_token_is_used_while_it_is_fresh_and_no_longer() {
        let issuer = issuer();
        let first = issuer.token(NOW).await.unwrap().text;
        assert!(issuer.token(after(799)).await.unwrap().text == first);
        assert!(issuer.token(after(801)).await.unwrap().text != first);
    }

    #[tokio::test]
    async fn a_given_token_is_used_as_it_is_and_never_renewed() {
        let given = "SharedAccessSignature sr=a&sig=b&se=1&skn=c";
        let issuer = Issuer::new(TokenSource::Given(given.into()), "sb://h/eh1".into());
        let token = issuer.token(NOW).await.unwrap();
        assert!(token.text == given);
        assert_eq!(token.fresh_for(after(1_000_000)), None);
    }

    #[derive(Debug)]
    struct Broken;

    #[async_trait::async_trait]
    impl TokenCredential for Broken {
        async fn token(
            &self,
            scope: &str,
        ) -> Result<AccessToken, Box<dyn std::error::Error + Send + Sync>> {
            assert_eq!(scope, "https://eventhubs.azure.net//.default");
            Err("no identity".into())
        }
    }

    #[tokio::test]
    async fn a_credential_without_a_token_is_unauthorized_and_says_why() {
        let source = TokenSource::Credential(Arc::new(Broken));
        let issuer = Issuer::new(source, "sb://h/eh1".into());
        let error = issuer.token(NOW).await.err().unwrap();
        assert_eq!(error.kind(), &ErrorKind::Unauthorized);
        assert!(error.to_string().contains("no identity"));
    }
}
