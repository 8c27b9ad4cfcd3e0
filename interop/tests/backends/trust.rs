//! A certificate that azeventhubs trusts: OpenSSL reads whom to trust from the
//! environment, which a process cannot change for itself. So a test runs itself
//! again, in a process that is born with it.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};
use tokio::process::Command;

const TRUSTED: &str = "DIRECTORY_OF_THE_TRUSTED_CERTIFICATE";

/// A certificate for `localhost` and its key, in PEM.
#[derive(Debug, Clone)]
pub(crate) struct Trusted {
    pub(crate) chain: String,
    pub(crate) key: String,
}

/// What is trusted here; `None` where the test has run in a process of its own.
///
/// # Panics
/// If it has failed there.
pub(crate) async fn trusted(test: &str) -> Option<Trusted> {
    if let Some(directory) = std::env::var_os(TRUSTED) {
        let read = |name: &str| {
            let path = Path::new(&directory).join(name);
            std::fs::read_to_string(path).expect("written by the test that runs this")
        };
        return Some(Trusted {
            chain: read("chain.pem"),
            key: read("key.pem"),
        });
    }
    let directory = Directory::new(test);
    directory.write();
    let mut again = Command::new(std::env::current_exe().expect("a test has a path"));
    again
        .args(["--exact", test, "--nocapture"])
        .env(TRUSTED, &directory.0)
        .env("SSL_CERT_FILE", directory.0.join("chain.pem"))
        .kill_on_drop(true);
    let ended = again.status().await.expect("it runs");
    assert!(ended.success(), "it failed in a process of its own");
    None
}

struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let name = format!("{test}-{}", std::process::id());
        let path = std::env::temp_dir().join("eventhubs-interop").join(name);
        std::fs::create_dir_all(&path).expect("a directory for certificates");
        Self(path)
    }

    fn write(&self) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        let write = |name: &str, label: &str, der: &[u8]| {
            let encoded = STANDARD.encode(der);
            let pem = format!("-----BEGIN {label}-----\n{encoded}\n-----END {label}-----\n");
            std::fs::write(self.0.join(name), wrapped(&pem)).expect("written");
        };
        write("chain.pem", "CERTIFICATE", certificate.der());
        write("key.pem", "PRIVATE KEY", &key.serialize_der());
    }
}

/// OpenSSL reads no longer lines.
fn wrapped(pem: &str) -> String {
    let mut lines = String::new();
    for line in pem.lines() {
        for part in line.as_bytes().chunks(64) {
            lines += std::str::from_utf8(part).expect("ASCII");
            lines.push('\n');
        }
    }
    lines
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Whatever is left is of no use to anybody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
