//! One connection, driven by one task: it takes frames in, lets links deliver, and waits for either to go on.
//!
//! A client that reads slowly fills its own output buffer and stops its own deliveries, nobody else's.

use super::acks::Acks;
use super::decode::DecodeError;
use super::error::{AmqpError, condition};
use super::frame::{self, MIN_MAX_FRAME_SIZE};
use super::handshake::{Peer, shake_hands};
use super::idle::Idleness;
use super::io::{Broken, Io};
use super::performative::{Attach, Performative};
use super::session::Session;
use crate::clients::ConnectionRecord;
use crate::faults::FaultId;
use crate::service::{AnswerRoom, Authorization, Broker, Node, Queued};
use crate::texts;
use futures_util::future::{AbortHandle, Abortable, BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// A client that has not opened its connection by then is closed.
const HANDSHAKE_TIME_OUT: Duration = Duration::from_secs(60);
/// How long the end of a connection may take.
const CLOSE_TIME_OUT: Duration = Duration::from_secs(2);
/// Heartbeats are never more frequent, whatever the client asks for.
const MIN_HEARTBEAT: Duration = Duration::from_millis(50);

/// A link on which the client receives, wherever it is now: handles are used again, ids are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinkKey {
    pub(super) channel: u16,
    pub(super) handle: u32,
    pub(super) id: u64,
}

/// What a link waited for.
pub(super) enum LinkEvent {
    /// Its partition has events again.
    Ready(LinkKey),
    /// It may deliver more of what the namespace gives out.
    Granted(LinkKey),
    /// Another receiver took its place.
    Displaced(LinkKey, AmqpError),
    /// A fault has held back a node's answer.
    Answer {
        channel: u16,
        node: Node,
        answer: Queued,
        to: Option<String>,
    },
    /// A fault has held back an attach.
    Attach {
        channel: u16,
        id: u64,
        attach: Box<Attach>,
    },
    /// Nothing: the link is gone.
    Stale,
}

/// Why a connection ends.
pub(super) enum Ending {
    /// The client closed it.
    Closed,
    /// The client is gone.
    Gone,
    /// We close it.
    Fault(AmqpError),
    /// We end it before AMQP began; the client has been told.
    Refused,
    /// We hang up without a word.
    Dropped,
}

impl From<Broken> for Ending {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Gone => Self::Gone,
            Broken::Refused => Self::Refused,
            Broken::Garbled(error) => Self::Fault(framing_error(error)),
        }
    }
}

fn framing_error(error: DecodeError) -> AmqpError {
    AmqpError::new(condition::FRAMING_ERROR, error.to_string())
}

/// A channel in use.
pub(super) enum Channel {
    Open(Session),
    /// We have ended the session; what still arrives is ignored until the client's end.
    Ending,
}

pub(super) struct Connection<S> {
    pub(super) io: Io<S>,
    pub(super) broker: Arc<Broker>,
    pub(super) authorization: Authorization,
    pub(super) peer: Peer,
    /// Shows the connection to those who look.
    pub(super) record: ConnectionRecord,
    pub(super) channels: HashMap<u16, Channel>,
    pub(super) acks: Acks,
    /// Links that may have something to deliver.
    pub(super) ready: VecDeque<LinkKey>,
    pub(super) waits: FuturesUnordered<Wait>,
    pub(super) last_link: u64,
    /// Bytes of deliveries that are not complete, over all links.
    pub(super) held: usize,
    /// What is left for the answers of nodes, over all links.
    pub(super) answer_room: AnswerRoom,
    /// Attaches and answers that faults hold back.
    pub(super) late: usize,
    /// A fault ends the connection.
    pub(super) ending: Option<Ending>,
    /// The last fault that has taken what it takes at once.
    pub(super) faults_seen: FaultId,
    faults_changed: watch::Receiver<()>,
    pub(super) idleness: Idleness,
}

pub(super) type Wait = BoxFuture<'static, LinkEvent>;

/// Waits until the emulator stops.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Serves the client at `address` until it leaves or `stop` says so.
pub(crate) async fn serve<S>(
    stream: S,
    address: SocketAddr,
    broker: Arc<Broker>,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut io = Io::new(stream);
    let mut authorization = Authorization::default();
    let opened = async {
        let shake = shake_hands(&mut io, &broker, &mut authorization);
        timeout(HANDSHAKE_TIME_OUT, shake)
            .await
            .unwrap_or(Err(Broken::Gone))
    };
    let opened = tokio::select! {
        opened = opened => opened,
        () = stopped(&mut stop) => Err(Broken::Gone),
    };
    match opened {
        Ok((peer, identity)) => {
            let mut connection = Connection {
                faults_changed: broker.faults.subscribe(),
                faults_seen: broker.faults.last(),
                late: 0,
                ending: None,
                io,
                idleness: Idleness::new(&broker.idle),
                acks: Acks::new(broker.acknowledgement_delay),
                record: broker.namespace.clients().open(address, identity),
                broker,
                authorization,
                peer,
                channels: HashMap::new(),
                ready: VecDeque::new(),
                waits: FuturesUnordered::new(),
                last_link: 0,
                held: 0,
                answer_room: AnswerRoom::new(),
            };
            let max_frame_size = connection.peer.max_frame_size;
            let ending = connection.run(&mut stop).await;
            // Links give up their places before the client is told.
            connection.channels.clear();
            drop(connection.record);
            close(connection.io, ending, max_frame_size).await;
        }
        Err(broken) => close(io, broken.into(), MIN_MAX_FRAME_SIZE as usize).await,
    }
}

/// Lets a client in only to tell it that there are too many.
pub(crate) async fn refuse<S>(stream: S, broker: Arc<Broker>, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut io = Io::new(stream);
    let mut authorization = Authorization::default();
    let opened = tokio::select! {
        opened = timeout(CLOSE_TIME_OUT, shake_hands(&mut io, &broker, &mut authorization)) => opened,
        () = stopped(&mut stop) => return,
    };
    if let Ok(Ok((peer, _))) = opened {
        let error = texts::too_many_connections(broker.namespace.name());
        close(io, Ending::Fault(error.into()), peer.max_frame_size).await;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    async fn run(&mut self, stop: &mut watch::Receiver<bool>) -> Ending {
        loop {
            match self.take_frames() {
                Ok(false) => {}
                Ok(true) => return Ending::Closed,
                Err(error) => return Ending::Fault(error),
            }
            // All that has happened, or those of links long gone would pile up behind a client that keeps us busy.
            while let Some(Some(event)) = self.waits.next().now_or_never() {
                self.on_link_event(event);
            }
            self.end_unauthorized();
            self.acks.write_due(Instant::now(), &mut self.io.output);
            self.deliver();
            if let Some(ending) = self.ending.take() {
                return ending;
            }
            if let Err(error) = self.end_idle() {
                return Ending::Fault(error);
            }
            let timer = self.next_timer();
            tokio::select! {
                exchanged = self.io.exchange() => match exchanged {
                    Ok(()) => {}
                    Err(broken) => return broken.into(),
                },
                Some(event) = self.waits.next() => self.on_link_event(event),
                Ok(()) = self.faults_changed.changed() => self.on_faults_changed(),
                () = sleep_until(timer) => self.on_timer(),
                () = stopped(stop) => {
                    return Ending::Fault(AmqpError::new(condition::CONNECTION_FORCED, "The emulator is stopping."));
                }
            }
        }
    }

    /// Takes in every frame that has come; `true` if the client closed the connection.
    fn take_frames(&mut self) -> Result<bool, AmqpError> {
        let now = Instant::now();
        if !self.acks.has_room() {
            // It is we who do not listen.
            self.idleness.heard(now);
        }
        while self.let_answers_leave(now)
            && self.acks.has_room()
            && self.ending.is_none()
            && let Some(frame) = self.io.take_frame().map_err(framing_error)?
        {
            self.idleness.heard(now);
            if self.on_frame(&frame, now)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lets answers leave before more of them are asked for; `false` while the client must read first.
    ///
    /// Those that wait for credit are not waited for: only more frames can bring it. Requests are refused meanwhile.
    fn let_answers_leave(&mut self, now: Instant) -> bool {
        if self.answer_room.is_left() {
            return true;
        }
        self.acks.write_due(now, &mut self.io.output);
        self.deliver();
        self.answer_room.is_left() || self.io.has_room()
    }

    fn on_link_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Ready(key) => {
                if let Some(link) = self.outgoing(key) {
                    link.wait = None;
                }
                self.enqueue(key);
            }
            LinkEvent::Granted(key) => self.on_granted(key),
            LinkEvent::Displaced(key, reason) => self.detach(key, reason),
            LinkEvent::Answer {
                channel,
                node,
                answer,
                to,
            } => {
                self.late -= 1;
                // One whose link is gone meanwhile is lost.
                let _ = self.route_answer(channel, node, answer, to.as_deref());
            }
            LinkEvent::Attach {
                channel,
                id,
                attach,
            } => {
                self.late -= 1;
                self.attach_late(channel, id, &attach);
            }
            LinkEvent::Stale => {}
        }
    }

    /// Waits for something to happen to a link; the handle ends the wait.
    pub(super) fn wait_for(
        &self,
        event: impl Future<Output = LinkEvent> + Send + 'static,
    ) -> AbortHandle {
        let (handle, registration) = AbortHandle::new_pair();
        let abortable = Abortable::new(event, registration);
        self.waits.push(Box::pin(async {
            abortable.await.unwrap_or(LinkEvent::Stale)
        }));
        handle
    }

    fn heartbeat(&self) -> Option<Duration> {
        // Twice as often as the client needs, so that it never has to doubt.
        self.peer
            .idle_time_out
            .map(|idle| (idle / 2).max(MIN_HEARTBEAT))
    }

    fn next_timer(&self) -> Instant {
        let heartbeat = self.heartbeat().map(|every| self.io.last_write + every);
        [heartbeat, self.acks.next_due(), self.next_expiry()]
            .into_iter()
            .flatten()
            .fold(self.next_idle(), Instant::min)
    }

    fn on_timer(&mut self) {
        let now = Instant::now();
        let due = self
            .heartbeat()
            .is_some_and(|every| now >= self.io.last_write + every);
        if due {
            // A client that takes nothing gets no more of it.
            if self.io.output.is_empty() {
                frame::write_heartbeat(&mut self.io.output);
            }
            self.io.last_write = now;
        }
    }
}

/// Says goodbye, and reads on for a while: bytes left unread would make TCP throw away what we said last.
async fn close<S>(mut io: Io<S>, ending: Ending, max_frame_size: usize)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let wants_answer = match ending {
        Ending::Gone => return,
        Ending::Dropped => {
            let _ = timeout(CLOSE_TIME_OUT, io.flush()).await;
            return;
        }
        Ending::Refused => true,
        Ending::Closed => {
            Performative::Close(None).write(&mut io.output, 0);
            false
        }
        Ending::Fault(error) => {
            let error = error.within(max_frame_size);
            Performative::Close(Some(error)).write(&mut io.output, 0);
            true
        }
    };
    let farewell = async {
        io.flush().await?;
        io.shut_down().await?;
        if !wants_answer {
            return Ok::<(), Broken>(());
        }
        loop {
            io.discard().await?;
        }
    };
    // A client that does not listen to the end has missed nothing it wanted.
    let _ = timeout(CLOSE_TIME_OUT, farewell).await;
}
