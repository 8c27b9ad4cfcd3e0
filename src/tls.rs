//! TLS to the service, and where it may be left out.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::error::{Error, ErrorKind};

/// Who is trusted to vouch for a host.
pub(crate) struct Tls {
    /// The root certificates given, in PEM.
    roots: Option<Vec<u8>>,
    /// The option that gives them.
    option: &'static str,
    /// Made when it is first needed: the platform's roots are many files.
    config: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    pub(crate) fn new(roots: Option<Vec<u8>>, option: &'static str) -> Self {
        Self {
            roots,
            option,
            config: OnceCell::new(),
        }
    }

    /// TLS on a connection, to a host that proves its name.
    ///
    /// # Errors
    /// [`ErrorKind::Untrusted`] if the host does not prove who it is,
    /// [`ErrorKind::InvalidOptions`] if there are no root certificates to prove it
    /// by, [`ErrorKind::Disconnected`] if it cannot be reached.
    pub(crate) async fn secure(
        &self,
        what: &str,
        host: &str,
        tcp: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let config = self.config.get_or_try_init(|| self.load()).await?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Error::invalid_options(format!("{host:?} is no name for TLS")))?;
        let connector = TlsConnector::from(Arc::clone(config));
        let connected = connector.connect(name, tcp).await;
        connected.map_err(|error| match certificate_error(&error) {
            Some(reason) => {
                let message = format!("{what}: the certificate of {host} is not trusted: {reason}");
                Error::new(ErrorKind::Untrusted, message).with_source(error)
            }
            None => {
                Error::new(ErrorKind::Disconnected, format!("{what}: {error}")).with_source(error)
            }
        })
    }

    async fn load(&self) -> Result<Arc<ClientConfig>, Error> {
        let roots = match &self.roots {
            Some(pem) => given_roots(pem)?,
            None => platform_roots(self.option).await?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::invalid_options(format!("TLS cannot be set up: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

fn given_roots(pem: &[u8]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| {
            Error::invalid_options(format!("the root certificates are no valid PEM: {error}"))
        })?;
        roots.add(certificate).map_err(|error| {
            Error::invalid_options(format!("a root certificate cannot be used: {error}"))
        })?;
    }
    match roots.is_empty() {
        true => Err(Error::invalid_options(
            "no root certificate stands in the PEM given",
        )),
        false => Ok(roots),
    }
}

async fn platform_roots(option: &str) -> Result<RootCertStore, Error> {
    // Reads many files.
    let loaded = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let certificates = loaded.map(|loaded| loaded.certs).unwrap_or_default();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates);
    if usable == 0 {
        return Err(Error::invalid_options(format!(
            "this machine has no root certificates: install them (ca-certificates), or give some \
             with {option}"
        )));
    }
    Ok(roots)
}

fn certificate_error(error: &io::Error) -> Option<&rustls::Error> {
    let error = error.get_ref()?.downcast_ref()?;
    matches!(error, rustls::Error::InvalidCertificate(_)).then_some(error)
}

/// Whether a host is this machine, to which bytes may go in the clear.
pub(crate) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("own_roots", &self.roots.is_some())
            .finish_non_exhaustive()
    }
}
