//! Connections to the service: TCP, and TLS where it is due.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::error::{Error, ErrorKind};
use crate::tls::Tls;

/// Connects to whatever host a request names.
#[derive(Debug, Clone)]
pub(super) struct Dialer {
    tls: Arc<Tls>,
}

/// Any byte stream.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pin_project! {
    /// A connection, as `hyper` takes it.
    pub(super) struct Dialed {
        #[pin]
        stream: TokioIo<Box<dyn Stream>>,
    }
}

impl Dialer {
    pub(super) fn new(roots: Option<Vec<u8>>) -> Self {
        let tls = Tls::new(roots, "BlobStoreOptions::with_root_certificates");
        Self { tls: Arc::new(tls) }
    }

    async fn dial(self, uri: Uri) -> Result<Dialed, Error> {
        let is_secure = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let usual = if is_secure { 443 } else { 80 };
        let what = format!("the store of blobs at {host}");
        let unreachable = |error: io::Error| {
            let message = format!("{what} cannot be reached: {error}");
            Error::new(ErrorKind::Disconnected, message).with_source(error)
        };
        let tcp = TcpStream::connect((host, uri.port_u16().unwrap_or(usual))).await;
        let tcp = tcp.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let stream: Box<dyn Stream> = match is_secure {
            true => Box::new(self.tls.secure(&what, host, tcp).await?),
            false => Box::new(tcp),
        };
        let stream = TokioIo::new(stream);
        Ok(Dialed { stream })
    }
}

impl Service<Uri> for Dialer {
    type Response = Dialed;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Dialed, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

impl Connection for Dialed {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Dialed {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().stream.poll_read(cx, buffer)
    }
}

impl Write for Dialed {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_shutdown(cx)
    }
}

impl fmt::Debug for Dialed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialed").finish_non_exhaustive()
    }
}
