//! The one connection of an event hub, opened when it is needed.
//!
//! Who asks for a session while the connection is down brings it up first; who
//! asks meanwhile shares the attempt and its outcome. Every link has a session
//! of its own: a connection holds 4999 of them, a session no more than 256
//! links, and what ends one session harms no other link.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use fe2o3_amqp::Session;
use fe2o3_amqp::connection::{Connection as Amqp, ConnectionHandle};
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::timeout;

use super::cbs::{self, Renewal};
use super::errors::Spoken;
use super::management;
use super::node::Node;
use super::sas::Issuer;
use crate::connection_string::ConnectionString;
use crate::error::{Error, ErrorKind};

/// How long one operation may take, whatever it waits for.
pub(super) const TRY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the service may take to agree to a close.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the service may take to let us in.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long either side may be silent.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The largest frame that we take, in bytes.
const MAX_FRAME_SIZE: u32 = 64 * 1024;

/// The highest channel that the service takes.
const CHANNEL_MAX: u16 = 4999;

const PLAIN_PORT: u16 = 5672;

/// A connection to one event hub.
pub(crate) struct Connection {
    host: String,
    port: u16,
    hub: String,
    issuer: Arc<Issuer>,
    state: Mutex<State>,
    /// The attempts to open it that have ended.
    attempts: AtomicU64,
    closed: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    open: Option<Open>,
    /// Why the last attempt failed.
    failure: Option<Error>,
}

struct Open {
    handle: ConnectionHandle<()>,
    management: Option<Arc<Mutex<Node>>>,
    // Stops when it is dropped.
    _renewal: Renewal,
}

impl Connection {
    /// A connection that is not open yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidOptions`] if it would need TLS.
    pub(crate) fn new(settings: &ConnectionString, hub: &str) -> Result<Arc<Self>, Error> {
        if !settings.is_development_emulator() {
            return Err(Error::invalid_options(
                "TLS is not built in yet: only connection strings with UseDevelopmentEmulator=true can be used",
            ));
        }
        let audience = format!("sb://{}/{hub}", settings.host());
        Ok(Arc::new(Self {
            host: settings.host().to_owned(),
            port: settings.port().unwrap_or(PLAIN_PORT),
            hub: hub.to_owned(),
            issuer: Arc::new(Issuer::new(settings.credential().clone(), audience)),
            state: Mutex::default(),
            attempts: AtomicU64::new(0),
            closed: watch::Sender::new(false),
        }))
    }

    /// The name of the event hub.
    pub(crate) fn hub(&self) -> &str {
        &self.hub
    }

    /// A token for the hub: for requests that carry one.
    pub(super) fn token(&self) -> String {
        self.issuer.token(SystemTime::now())
    }

    /// Brings the connection up, if it is down.
    pub(crate) async fn open(self: &Arc<Self>) -> Result<(), Error> {
        let this = Arc::clone(self);
        self.in_task(async move { this.lock_open().await.map(drop) })
            .await
    }

    /// Begins a session, for one link.
    pub(super) async fn session(self: &Arc<Self>) -> Result<SessionHandle<()>, Error> {
        let this = Arc::clone(self);
        self.in_task(async move {
            let mut state = this.lock_open().await?;
            state.begin().await
        })
        .await
    }

    /// The management node.
    pub(super) async fn management(self: &Arc<Self>) -> Result<Arc<Mutex<Node>>, Error> {
        let this = Arc::clone(self);
        self.in_task(async move {
            let mut state = this.lock_open().await?;
            if let Some(node) = state.open.as_ref().and_then(|open| open.management.clone()) {
                return Ok(node);
            }
            let node = Node::new(state.begin().await?, management::ADDRESS);
            let node = Arc::new(Mutex::new(node));
            if let Some(open) = &mut state.open {
                open.management = Some(Arc::clone(&node));
            }
            Ok(node)
        })
        .await
    }

    /// Drops a management node that failed.
    pub(super) async fn forget_management(&self, failed: &Arc<Mutex<Node>>) {
        if let Some(open) = &mut self.state.lock().await.open {
            open.management.take_if(|node| Arc::ptr_eq(node, failed));
        }
    }

    /// Closes the connection for good. Idempotent.
    ///
    /// # Errors
    /// What broke the connection before; it is closed all the same.
    ///
    /// # Cancel safety
    /// Dropping the future closes without waiting for the service.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        self.closed.send_replace(true);
        let Some(mut open) = self.state.lock().await.open.take() else {
            return Ok(());
        };
        let what = self.what("closing the connection to");
        match timeout(CLOSE_TIMEOUT, open.handle.close()).await {
            Ok(closed) => closed.map_err(|error| error.into_error(&what)),
            Err(_) => Err(timed_out(&what, CLOSE_TIMEOUT)),
        }
    }

    /// An error in the light of whether we closed the connection ourselves.
    pub(super) fn explain(&self, error: Error) -> Error {
        if !self.is_closed() || error.kind() != &ErrorKind::Disconnected {
            return error;
        }
        let closed = Error::closed("event hub");
        match error.is_fate_unknown() {
            true => closed.with_unknown_fate(),
            false => closed,
        }
    }

    fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Runs what must not be dropped half-way: a session that nobody waits for
    /// when it begins upsets the whole connection.
    async fn in_task<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let mut closed = self.closed.subscribe();
        let task = tokio::spawn(async move {
            tokio::select! {
                biased;
                // It fails only if the connection is gone, and with it the work.
                _ = closed.wait_for(|closed| *closed) => Err(Error::closed("event hub")),
                done = work => done,
            }
        });
        let what = self.what("waiting for");
        match timeout(TRY_TIMEOUT, task).await {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => Err(Error::new(ErrorKind::Disconnected, what).with_source(error)),
            Err(_) => Err(timed_out(&what, TRY_TIMEOUT)),
        }
    }

    /// The state of the connection, which is up.
    async fn lock_open(&self) -> Result<MutexGuard<'_, State>, Error> {
        let seen = self.attempts.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        if state
            .open
            .as_ref()
            .is_some_and(|open| !open.handle.is_closed())
        {
            return Ok(state);
        }
        state.open = None;
        // An attempt that ended while we waited was ours, too.
        if self.attempts.load(Ordering::Acquire) != seen
            && let Some(failure) = &state.failure
        {
            return Err(failure.clone());
        }
        let what = self.what("connecting to");
        let opened = match timeout(OPEN_TIMEOUT, self.connect(&what)).await {
            Ok(opened) => opened,
            Err(_) => Err(timed_out(&what, OPEN_TIMEOUT)),
        };
        self.attempts.fetch_add(1, Ordering::Release);
        state.failure = opened.as_ref().err().cloned();
        state.open = Some(opened?);
        Ok(state)
    }

    async fn connect(&self, what: &str) -> Result<Open, Error> {
        let stream = self.stream(what).await?;
        // Random, so that no two processes share it.
        let container = format!("eventhubs-flow-{:016x}", RandomState::new().hash_one(what));
        let mut handle = Amqp::builder()
            .container_id(container)
            .hostname(self.host.as_str())
            .sasl_profile(SaslProfile::Anonymous)
            .max_frame_size(MAX_FRAME_SIZE)
            .channel_max(CHANNEL_MAX)
            .idle_time_out(u32::try_from(IDLE_TIMEOUT.as_millis()).unwrap_or(u32::MAX))
            .open_with_stream(stream)
            .await
            .map_err(|error| error.into_error(what))?;
        let session = Session::begin(&mut handle).await;
        let session = session.map_err(|error| error.into_error(what))?;
        let mut cbs = Node::new(session, cbs::ADDRESS);
        cbs::put_token(&mut cbs, &self.issuer).await?;
        tracing::info!(host = %self.host, port = self.port, hub = %self.hub, "connected");
        Ok(Open {
            handle,
            management: None,
            _renewal: Renewal::start(cbs, Arc::clone(&self.issuer)),
        })
    }

    /// The byte stream to the service: where TLS goes.
    async fn stream(&self, what: &str) -> Result<TcpStream, Error> {
        let unreachable = |error| {
            Error::new(ErrorKind::Disconnected, format!("{what}: {error}")).with_source(error)
        };
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        Ok(stream)
    }

    fn what(&self, doing: &str) -> String {
        format!("{doing} {}:{}", self.host, self.port)
    }
}

impl State {
    async fn begin(&mut self) -> Result<SessionHandle<()>, Error> {
        let what = "beginning a session";
        let Some(open) = &mut self.open else {
            return Err(Error::closed("connection"));
        };
        match timeout(OPEN_TIMEOUT, Session::begin(&mut open.handle)).await {
            Ok(begun) => begun.map_err(|error| error.into_error(what)),
            Err(_) => {
                // The peer is dead, or the connection upset: the next one gets a new one.
                self.open = None;
                Err(timed_out(what, OPEN_TIMEOUT))
            }
        }
    }
}

/// Says that something took too long.
pub(super) fn timed_out(what: &str, after: Duration) -> Error {
    let message = format!("{what}: no answer within {} s", after.as_secs());
    Error::new(ErrorKind::Timeout, message)
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("hub", &self.hub)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
