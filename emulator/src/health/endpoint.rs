//! The HTTP server: a few connections at a time, one request each.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::answer::{Watched, answer};
use crate::builder::StartError;
use crate::emulator::Emulator;
use crate::listen::Port;
use crate::server::ACCEPT_PAUSE;
use crate::wire;

/// How many clients are answered at a time; others wait to be accepted.
const MAX_CONNECTIONS: usize = 32;
/// How long a client may take to ask and to read the answer.
const TIME_OUT: Duration = Duration::from_secs(5);
/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// `GET /health` and `GET /metrics` for one or more emulators, over HTTP on this machine's loopback addresses.
///
/// For a single emulator [`EmulatorBuilder::health_port`](crate::EmulatorBuilder::health_port) is shorter.
///
/// | request | answer |
/// |---|---|
/// | `GET /health` | 200 and `{"status":"healthy","message":"Service is healthy."}`; 503 once any of the emulators stops |
/// | `GET /metrics` | every counter of every namespace and hub, in Prometheus' text format |
///
/// It stops when it is dropped.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), eventhubs_emulator::StartError> {
/// use eventhubs_emulator::{Emulator, HealthEndpoint};
///
/// let emulators = [
///     Emulator::builder().namespace("east").start().await?,
///     Emulator::builder().namespace("west").start().await?,
/// ];
/// let health = HealthEndpoint::start(0, &emulators)?;
/// println!("http://{}/health", health.address());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "it stops when it is dropped"]
pub struct HealthEndpoint {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: Option<JoinHandle<()>>,
}

impl HealthEndpoint {
    /// Answers for `emulators` at `port` (0: any free one), on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// If the port cannot be had.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub fn start(port: u16, emulators: &[Emulator]) -> Result<Self, StartError> {
        let emulators = emulators.iter().map(Emulator::watched).collect();
        Self::serve(port, emulators).map_err(|source| StartError::of_port(port, source))
    }

    pub(crate) fn serve(port: u16, emulators: Vec<Watched>) -> io::Result<Self> {
        let listeners = Port::bind(port)?;
        let address = listeners.address()?;
        let (stop, stopped) = watch::channel(false);
        let server = run(listeners, emulators.into(), stopped);
        Ok(Self {
            address,
            stop,
            server: Some(tokio::spawn(server)),
        })
    }

    /// Where it listens for IPv4; `[::1]` has the same port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port.
    ///
    /// # Cancel safety
    ///
    /// It stops all the same if the future is dropped.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(server) = self.server.take() {
            // It fails only if the runtime shuts down, and then it has stopped, too.
            let _ = server.await;
        }
    }
}

impl Drop for HealthEndpoint {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn run(listeners: Port, emulators: Arc<[Watched]>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let has_room = connections.len() < MAX_CONNECTIONS;
        tokio::select! {
            accepted = listeners.accept(), if has_room => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, Arc::clone(&emulators)));
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            () = wire::stopped(&mut stop) => return,
        }
    }
}

/// Answers one request.
async fn converse(stream: TcpStream, emulators: Arc<[Watched]>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(&emulators, request.method(), request.uri());
        async move { Ok::<Response<_>, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // A client that breaks off, or asks what is no HTTP, has had its chance.
    let _ = timeout(TIME_OUT, connection).await;
}
