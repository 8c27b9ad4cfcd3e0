//! The byte stream to the service: TCP, TLS where it is due, a WebSocket where
//! one is asked for, and the guard on top.

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::endpoint::Endpoint;
use super::guard::Guarded;
use super::web_socket::WebSocket;
use crate::error::{Error, ErrorKind};
use crate::tls::Tls;

/// Any byte stream.
pub(super) trait Stream: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Stream for S {}

/// Makes byte streams to one endpoint.
pub(super) struct Dialer {
    endpoint: Endpoint,
    tls: Tls,
}

impl Dialer {
    pub(super) fn new(endpoint: Endpoint, roots: Option<Vec<u8>>) -> Self {
        let tls = Tls::new(roots, "EventHubOptions::with_root_certificates");
        Self { endpoint, tls }
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
            true => Box::new(self.tls.secure(what, &self.endpoint.host, tcp).await?),
            false => Box::new(tcp),
        };
        let stream = match self.endpoint.web_socket {
            true => upgrade(what, &self.endpoint.url(), stream).await?,
            false => stream,
        };
        Ok(Guarded::new(stream))
    }
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

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("endpoint", &self.endpoint)
            .field("tls", &self.tls)
            .finish()
    }
}
