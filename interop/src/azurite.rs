//! Azurite, Microsoft's Azure Blob Storage for one machine.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::{App, DEADLINE, Sdk};

/// The account that every Azurite has, and its key.
pub const ACCOUNT: &str = "devstoreaccount1";
/// The account's key, which is in Azurite's docs.
pub const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// What a signature allows whoever keeps checkpoints.
pub const ALL: &str = "rwcdl";

/// A running Azurite, with its blobs in memory; killed when dropped.
#[derive(Debug)]
pub struct Azurite {
    _app: App,
    port: u16,
    scheme: &'static str,
}

impl Azurite {
    /// Starts one on a free port; `None` where it is not installed.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn start() -> Option<Self> {
        Self::with(&[], "http").await
    }

    /// Starts one that speaks TLS for `localhost` and takes tokens of Microsoft Entra ID.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn start_with_tls(certificate: &Path, key: &Path) -> Option<Self> {
        let [certificate, key] = [certificate, key].map(|path| path.to_str().expect("UTF-8"));
        let arguments = ["--cert", certificate, "--key", key, "--oauth", "basic"];
        Self::with(&arguments, "https").await
    }

    async fn with(arguments: &[&str], scheme: &'static str) -> Option<Self> {
        if !Sdk::Javascript.is_installed() {
            return None;
        }
        let script = "azurite/dist/src/blob/main.js";
        let mut azurite = Command::new("node");
        azurite
            .arg(crate::sdk::directory().join("js/node_modules").join(script))
            .args(["--blobPort", "0", "--inMemoryPersistence", "--silent"])
            .args(["--skipApiVersionCheck", "--disableTelemetry"])
            .args(arguments);
        let mut app = App::start(azurite);
        let port = loop {
            // Azurite Blob service successfully listens on http://127.0.0.1:40000
            let line = app.line().await;
            if let Some((_, port)) = line.rsplit_once("127.0.0.1:")
                && line.contains("successfully")
            {
                break port.trim().parse().expect("a port");
            }
        };
        Some(Self {
            _app: app,
            port,
            scheme,
        })
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The connection string, with the account's key.
    #[must_use]
    pub fn connection_string(&self) -> String {
        self.connection_string_by(self.port)
    }

    /// The same, by another port, such as a proxy's.
    #[must_use]
    pub fn connection_string_by(&self, port: u16) -> String {
        let endpoint = self.endpoint(port);
        let scheme = self.scheme;
        format!(
            "DefaultEndpointsProtocol={scheme};AccountName={ACCOUNT};AccountKey={KEY};\
             BlobEndpoint={endpoint};"
        )
    }

    /// A container's URL.
    #[must_use]
    pub fn url(&self, container: &str) -> String {
        format!("{}/{container}", self.endpoint(self.port))
    }

    /// A container's URL with a signature that allows so much for so long.
    #[must_use]
    pub fn signed_url(&self, container: &str, allows: &str, good_for: Duration) -> String {
        format!(
            "{}?{}",
            self.url(container),
            signature(container, allows, good_for)
        )
    }

    fn endpoint(&self, port: u16) -> String {
        // The name that the certificate is for.
        let host = if self.scheme == "https" {
            "localhost"
        } else {
            "127.0.0.1"
        };
        format!("{}://{host}:{port}/{ACCOUNT}", self.scheme)
    }

    /// Writes a blob's metadata as a program that knows nothing of ours does: over
    /// whatever is there.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub async fn put_metadata(&self, container: &str, blob: &str, metadata: &[(&str, &str)]) {
        let mut headers = String::new();
        for (name, value) in metadata {
            write!(headers, "x-ms-meta-{name}: {value}\r\n").expect("a string takes all");
        }
        let made = "x-ms-blob-type: BlockBlob\r\nx-ms-version: 2023-11-03\r\n";
        let answer = self
            .exchange("PUT", container, blob, &format!("{made}{headers}"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    }

    /// A blob's metadata, in the order of names; `None` if there is no such blob.
    ///
    /// # Panics
    ///
    /// If it cannot be told.
    pub async fn metadata(&self, container: &str, blob: &str) -> Option<Vec<(String, String)>> {
        let answer = self.exchange("HEAD", container, blob, "").await;
        if answer.starts_with("HTTP/1.1 404 ") {
            return None;
        }
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let entries = answer.lines().filter_map(|line| {
            let (name, value) = line.strip_prefix("x-ms-meta-")?.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        });
        let mut entries: Vec<_> = entries.collect();
        entries.sort();
        Some(entries)
    }

    /// Removes a blob, as a person may.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub async fn remove(&self, container: &str, blob: &str) {
        let answer = self.exchange("DELETE", container, blob, "").await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    }

    async fn exchange(&self, method: &str, container: &str, blob: &str, headers: &str) -> String {
        let signature = signature(container, ALL, Duration::from_secs(600));
        let request = format!(
            "{method} /{ACCOUNT}/{container}/{blob}?{signature} HTTP/1.1\r\n\
             Host: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
        );
        let exchange = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = timeout(DEADLINE, exchange).await;
        answer
            .expect("an answer within a minute")
            .expect("Azurite runs")
    }
}

/// A shared access signature for a container, signed with the account's key.
#[must_use]
pub fn signature(container: &str, allows: &str, good_for: Duration) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let expiry = utc((now + good_for).as_secs());
    let version = "2020-12-06";
    let resource = format!("/blob/{ACCOUNT}/{container}");
    let signed = format!("{allows}\n\n{expiry}\n{resource}\n\n\n\n{version}\nc\n\n\n\n\n\n\n");
    let key = STANDARD.decode(KEY).expect("base64");
    let mut hmac = Hmac::<Sha256>::new_from_slice(&key).expect("any length");
    hmac.update(signed.as_bytes());
    let signature = STANDARD.encode(hmac.finalize().into_bytes());
    let signature = signature
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    let expiry = expiry.replace(':', "%3A");
    format!("sv={version}&sr=c&sp={allows}&se={expiry}&sig={signature}")
}

/// A Unix time as ISO 8601 has it.
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days to a date, after Howard Hinnant.
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_iso_8601_has_it() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_795_960_000), "2026-11-29T13:46:40Z");
    }
}
