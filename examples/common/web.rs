//! The web server: a port of this machine, served until the example stops.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Failure;

/// How long requests under way may take when the server stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// A port that is ours, not served yet.
pub(crate) struct Web {
    listener: TcpListener,
    port: u16,
}

/// A server that runs.
pub(crate) struct Serving {
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

impl Web {
    /// Takes a port, so that a taken one is known before anything else starts.
    pub(crate) async fn listen(port: u16) -> Result<Self, Failure> {
        let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => listener,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(format!(
                    "port {port} is taken by another program: stop it, or set PORT to another port"
                )
                .into());
            }
            Err(error) => return Err(format!("port {port} cannot be used: {error}").into()),
        };
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// The address of a page.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    /// Starts to answer requests.
    pub(crate) fn serve(self, router: Router) -> Serving {
        println!("Server running at {}", self.url("/"));
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            // A sender that is gone means the same.
            let _ = stopped.await;
        };
        let server = axum::serve(self.listener, router).with_graceful_shutdown(stopped);
        Serving {
            stop,
            server: tokio::spawn(server.into_future()),
        }
    }
}

impl Serving {
    /// Answers the requests under way, and no others.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        // A browser that keeps its connection open is not waited for.
        let _ = tokio::time::timeout(FAREWELL, self.server).await;
    }
}
