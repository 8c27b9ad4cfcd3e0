//! What nobody uses ends: silent clients, links without traffic, connections without links.
//!
//! Deadlines are computed, never polled for. The next look at the links is a lower bound of when one of them can be
//! over: use only moves a deadline away, and a new link's is no nearer than a whole time-out.

use super::connection::{Channel, Connection};
use super::error::{AmqpError, condition};
use super::link::{IncomingLink, OutgoingLink};
use super::session::Slot;
use crate::service::{Node, Sink, Source};
use crate::texts;
use std::mem;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

/// After how much idleness what ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdleTimeOuts {
    /// Announced to clients; one that is silent for twice as long is closed.
    pub(crate) client: Duration,
    /// For a link without traffic.
    pub(crate) link: Duration,
    /// For a connection without links.
    pub(crate) connection: Duration,
}

impl Default for IdleTimeOuts {
    /// As the service.
    fn default() -> Self {
        Self {
            client: Duration::from_secs(240),
            link: Duration::from_secs(30 * 60),
            connection: Duration::from_secs(5 * 60),
        }
    }
}

impl IdleTimeOuts {
    /// A time-out within what can be announced and waited for: 1 ms to 2^32 - 1 ms.
    pub(crate) fn clamp(time_out: Duration) -> Duration {
        time_out.clamp(
            Duration::from_millis(1),
            Duration::from_millis(u32::MAX.into()),
        )
    }
}

/// What a connection knows of its idleness.
#[derive(Debug)]
pub(super) struct Idleness {
    /// When the client last completed a frame: single bytes do not keep a connection.
    last_frame: Instant,
    /// No link can be over before.
    look_at: Instant,
    /// Since when the connection has had no links.
    linkless_since: Option<Instant>,
}

impl Idleness {
    pub(super) fn new(time_outs: &IdleTimeOuts) -> Self {
        let now = Instant::now();
        Self {
            last_frame: now,
            look_at: now + time_outs.link,
            linkless_since: Some(now),
        }
    }

    /// The client has completed a frame.
    pub(super) fn heard(&mut self, now: Instant) {
        self.last_frame = now;
    }
}

impl Slot {
    /// Since when the link is idle, if idleness can end it: nodes' links stay, their clients come back rarely.
    fn idle_since(&self) -> Option<Instant> {
        match self {
            Self::Incoming(IncomingLink {
                sink: Sink::Events(_),
                last_used,
                ..
            }) => Some(*last_used),
            // With credit outstanding it waits for events: in use.
            Self::Outgoing(OutgoingLink {
                source: Source::Events(_),
                last_used,
                credit: 0,
                ..
            }) => Some(*last_used),
            _ => None,
        }
    }

    /// Whether the link keeps its connection: those of `$cbs` do not.
    fn keeps_connection(&self) -> bool {
        match self {
            Self::Incoming(link) => !matches!(link.sink, Sink::Node(Node::Cbs)),
            Self::Outgoing(link) => {
                !matches!(&link.source, Source::Answers(answers) if answers.node == Node::Cbs)
            }
            Self::Attaching(..) => true,
            Self::Detaching => false,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// When idleness may end something.
    pub(super) fn next_idle(&self) -> Instant {
        let linkless = self.idleness.linkless_since;
        let connection = linkless.map(|since| since + self.broker.idle.connection);
        let silence = self.idleness.last_frame + 2 * self.broker.idle.client;
        connection
            .into_iter()
            .chain([silence])
            .fold(self.idleness.look_at, Instant::min)
    }

    /// Detaches idle links.
    ///
    /// # Errors
    ///
    /// Why the connection closes, if it is idle.
    pub(super) fn end_idle(&mut self) -> Result<(), AmqpError> {
        let now = Instant::now();
        let time_outs = self.broker.idle;
        if now >= self.idleness.last_frame + 2 * time_outs.client {
            let text = texts::silent(self.broker.namespace.name(), 2 * time_outs.client);
            return Err(AmqpError::new(condition::CONNECTION_FORCED, text));
        }
        if now >= self.idleness.look_at {
            self.end_idle_links(now, time_outs.link);
        }
        let linked = self.channels.values().any(|channel| match channel {
            Channel::Open(session) => session.slots.values().any(Slot::keeps_connection),
            Channel::Ending => false,
        });
        let since = self.idleness.linkless_since.unwrap_or(now);
        self.idleness.linkless_since = (!linked).then_some(since);
        if !linked && now >= since + time_outs.connection {
            let text = texts::no_links(time_outs.connection);
            return Err(AmqpError::new(condition::CONNECTION_FORCED, text));
        }
        Ok(())
    }

    fn end_idle_links(&mut self, now: Instant, time_out: Duration) {
        let mut next = now + time_out;
        let mut ended = Vec::new();
        for (&channel, open) in &mut self.channels {
            let Channel::Open(session) = open else {
                continue;
            };
            for (&handle, slot) in &mut session.slots {
                let Some(since) = slot.idle_since() else {
                    continue;
                };
                if since + time_out > now {
                    next = next.min(since + time_out);
                    continue;
                }
                let (name, is_sender, record) = match slot {
                    Slot::Incoming(link) => (link.name.as_str(), true, &link.record),
                    Slot::Outgoing(link) => (link.name.as_str(), false, &link.record),
                    Slot::Attaching(..) | Slot::Detaching => continue,
                };
                let text = texts::idle_link(name, is_sender, time_out);
                let error = AmqpError::new(condition::DETACH_FORCED, text);
                record.failed(&error.condition);
                ended.push((channel, handle, mem::replace(slot, Slot::Detaching), error));
            }
        }
        self.idleness.look_at = next;
        for (channel, handle, slot, error) in ended {
            self.drop_slot(slot);
            self.write_detach(channel, handle, error);
        }
    }
}
