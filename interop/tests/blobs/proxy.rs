//! A proxy to Azurite that does to requests what it is told.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of a request.
pub(crate) enum Fate {
    /// It is passed on, and so is the answer.
    Pass,
    /// Something else is done first.
    After(BoxFuture<'static, ()>),
    /// It is passed on; the connection breaks instead of an answer.
    LoseAnswer,
    /// It is not passed on; the connection breaks.
    Drop,
    /// It is not passed on, and nothing is answered.
    Hang,
    /// It is not passed on; this is answered: a status with its text, and a code.
    Answer(&'static str, &'static str),
}

impl Fate {
    pub(crate) fn after(done: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::After(Box::pin(done))
    }
}

type Judge = Box<dyn FnMut(&str) -> Fate + Send>;

/// The proxy. It takes one request per connection.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    judge: Arc<Mutex<Judge>>,
    seen: Arc<watch::Sender<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let own = listener.local_addr().expect("bound").port();
        let judge: Judge = Box::new(|_| Fate::Pass);
        let judge = Arc::new(Mutex::new(judge));
        let seen = Arc::new(watch::Sender::new(Vec::new()));
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, port, Arc::clone(&judge), Arc::clone(&seen)));
        Self {
            port: own,
            judge,
            seen,
            _serving: serving,
        }
    }

    /// Decides from now on by a request's first line, such as `PUT /a/b?c HTTP/1.1`.
    pub(crate) fn judge(&self, judge: impl FnMut(&str) -> Fate + Send + 'static) {
        *self.judge.lock().unwrap() = Box::new(judge);
    }

    /// Does it to the next request that `is_meant`, and passes all others.
    pub(crate) fn once(&self, is_meant: impl Fn(&str) -> bool + Send + 'static, fate: Fate) {
        let mut fate = Some(fate);
        self.judge(move |line| match is_meant(line) {
            true => fate.take().unwrap_or(Fate::Pass),
            false => Fate::Pass,
        });
    }

    /// Does something to one request in sixteen, and counts them. Which, is the same in each run.
    pub(crate) fn fail_now_and_then(&self) -> Arc<AtomicU32> {
        let faults = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&faults);
        let mut requests = 0_u32;
        self.judge(move |_| {
            requests += 1;
            // Spread.
            let fate = match requests.wrapping_mul(2_654_435_761) >> 26 {
                0 => Fate::Hang,
                1 => Fate::LoseAnswer,
                2 => Fate::Drop,
                3 => Fate::Answer("503 Service Unavailable", "ServerBusy"),
                _ => return Fate::Pass,
            };
            counted.fetch_add(1, Ordering::Relaxed);
            fate
        });
        faults
    }

    /// The first lines of the requests so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.borrow().clone()
    }

    pub(crate) fn forget(&self) {
        self.seen.send_replace(Vec::new());
    }
}

async fn serve(
    listener: TcpListener,
    port: u16,
    judge: Arc<Mutex<Judge>>,
    seen: Arc<watch::Sender<Vec<String>>>,
) {
    let mut serving = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (judge, seen) = (Arc::clone(&judge), Arc::clone(&seen));
        serving.spawn(async move {
            // Who breaks off wants no answer.
            let _ = exchange(client, port, &judge, &seen).await;
        });
        while serving.try_join_next().is_some() {}
    }
}

async fn exchange(
    mut client: TcpStream,
    port: u16,
    judge: &Mutex<Judge>,
    seen: &watch::Sender<Vec<String>>,
) -> io::Result<()> {
    let mut head = Vec::new();
    // No request has a body.
    while !head.ends_with(b"\r\n\r\n") {
        if client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8(head).expect("ASCII");
    let (line, rest) = head.split_once("\r\n").expect("a first line");
    let fate = (judge.lock().unwrap())(line);
    seen.send_modify(|seen| seen.push(line.to_owned()));
    let request = format!("{line}\r\nConnection: close\r\n{rest}");
    let is_answered = match fate {
        Fate::Pass => true,
        Fate::LoseAnswer => false,
        Fate::After(first) => {
            first.await;
            true
        }
        Fate::Drop => return Ok(()),
        Fate::Hang => {
            // Until the client has enough.
            client.read_buf(&mut Vec::new()).await?;
            return Ok(());
        }
        Fate::Answer(status, code) => {
            let answer = format!(
                "HTTP/1.1 {status}\r\nx-ms-error-code: {code}\r\nConnection: close\r\n\
                 Content-Length: 0\r\n\r\n"
            );
            return client.write_all(answer.as_bytes()).await;
        }
    };
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    server.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    match is_answered {
        true => client.write_all(&answer).await,
        false => Ok(()),
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").finish_non_exhaustive()
    }
}
