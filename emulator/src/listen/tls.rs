//! TLS: the certificate, made at start or given, and the server's half of the handshake.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a certificate made at start is valid: some platforms trust none for longer than 825 days.
const LIFETIME: Duration = Duration::from_secs(397 * DAY.as_secs());
const PEM_LINE: usize = 64;

/// What the emulator shows to clients that use TLS.
#[derive(Clone)]
pub(crate) enum Certificate {
    /// One made at start, for this machine by its names `localhost`, `127.0.0.1` and `::1`.
    Made,
    /// A chain, the emulator's own first, and its private key; both in PEM.
    Given { chain: String, key: String },
}

/// Without the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Made => "Made",
            Self::Given { .. } => "Given",
        })
    }
}

/// The certificate given cannot be used: it or its key cannot be read, or they do not go together.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CertificateError(#[from] Problem);

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("the certificate cannot be read: {0}")]
    Chain(pem::Error),
    #[error("the private key cannot be read: {0}")]
    Key(pem::Error),
    #[error("the certificate cannot be used: {0}")]
    Unusable(rustls::Error),
    #[error("no certificate could be made: {0}")]
    Make(rcgen::Error),
}

/// TLS as the emulator offers it: 1.2 and 1.3.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// The chain shown to clients, in PEM. The key is not in it.
    pub(crate) certificate_pem: String,
}

impl Tls {
    /// # Errors
    ///
    /// If the certificate cannot be used.
    pub(crate) fn new(certificate: &Certificate) -> Result<Self, CertificateError> {
        let (chain, key) = match certificate {
            Certificate::Made => make().map_err(Problem::Make)?,
            Certificate::Given { chain, key } => read(chain, key)?,
        };
        let certificate_pem = to_pem(&chain);
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
            .map_err(Problem::Unusable)?;
        Ok(Self {
            acceptor: Arc::new(config).into(),
            certificate_pem,
        })
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A certificate that is its own trust anchor. Not one of an authority: `webpki` takes none of those from a server.
fn make() -> Result<Identity, rcgen::Error> {
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let mut params = CertificateParams::new(names)?;
    params.not_before = (SystemTime::now() - DAY).into();
    params.not_after = (SystemTime::now() + LIFETIME).into();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, env!("CARGO_PKG_NAME"));
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((vec![certificate.into()], key.into()))
}

fn read(chain: &str, key: &str) -> Result<Identity, Problem> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(Problem::Chain)?;
    if chain.is_empty() {
        return Err(Problem::Chain(pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(Problem::Key)?;
    Ok((chain, key))
}

fn to_pem(chain: &[CertificateDer<'_>]) -> String {
    let mut pem = String::new();
    for certificate in chain {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut rest = STANDARD.encode(certificate).into_bytes();
        while !rest.is_empty() {
            let tail = rest.split_off(rest.len().min(PEM_LINE));
            // Base64 is ASCII, and writing to a string cannot fail.
            let _ = writeln!(pem, "{}", String::from_utf8_lossy(&rest));
            rest = tail;
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_survives_pem() {
        let (chain, _) = make().unwrap();
        let pem = to_pem(&chain);
        let lines: Vec<_> = pem.lines().map(str::len).collect();
        assert!(lines.iter().all(|&length| length <= PEM_LINE), "{lines:?}");
        let again: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        assert_eq!(again.unwrap(), chain);
    }
}
