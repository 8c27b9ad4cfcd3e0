//! The tokens of a connection: signed, given or asked for, and when to renew them.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::sas;
use super::wall_clock::WallClock;
use crate::connection_string::Credential;
use crate::credential::{AccessToken, EVENT_HUBS_SCOPE, TokenCredential};
use crate::error::{Error, ErrorKind};
use crate::sync::{Mutex, lock};

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
///
/// Its life is told by the wall clock when it is made, and measured from then on
/// by tokio's, which does not jump.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: String,
    /// What `$cbs` calls its kind.
    pub(super) kind: &'static str,
    /// When to renew it, and when it stops to be good; `None` if it is the last.
    life: Option<(Instant, Instant)>,
}

impl Token {
    fn new(text: String, kind: &'static str, life: Duration) -> Self {
        let now = Instant::now();
        // Four fifths: the rest is for renewals that fail.
        Self {
            text,
            kind,
            life: Some((now + life.mul_f64(0.8), now + life)),
        }
    }

    fn of(token: &AccessToken, now: SystemTime) -> Self {
        let life = token.expires_at().duration_since(now).unwrap_or_default();
        Self::new(token.secret().to_owned(), "jwt", life)
    }

    /// How long it may still be used before it is renewed.
    pub(super) fn fresh_for(&self) -> Option<Duration> {
        let (renew_at, _) = self.life?;
        Some(renew_at.duration_since(Instant::now()))
    }

    /// How long it is still good.
    pub(super) fn good_for(&self) -> Option<Duration> {
        let (_, expires_at) = self.life?;
        Some(expires_at.duration_since(Instant::now()))
    }
}

/// Hands out the tokens for one event hub.
pub(super) struct Issuer {
    source: TokenSource,
    audience: String,
    clock: WallClock,
    last: Mutex<Option<Token>>,
}

const SAS: &str = "servicebus.windows.net:sastoken";

impl Issuer {
    pub(super) fn new(source: TokenSource, audience: String, clock: WallClock) -> Self {
        Self {
            source,
            audience,
            clock,
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
    pub(super) async fn token(&self) -> Result<Token, Error> {
        let last = lock(&self.last).clone();
        let fresh = last.filter(|token| token.fresh_for() != Some(Duration::ZERO));
        match fresh {
            Some(token) => Ok(token),
            None => self.issue().await,
        }
    }

    /// A new token; the one that was given, where there is no other.
    ///
    /// # Errors
    /// As [`token`](Self::token).
    pub(super) async fn issue(&self) -> Result<Token, Error> {
        let token = match &self.source {
            TokenSource::Given(text) => Token {
                text: text.clone(),
                kind: SAS,
                life: None,
            },
            TokenSource::Key { name, key, life } => {
                let expires_at = self.clock.now() + *life;
                let expiry = expires_at.duration_since(UNIX_EPOCH).unwrap_or_default();
                // Whole seconds, rounded up: it is good for its life at least.
                let expiry = expiry.as_secs() + u64::from(expiry.subsec_nanos() > 0);
                let text = sas::sign(name, key, &self.audience, expiry);
                Token::new(text, SAS, *life)
            }
            TokenSource::Credential(credential) => {
                let token = credential.token(EVENT_HUBS_SCOPE).await.map_err(|error| {
                    let message = format!("the credential gives no token: {error}");
                    Error::new(ErrorKind::Unauthorized, message).with_source(error)
                })?;
                Token::of(&token, self.clock.now())
            }
        };
        *lock(&self.last) = Some(token.clone());
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::time::advance;

    const HOUR: u64 = 3600;

    /// A wall clock that shows so many seconds.
    fn showing(seconds: &Arc<AtomicU64>) -> WallClock {
        let seconds = Arc::clone(seconds);
        WallClock::new(move || UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed)))
    }

    fn issuer() -> Issuer {
        issuer_by(showing(&Arc::default()))
    }

    fn issuer_by(clock: WallClock) -> Issuer {
        let source = TokenSource::Key {
            name: "n".into(),
            key: "k".into(),
            life: Duration::from_secs(1000),
        };
        Issuer::new(source, "sb://h/eh1".into(), clock)
    }

    #[tokio::test(start_paused = true)]
    async fn a_signed_token_is_good_for_its_life_and_fresh_for_four_fifths() {
        let token = issuer().token().await.unwrap();
        assert!(token.text.contains("&se=1000&"), "the expiry is signed");
        assert_eq!(token.fresh_for(), Some(Duration::from_secs(800)));
        advance(Duration::from_secs(900)).await;
        assert_eq!(token.good_for(), Some(Duration::from_secs(100)));
    }

    #[tokio::test]
    async fn a_signed_token_is_not_good_for_less_than_its_life() {
        let clock = WallClock::new(|| UNIX_EPOCH + Duration::from_millis(1));
        let token = issuer_by(clock).token().await.unwrap();
        assert!(token.text.contains("&se=1001&"), "rounded up");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_used_while_it_is_fresh_and_no_longer() {
        let seconds = Arc::default();
        let issuer = issuer_by(showing(&seconds));
        let first = issuer.token().await.unwrap().text;
        assert!(first.contains("&se=1000&"));
        seconds.store(1, Ordering::Relaxed);
        advance(Duration::from_secs(799)).await;
        assert!(issuer.token().await.unwrap().text == first);
        advance(Duration::from_secs(2)).await;
        assert!(issuer.token().await.unwrap().text != first);
    }

    #[tokio::test]
    async fn a_given_token_is_used_as_it_is_and_never_renewed() {
        let given = "SharedAccessSignature sr=a&sig=b&se=1&skn=c";
        let issuer = Issuer::new(
            TokenSource::Given(given.into()),
            "sb://h/eh1".into(),
            WallClock::default(),
        );
        let token = issuer.token().await.unwrap();
        assert!(token.text == given);
        assert_eq!(token.fresh_for(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn row_43_a_jump_of_the_wall_clock_ages_no_token_and_brings_no_new_one() {
        for jump in [HOUR, 3 * HOUR] {
            let seconds = Arc::new(AtomicU64::new(2 * HOUR));
            let issuer = issuer_by(showing(&seconds));
            let token = issuer.token().await.unwrap();
            seconds.store(jump, Ordering::Relaxed);
            assert_eq!(token.fresh_for(), Some(Duration::from_secs(800)));
            assert_eq!(token.good_for(), Some(Duration::from_secs(1000)));
            let again = issuer.token().await.unwrap();
            assert!(again.text == token.text, "it is as good as before");
            // The next one goes by the new time, and is good for its life.
            advance(Duration::from_secs(800)).await;
            let next = issuer.token().await.unwrap();
            assert!(next.text.contains(&format!("&se={}&", jump + 1000)));
            assert_eq!(next.fresh_for(), Some(Duration::from_secs(800)));
        }
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
        let issuer = Issuer::new(source, "sb://h/eh1".into(), WallClock::default());
        let error = issuer.token().await.err().unwrap();
        assert_eq!(error.kind(), &ErrorKind::Unauthorized);
        assert!(error.to_string().contains("no identity"));
    }
}
