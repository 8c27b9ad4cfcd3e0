//! Credentials of the Azure SDK open a hub.
#![cfg(feature = "azure-core")]

mod amqp_support;

use std::error::Error as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amqp_support::{HUB, batch, events, partition};
use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::time::OffsetDateTime;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventhubs_emulator::Emulator;
use eventhubs_flow::transport::TransportProducer;
use eventhubs_flow::{
    AzureCredential, EVENT_HUBS_SCOPE, Error, ErrorKind, EventHub, EventHubOptions,
    TokenCredential as _,
};

const LIFE: Duration = Duration::from_secs(600);

/// Issues what it is made for, and notes the scopes.
#[derive(Debug)]
struct Mock {
    secret: Option<String>,
    asked: Mutex<Vec<String>>,
}

impl Mock {
    fn new(secret: Option<String>) -> Arc<Self> {
        let asked = Mutex::default();
        Arc::new(Self { secret, asked })
    }
}

#[async_trait]
impl TokenCredential for Mock {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let scopes = scopes.iter().map(ToString::to_string);
        self.asked.lock().unwrap().extend(scopes);
        match &self.secret {
            Some(secret) => {
                let expires_on = OffsetDateTime::now_utc() + LIFE;
                Ok(AccessToken::new(secret.clone(), expires_on))
            }
            None => {
                let source = std::io::Error::other("planted secret");
                let kind = AzureErrorKind::Credential;
                Err(azure_core::Error::with_error(kind, source, "no login"))
            }
        }
    }
}

/// A JSON web token for Event Hubs.
fn jwt() -> String {
    let expiry = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + LIFE;
    let expiry = expiry.as_secs();
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = format!(r#"{{"aud":"https://eventhubs.azure.net","exp":{expiry}}}"#);
    let header = encode(r#"{"alg":"RS256"}"#);
    format!("{header}.{}.{}", encode(&claims), encode("planted"))
}

async fn connect(emulator: &Emulator, credential: Arc<Mock>) -> Result<EventHub, Error> {
    let options = EventHubOptions::default()
        .with_root_certificates(emulator.certificate_pem().unwrap())
        .with_custom_endpoint(emulator.tls_address().unwrap().to_string());
    let credential = Arc::new(AzureCredential::new(credential));
    EventHub::connect_with_credential("localhost", HUB, credential, options).await
}

async fn start() -> Emulator {
    Emulator::builder()
        .tls()
        .accept_jwts()
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_credential_of_the_azure_sdk_opens_a_hub() {
    let emulator = start().await;
    let credential = Mock::new(Some(jwt()));
    let hub = connect(&emulator, Arc::clone(&credential)).await.unwrap();
    let sent = batch(partition(0), events(["a"]));
    hub.producer().send_batch(sent).await.unwrap();
    assert_eq!(emulator.received(HUB)[0].body, "a");
    assert_eq!(*credential.asked.lock().unwrap(), [EVENT_HUBS_SCOPE]);
}

#[tokio::test]
async fn a_token_is_good_for_as_long_as_the_azure_sdk_says() {
    let credential = AzureCredential::new(Mock::new(Some(jwt())));
    let before = SystemTime::now();
    let token = credential.token(EVENT_HUBS_SCOPE).await.unwrap();
    let after = SystemTime::now();
    // Whole seconds, rounded down.
    assert!(token.expires_at() > before + LIFE - Duration::from_secs(1));
    assert!(token.expires_at() <= after + LIFE);
}

#[tokio::test]
async fn a_credential_without_a_token_says_why_and_no_more() {
    let emulator = start().await;
    let error = connect(&emulator, Mock::new(None)).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unauthorized);
    assert!(error.to_string().contains("no login"), "{error}");
    assert!(error.source().is_some());
    assert!(!format!("{error:?}").contains("planted"), "{error:?}");
}

#[tokio::test]
async fn a_credential_shows_nothing_of_itself() {
    let credential = AzureCredential::new(Mock::new(Some("planted".into())));
    assert!(!format!("{credential:?}").contains("planted"));
}
