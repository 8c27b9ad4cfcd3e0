//! The byte stream to the service: TCP, TLS where it is due, a WebSocket where
//! one is asked for, and the guard on top.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::endpoint::Endpoint;
use super::guard::Guarded;
use super::web_socket::WebSocket;
use crate::error::{Error, ErrorKind};

/// Any byte stream.
pub(super) trait Stream: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Stream for S {}

/// Makes byte streams to one endpoint.
pub(super) struct Dialer {
    endpoint: Endpoint,
    /// The root certificates given, in PEM.
    roots: Option<Vec<u8>>,
    /// Made when it is first needed: the platform's roots are many files.
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Dialer {
    pub(super) fn new(endpoint: Endpoint, roots: Option<Vec<u8>>) -> Self {
        Self {
            endpoint,
            roots,
            tls: OnceCell::new(),
        }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Connects.
    ///
    /// # Errors
    /// [`ErrorKind::Untrusted`] if the host does not prove who it is,
    /// [`ErrorKind::InvalidOptions`] if there are no root certificates to prove it
    /// by, [`ErrorKind::Disconnected`] if it cannot be reached.
    pub(super) async fn dial(&self, what: &str) -> Result<Guarded<Box<dyn Stream>>, Error> {
        let (host, port) = &self.endpoint.address;
        let tcp = TcpStream::connect((host.as_str(), *port)).await;
        let tcp = tcp.map_err(|error| unreachable(what, error))?;
        tcp.set_nodelay(true)
            .map_err(|error| unreachable(what, error))?;
        let stream: Box<dyn Stream> = match self.endpoint.tls {
            true => Box::new(self.secure(what, tcp).await?),
            false => Box::new(tcp),
        };
        let stream = match self.endpoint.web_socket {
            true => upgrade(what, &self.endpoint.url(), stream).await?,
            false => stream,
        };
        Ok(Guarded::new(stream))
    }

    async fn secure(
        &self,
        what: &str,
        tcp: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Error> {
        let config = self.tls.get_or_try_init(|| self.tls_config()).await?;
        let name = ServerName::try_from(self.endpoint.host.clone()).map_err(|_| {
            Error::invalid_options(format!("{:?} is no name for TLS", self.endpoint.host))
        })?;
        let connector = TlsConnector::from(Arc::clone(config));
        let connected = connector.connect(name, tcp).await;
        connected.map_err(|error| match certificate_error(&error) {
            Some(reason) => {
                let host = &self.endpoint.host;
                let message = format!("{what}: the certificate of {host} is not trusted: {reason}");
                Error::new(ErrorKind::Untrusted, message).with_source(error)
            }
            None => unreachable(what, error),
        })
    }

    async fn tls_config(&self) -> Result<Arc<ClientConfig>, Error> {
        let roots = match &self.roots {
            Some(pem) => given_roots(pem)?,
            None => platform_roots().await?,
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

async fn platform_roots() -> Result<RootCertStore, Error> {
    // Reads many files.
    let loaded = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let certificates = loaded.map(|loaded| loaded.certs).unwrap_or_default();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates);
    if usable == 0 {
        return Err(Error::invalid_options(
            "this machine has no root certificates: install them (ca-certificates), or give some \
             with EventHubOptions::with_root_certificates",
        ));
    }
    Ok(roots)
}

async fn upgrade(what: &str, url: &str, stream: Box<dyn Stream>) -> Result<Box<dyn Stream>, Error> {
    let upgraded = WebSocket::upgrade(url, stream).await;
    let socket = upgraded.map_err(|error| {
        let message = format!("{what}: no WebSocket at {url}: {error}");
        Error::new(ErrorKind::Disconnected, message).with_source(error)
    })?;
    Ok(Box::new(socket))
}

fn unreachable(what: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Disconnected, format!("{what}: {error}")).with_source(error)
}

fn certificate_error(error: &io::Error) -> Option<&rustls::Error> {
    let error = error.get_ref()?.downcast_ref()?;
    matches!(error, rustls::Error::InvalidCertificate(_)).then_some(error)
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("endpoint", &self.endpoint)
            .field("own_roots", &self.roots.is_some())
            .finish_non_exhaustive()
    }
}
