//! The one connection of an event hub, opened when it is needed.
//!
//! Who asks for a session while the connection is down brings it up first; who
//! asks meanwhile shares the attempt and its outcome. After attempts that fail
//! the next one waits, longer each time, whoever asks. Each connection has a
//! generation: what was begun on an earlier one is discarded, never resumed.
//!
//! Every link has a session of its own: a connection holds 4999 of them, a
//! session no more than 256 links, and what ends one session harms no other link.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fe2o3_amqp::Session;
use fe2o3_amqp::connection::{self as amqp, Connection as Amqp, ConnectionHandle};
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::cbs::{self, Renewal};
use super::dial::Dialer;
use super::endpoint::{Endpoint, Server};
use super::errors::Spoken;
use super::guard::Tripped;
use super::management;
use super::node::Node;
use super::tokens::{Issuer, TokenSource};
use crate::error::{Error, ErrorKind};
use crate::hub::EventHubOptions;
use crate::retry::Backoff;
use crate::sync::{Mutex as StdMutex, lock};

/// How long the service may take to agree to a close.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the service may take to let us in, at most.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest frame that we take, in bytes.
pub(super) const MAX_FRAME_SIZE: u32 = 64 * 1024;

/// The highest channel that the service takes.
const CHANNEL_MAX: u16 = 4999;

/// A connection to one event hub.
pub(crate) struct Connection {
    dialer: Dialer,
    hub: String,
    issuer: Issuer,
    try_timeout: Duration,
    heartbeat: Duration,
    reconnect: Backoff,
    state: Mutex<State>,
    /// The attempts to open it that have ended.
    attempts: AtomicU64,
    /// The attempts that have succeeded.
    generation: AtomicU64,
    /// Why the token of the connection was not renewed.
    not_renewed: StdMutex<Option<Error>>,
    closed: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    open: Option<Open>,
    /// Why the last attempt failed.
    failure: Option<Error>,
    /// The failures in a row, and when the next attempt may be made.
    failures: u32,
    retry_at: Option<Instant>,
}

struct Open {
    handle: ConnectionHandle<()>,
    tripped: Tripped,
    management: Option<Arc<Mutex<Node>>>,
    // Stops when it is dropped.
    _renewal: Renewal,
}

/// A session, for one link, and what may be known of its end.
pub(super) struct Begun {
    pub(super) session: SessionHandle<()>,
    pub(super) tripped: Tripped,
}

impl Connection {
    /// A connection that is not open yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidOptions`] if bytes would leave this machine in the
    /// clear, or an option makes no sense.
    pub(crate) fn new(
        server: Server,
        source: TokenSource,
        hub: &str,
        options: &EventHubOptions,
    ) -> Result<Arc<Self>, Error> {
        for (name, time) in [
            ("try time-out", options.try_timeout),
            ("heartbeat", options.heartbeat),
            ("token life", options.token_life),
        ] {
            if time.is_zero() {
                return Err(Error::invalid_options(format!(
                    "the {name} must not be zero"
                )));
            }
        }
        let endpoint = Endpoint::new(server, options)?;
        let audience = format!("sb://{}/{hub}", endpoint.host);
        Ok(Arc::new(Self {
            dialer: Dialer::new(endpoint, options.root_certificates.clone()),
            hub: hub.to_owned(),
            issuer: Issuer::new(source, audience, options.wall_clock.clone()),
            try_timeout: options.try_timeout,
            heartbeat: options.heartbeat,
            reconnect: options.reconnect,
            state: Mutex::default(),
            attempts: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            not_renewed: StdMutex::default(),
            closed: watch::Sender::new(false),
        }))
    }

    /// How often a connection was made again.
    pub(crate) fn recoveries(&self) -> u64 {
        self.generation.load(Ordering::Relaxed).saturating_sub(1)
    }

    /// How long one operation may take, whatever it waits for.
    pub(super) fn try_timeout(&self) -> Duration {
        self.try_timeout
    }

    /// The wait after so many failures in a row.
    pub(super) fn backoff(&self, failures: u32) -> Duration {
        self.reconnect.delay(failures, None)
    }

    pub(super) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The name of the event hub.
    pub(crate) fn hub(&self) -> &str {
        &self.hub
    }

    /// A token for the hub: for requests that carry one.
    pub(super) async fn token(&self) -> Result<String, Error> {
        let token = self.issuer.token().await?;
        Ok(token.text)
    }

    /// Brings the connection up, if it is down.
    pub(crate) async fn open(self: &Arc<Self>) -> Result<(), Error> {
        let this = Arc::clone(self);
        self.in_task(async move { this.lock_open().await.map(drop) })
            .await
    }

    /// Begins a session, for one link.
    pub(super) async fn session(self: &Arc<Self>) -> Result<Begun, Error> {
        let this = Arc::clone(self);
        self.in_task(async move { this.begin().await.map(|(_, begun)| begun) })
            .await
    }

    /// Begins a session on the connection as it is; `None` if it is down.
    pub(super) async fn session_of_open(&self) -> Option<Result<SessionHandle<()>, Error>> {
        let mut state = self.state.lock().await;
        let open = state.open.as_ref()?;
        match open.handle.is_closed() {
            true => None,
            false => Some(state.begin().await.map(|begun| begun.session)),
        }
    }

    /// The management node.
    pub(super) async fn management(self: &Arc<Self>) -> Result<Arc<Mutex<Node>>, Error> {
        let this = Arc::clone(self);
        self.in_task(async move {
            let state = this.lock_open().await?;
            if let Some(node) = state.management() {
                return Ok(node);
            }
            drop(state);
            let (mut state, begun) = this.begin().await?;
            // Another may have come first.
            if let Some(node) = state.management() {
                return Ok(node);
            }
            let node = Node::new(begun.session, management::ADDRESS);
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
        let was_up = !open.handle.is_closed();
        let limit = CLOSE_TIMEOUT.min(self.try_timeout);
        match timeout(limit, open.handle.close()).await {
            // The stack takes frames that cross its close for a fault.
            Ok(Err(amqp::Error::IllegalState)) if was_up => Ok(()),
            Ok(closed) => closed.map_err(|error| error.into_error(&what)),
            Err(_) => Err(timed_out(&what, limit)),
        }
    }

    /// Waits until the connection is closed for good.
    pub(super) async fn closed(&self) {
        let mut closed = self.closed.subscribe();
        // It cannot fail: the other end is here.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Tells why a token was not renewed, or that it was.
    pub(super) fn set_not_renewed(&self, failure: Option<Error>) {
        *lock(&self.not_renewed) = failure;
    }

    /// The namespace's host.
    pub(crate) fn host(&self) -> &str {
        &self.dialer.endpoint().host
    }

    /// An error in the light of what else is known: whether we closed the
    /// connection ourselves, and why its token expired.
    pub(super) fn explain(&self, error: Error) -> Error {
        if error.kind() == &ErrorKind::Unauthorized
            && let Some(failure) = &*lock(&self.not_renewed)
        {
            let message = format!("{error} The token was not renewed: {failure}");
            let explained = Error::new(ErrorKind::Unauthorized, message);
            return match error.is_fate_unknown() {
                true => explained.with_unknown_fate(),
                false => explained.with_source(error),
            };
        }
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

    /// Runs what must not be dropped half-way: a session or a link that nobody
    /// waits for when it begins upsets the whole connection.
    pub(super) async fn in_task<T: Send + 'static>(
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
        match timeout(self.try_timeout, task).await {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => Err(Error::new(ErrorKind::Disconnected, what).with_source(error)),
            Err(_) => Err(timed_out(&what, self.try_timeout)),
        }
    }

    /// Begins a session on the connection, which is up afterwards.
    async fn begin(self: &Arc<Self>) -> Result<(MutexGuard<'_, State>, Begun), Error> {
        let mut state = self.lock_open().await?;
        match state.begin().await {
            // It was about to go when it was asked: one more.
            Err(error) if error.kind() == &ErrorKind::Disconnected => {
                state.open = None;
                drop(state);
                state = self.lock_open().await?;
                let begun = state.begin().await?;
                Ok((state, begun))
            }
            begun => begun.map(|begun| (state, begun)),
        }
    }

    /// The state of the connection, which is up.
    async fn lock_open(self: &Arc<Self>) -> Result<MutexGuard<'_, State>, Error> {
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
        if let (Some(retry_at), Some(failure)) = (state.retry_at, &state.failure) {
            let now = Instant::now();
            let too_late = retry_at >= now + self.try_timeout;
            // What cannot change by waiting is told at once, and not asked again before its time.
            if now < retry_at && (too_late || !failure.is_retryable()) {
                return Err(failure.clone());
            }
            sleep_until(retry_at).await;
        }
        let what = self.what("connecting to");
        let limit = OPEN_TIMEOUT.min(self.try_timeout);
        let opened = match timeout(limit, self.connect(&what)).await {
            Ok(opened) => opened,
            Err(_) => Err(timed_out(&what, limit)),
        };
        self.attempts.fetch_add(1, Ordering::Release);
        match &opened {
            Ok(_) => {
                let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
                tracing::info!(endpoint = ?self.dialer.endpoint(), hub = %self.hub, generation, "connected");
                (state.failures, state.retry_at) = (0, None);
                state.failure = None;
                self.set_not_renewed(None);
            }
            Err(error) => {
                state.failures = state.failures.saturating_add(1);
                let wait = self.reconnect.delay(state.failures, error.retry_after());
                tracing::warn!(%error, ?wait, "not connected");
                state.retry_at = Some(Instant::now() + wait);
                state.failure = Some(error.clone());
            }
        }
        state.open = Some(opened?);
        Ok(state)
    }

    async fn connect(self: &Arc<Self>, what: &str) -> Result<Open, Error> {
        let token = self.issuer.token().await?;
        let stream = self.dialer.dial(what).await?;
        let tripped = stream.tripped();
        // Random, so that no two processes share it.
        let container = format!("eventhubs-flow-{:016x}", RandomState::new().hash_one(what));
        let silence = u32::try_from(2 * self.heartbeat.as_millis()).unwrap_or(u32::MAX);
        let mut handle = Amqp::builder()
            .container_id(container)
            .hostname(self.dialer.endpoint().host.as_str())
            .sasl_profile(SaslProfile::Anonymous)
            .max_frame_size(MAX_FRAME_SIZE)
            .channel_max(CHANNEL_MAX)
            .idle_time_out(silence)
            .open_with_stream(stream)
            .await
            .map_err(|error| error.into_error(what))?;
        let session = Session::begin(&mut handle).await;
        let session = session.map_err(|error| error.into_error(what))?;
        let mut cbs = Node::new(session, cbs::ADDRESS);
        cbs::put_token(&mut cbs, &self.issuer, &token).await?;
        Ok(Open {
            handle,
            tripped,
            management: None,
            _renewal: Renewal::start(self, cbs, token),
        })
    }

    fn what(&self, doing: &str) -> String {
        let (host, port) = &self.dialer.endpoint().address;
        format!("{doing} {host}:{port}")
    }
}

impl State {
    fn management(&self) -> Option<Arc<Mutex<Node>>> {
        self.open.as_ref()?.management.clone()
    }

    async fn begin(&mut self) -> Result<Begun, Error> {
        let what = "beginning a session";
        let Some(open) = &mut self.open else {
            return Err(Error::closed("connection"));
        };
        match timeout(OPEN_TIMEOUT, Session::begin(&mut open.handle)).await {
            Ok(Ok(session)) => Ok(Begun {
                session,
                tripped: open.tripped.clone(),
            }),
            Ok(Err(error)) => Err(error.into_error(what)),
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
    let message = format!("{what}: no answer within {after:?}");
    Error::new(ErrorKind::Timeout, message)
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("endpoint", self.dialer.endpoint())
            .field("hub", &self.hub)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
