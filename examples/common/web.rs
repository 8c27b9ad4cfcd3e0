//! The web server: a port of this machine, served until the example stops.
//!
//! What it holds is bounded: connections, how long a request's head, its body and
//! its answer may take, and how large a body may be. What it does not do it says.

use std::future::ready;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::{Failure, Refusal};

/// Connections at once; the next ones wait until one of them is closed.
const CONNECTIONS: usize = 256;
/// How long the head of a request may take, and a connection may be without one.
const HEAD: Duration = Duration::from_secs(10);
/// How long the body of a request may take.
const BODY: Duration = Duration::from_secs(5);
/// How large it may be: more than an event hub takes.
const BODY_BYTES: usize = 1 << 20;
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);
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
    server: JoinHandle<()>,
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

    /// Starts to answer requests; who asks for something else is told of `pages`.
    pub(crate) fn serve(self, router: Router, pages: &'static str) -> Serving {
        println!("Server running at {}", self.url("/"));
        let no_page = move || async move {
            let sentence = format!("There is no such page: try {pages}.");
            Refusal::new(StatusCode::NOT_FOUND, sentence)
        };
        let no_method = move |method: Method| async move {
            let sentence = format!("This page does not take {method}: try {pages}.");
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, sentence)
        };
        let router = router
            .fallback(no_page)
            .method_not_allowed_fallback(no_method)
            .layer(DefaultBodyLimit::max(BODY_BYTES))
            .layer(middleware::from_fn(in_time));
        let (stop, stopped) = oneshot::channel();
        Serving {
            stop,
            server: tokio::spawn(answer(self.listener, router, stopped)),
        }
    }
}

impl Serving {
    /// Answers the requests under way, and no others.
    pub(crate) async fn stop(self) {
        self.stop_while(ready(())).await;
    }

    /// The same, where answers depend on something else that comes to an end.
    pub(crate) async fn stop_while<T>(mut self, ending: impl Future<Output = T>) -> T {
        drop(self.stop);
        let ended = ending.await;
        if timeout(FAREWELL, &mut self.server).await.is_err() {
            self.server.abort();
        }
        ended
    }
}

/// Serves connections until it is told to stop, and then those requests that are under
/// way. It has a loop of its own since `axum::serve` waits for ever for a head.
async fn answer(listener: TcpListener, router: Router, mut stopped: oneshot::Receiver<()>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let stopping = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            // A sender that is gone means the same.
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else {
            // Too many files are open, or the other side is gone already.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = stopping.watch(http.serve_connection(TokioIo::new(stream), service));
        connections.spawn(async move {
            // One that breaks is the other side's loss.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    stopping.shutdown().await;
}

async fn in_time(request: Request, next: Next) -> Result<Response, Refusal> {
    let late = |_| {
        let sentence =
            format!("No answer within {ANSWER:?}: what became of the request is not known.");
        Refusal::for_now(sentence)
    };
    timeout(ANSWER, next.run(request)).await.map_err(late)
}

/// Reads the body of a request, if it is not too large and comes in time.
pub(crate) async fn body(request: Request) -> Result<Bytes, Refusal> {
    let too_large = || {
        let sentence = format!("the body is larger than {BODY_BYTES} bytes");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, sentence)
    };
    // Known before it is read: who waits for a word does not have to send it.
    if request.body().size_hint().lower() > BODY_BYTES as u64 {
        return Err(too_large());
    }
    match timeout(BODY, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(too_large())
        }
        Ok(Err(rejection)) => Err(Refusal::new(rejection.status(), rejection.body_text())),
        Err(_) => {
            let sentence = format!("the body did not come within {BODY:?}");
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, sentence))
        }
    }
}
