//! The store of blobs over TLS, with tokens as Microsoft Entra ID hands them out.

mod blobs;

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use blobs::{CONTAINER, FIRST, at, options, scope};
use eventhubs_flow::consumer::checkpoint::{BlobStore, CheckpointStore, OwnershipStore};
use eventhubs_flow::{AccessToken, ErrorKind, TokenCredential};
use eventhubs_interop::Azurite;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

/// Hands out tokens for an audience.
#[derive(Debug)]
struct Tokens(&'static str);

#[async_trait]
impl TokenCredential for Tokens {
    async fn token(&self, scope: &str) -> Result<AccessToken, Box<dyn StdError + Send + Sync>> {
        assert_eq!(scope, "https://storage.azure.com/.default");
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = json!({
            "aud": self.0, "iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
            "iat": now - 60, "nbf": now - 60, "exp": now + 3600, "oid": "worker",
        });
        let parts = [json!({ "alg": "RS256", "typ": "JWT" }), claims];
        let parts = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        // Azurite looks at no signature.
        let secret = format!("{}.c2VjcmV0", parts.join("."));
        let hour = Duration::from_secs(3600);
        Ok(AccessToken::new(secret, SystemTime::now() + hour))
    }
}

/// A certificate for `localhost` in a directory of its own, removed when dropped.
struct Certificate(PathBuf);

impl Certificate {
    fn new() -> Self {
        let name = format!("azurite-{}", std::process::id());
        let path = std::env::temp_dir().join("eventhubs-interop").join(name);
        std::fs::create_dir_all(&path).unwrap();
        let this = Self(path);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        write(&this.chain(), "CERTIFICATE", certificate.der());
        write(&this.key(), "PRIVATE KEY", &key.serialize_der());
        this
    }

    fn chain(&self) -> PathBuf {
        self.0.join("chain.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.join("key.pem")
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        // Whatever is left is of no use to anybody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn write(path: &Path, label: &str, der: &[u8]) {
    let encoded = STANDARD.encode(der);
    let lines: Vec<_> = encoded.as_bytes().chunks(64).collect();
    let body = String::from_utf8(lines.join(&b'\n')).unwrap();
    let pem = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
    std::fs::write(path, pem).unwrap();
}

#[tokio::test]
async fn a_token_does_over_tls_and_only_the_right_one_with_the_right_host() {
    let certificate = Certificate::new();
    let azurite = Azurite::start_with_tls(&certificate.chain(), &certificate.key()).await;
    let Some(azurite) = azurite else { return };
    let url = azurite.url(CONTAINER);
    assert!(url.starts_with("https://"), "{url}");
    let trusting = || options().with_root_certificates(std::fs::read(certificate.chain()).unwrap());
    let tokens: Arc<dyn TokenCredential> = Arc::new(Tokens("https://storage.azure.com/"));
    let store = BlobStore::with_credential(&url, Arc::clone(&tokens), trusting()).unwrap();
    assert!(store.create_container_if_missing().await.unwrap());
    let generation = store.claim(&scope(), FIRST, "a").await.unwrap();
    store
        .store(&scope(), FIRST, generation, &at(1))
        .await
        .unwrap();
    assert_eq!(
        store.checkpoint(&scope(), FIRST).await.unwrap(),
        Some(at(1))
    );
    assert_eq!(store.ownerships(&scope()).await.unwrap().len(), 1);
    assert!(!format!("{store:?}").contains("c2VjcmV0"));

    let astray = Arc::new(Tokens("https://eventhubs.azure.net/"));
    let astray = BlobStore::with_credential(&url, astray, trusting()).unwrap();
    let refused = astray.checkpoint(&scope(), FIRST).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Unauthorized, "{refused}");
    assert!(!format!("{refused:?}").contains("c2VjcmV0"), "{refused:?}");

    let wary = BlobStore::with_credential(&url, Arc::clone(&tokens), options()).unwrap();
    let elsewhere = url.replace("localhost", "127.0.0.1");
    let elsewhere = BlobStore::with_credential(&elsewhere, tokens, trusting()).unwrap();
    for store in [wary, elsewhere] {
        let refused = store.checkpoint(&scope(), FIRST).await.unwrap_err();
        assert_eq!(*refused.kind(), ErrorKind::Untrusted, "{refused}");
        assert!(!refused.is_retryable());
    }
}
