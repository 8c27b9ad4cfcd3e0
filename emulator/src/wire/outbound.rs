//! How links deliver: in turns, while the client has credit and window and takes what is written.

use super::connection::{Channel, Connection, LinkEvent, LinkKey};
use super::faulting::broken;
use super::frame::{self, FrameKind, HEADER_SIZE};
use super::link::{OutgoingLink, Partial};
use super::performative::Transfer;
use super::session::{Session, Slot};
use crate::faults::{Break, Registry, When};
use crate::service::{Source, Supply};
use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

/// How many frames a link writes before it is the next one's turn.
const TURN: usize = 64;
/// More than the performative of any transfer frame of ours takes.
const TRANSFER_OVERHEAD: usize = HEADER_SIZE + 64;

/// Why a link's turn is over.
enum Rest {
    /// It has more to deliver.
    More,
    /// The client must grant credit or window first.
    Blocked,
    /// There is nothing to deliver.
    Empty,
    /// A fault takes it away.
    Broken(Break),
    /// The namespace gives out no more for now.
    Throttled,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// Puts a link in the queue of those that may have something to deliver.
    pub(super) fn enqueue(&mut self, key: LinkKey) {
        if let Some(link) = self.outgoing(key).filter(|link| !link.queued) {
            link.queued = true;
            self.ready.push_back(key);
        }
    }

    /// Lets links deliver until all are at rest or enough is written.
    pub(super) fn deliver(&mut self) {
        while self.io.has_room() && self.ending.is_none() {
            let Some(key) = self.ready.pop_front() else {
                return;
            };
            let max_frame_size = self.peer.max_frame_size;
            let Some(Channel::Open(session)) = self.channels.get_mut(&key.channel) else {
                continue;
            };
            let faults = &self.broker.faults;
            let turn = session.take_turn(key, max_frame_size, faults, &mut self.io.output);
            if let Some(link) = session.outgoing(key) {
                link.record_delivered();
            }
            match turn {
                Some(Rest::More) => self.ready.push_back(key),
                Some(Rest::Blocked) => self.rest(key, false),
                Some(Rest::Empty) => self.rest(key, true),
                Some(Rest::Broken(what)) => {
                    self.rest(key, false);
                    self.break_off(what, key.channel, Some(key.handle));
                }
                Some(Rest::Throttled) => self.await_share(key),
                None => {}
            }
        }
    }

    /// A link that cannot go on waits for events or, if the client drains it, gives back what credit it has.
    fn rest(&mut self, key: LinkKey, is_empty: bool) {
        let Some(link) = self.outgoing(key) else {
            return;
        };
        link.queued = false;
        if link.drain && link.partial.is_none() && (is_empty || link.credit == 0) {
            link.exhaust();
            self.write_flow(key.channel, Some(key.handle));
            if let Some(link) = self.outgoing(key) {
                link.drain = false;
            }
            return;
        }
        let Source::Events(events) = &link.source else {
            return;
        };
        // One wait is enough: at worst it is over at once, and the next one is for what is read by then.
        if !is_empty || link.wait.is_some() {
            return;
        }
        let changed = events.changed();
        let wait = self.wait_for(async move {
            changed.await;
            LinkEvent::Ready(key)
        });
        if let Some(link) = self.outgoing(key) {
            link.wait = Some(wait);
        }
    }

    /// A throttled link waits for its turn; one that waits already keeps its place.
    fn await_share(&mut self, key: LinkKey) {
        let Some(link) = self.outgoing(key) else {
            return;
        };
        link.queued = false;
        let Source::Events(events) = &mut link.source else {
            return;
        };
        if let Some(granted) = events.share.wait() {
            let turn = self.wait_for(async move {
                granted.await;
                LinkEvent::Granted(key)
            });
            if let Some(link) = self.outgoing(key) {
                link.turn = Some(turn);
            }
        }
    }

    /// Goes on with a link whose turn has come.
    pub(super) fn on_granted(&mut self, key: LinkKey) {
        if let Some(OutgoingLink {
            source: Source::Events(events),
            ..
        }) = self.outgoing(key)
        {
            events.share.granted();
            self.enqueue(key);
        }
    }

    pub(super) fn outgoing(&mut self, key: LinkKey) -> Option<&mut OutgoingLink> {
        self.session(key.channel)?.outgoing(key)
    }
}

impl Session {
    /// The link under a key, if it is still the same.
    pub(super) fn outgoing(&mut self, key: LinkKey) -> Option<&mut OutgoingLink> {
        match self.slots.get_mut(&key.handle) {
            Some(Slot::Outgoing(link)) if link.id == key.id => Some(link),
            _ => None,
        }
    }

    /// A link writes up to [`TURN`] frames; `None` if it is gone.
    fn take_turn(
        &mut self,
        key: LinkKey,
        max_frame_size: usize,
        faults: &Registry,
        out: &mut BytesMut,
    ) -> Option<Rest> {
        for _ in 0..TURN {
            if !self.may_send() {
                self.outgoing(key)?;
                return Some(Rest::Blocked);
            }
            let link = self.outgoing(key)?;
            if let Some(partial) = link.partial.take() {
                self.write_part(key, partial, max_frame_size, out);
                continue;
            }
            if link.credit == 0 {
                return Some(Rest::Blocked);
            }
            match link.source.supply() {
                Supply::Ready => {}
                Supply::Empty => return Some(Rest::Empty),
                Supply::Throttled => return Some(Rest::Throttled),
            }
            if link.is_stalled(faults) {
                return Some(Rest::Blocked);
            }
            if let Some((_, what)) = faults.strike(&link.place, broken(When::OnTransfer)) {
                return Some(Rest::Broken(what));
            }
            if !self.write_delivery(key, max_frame_size, out)? {
                return Some(Rest::Empty);
            }
        }
        Some(Rest::More)
    }

    /// Writes the next message of a link as one frame or, where it does not fit, as the first of several; `false` if
    /// there is none after all.
    fn write_delivery(
        &mut self,
        key: LinkKey,
        max_frame_size: usize,
        out: &mut BytesMut,
    ) -> Option<bool> {
        let delivery_id = self.delivery_id();
        let link = self.outgoing(key)?;
        let start = frame::begin(out, FrameKind::Amqp, key.channel);
        transfer(
            key.handle,
            delivery_id,
            link.settled,
            false,
            &delivery_id.to_be_bytes(),
        )
        .encode(out);
        let payload = out.len();
        if !link.write_next(out) {
            out.truncate(start);
            return Some(false);
        }
        link.take_credit();
        link.delivers(delivery_id);
        self.delivery_begun();
        if out.len() - start <= max_frame_size {
            frame::finish(out, start);
            self.transfer_sent();
            return Some(true);
        }
        let payload = out.split_off(payload).freeze();
        out.truncate(start);
        self.write_part(
            key,
            Partial {
                delivery_id,
                payload,
            },
            max_frame_size,
            out,
        );
        Some(true)
    }

    /// Writes a frame of a delivery that takes several, and keeps what is left.
    fn write_part(
        &mut self,
        key: LinkKey,
        mut partial: Partial,
        max_frame_size: usize,
        out: &mut BytesMut,
    ) {
        let room = max_frame_size - TRANSFER_OVERHEAD;
        let part: Bytes = partial.payload.split_to(room.min(partial.payload.len()));
        let more = !partial.payload.is_empty();
        let delivery_id = partial.delivery_id;
        let Some(link) = self.outgoing(key) else {
            return;
        };
        let start = frame::begin(out, FrameKind::Amqp, key.channel);
        transfer(
            key.handle,
            delivery_id,
            link.settled,
            more,
            &delivery_id.to_be_bytes(),
        )
        .encode(out);
        out.put_slice(&part);
        frame::finish(out, start);
        link.partial = more.then_some(partial);
        self.transfer_sent();
    }
}

fn transfer(handle: u32, delivery_id: u32, settled: bool, more: bool, tag: &[u8]) -> Transfer<'_> {
    Transfer {
        handle,
        delivery_id: Some(delivery_id),
        delivery_tag: Some(tag),
        message_format: Some(0),
        settled: Some(settled),
        more,
        aborted: false,
    }
}
