//! Links: credit in both directions, and deliveries put together from their frames.

use super::performative::Transfer;
use crate::service::{Sink, Source};
use bytes::{Bytes, BytesMut};
use futures_util::future::AbortHandle;

/// How many messages a sender may have under way.
const INCOMING_CREDIT: u32 = 1000;
/// A shorter part of a delivery is copied, so that it does not keep the buffer it was read into.
const WORTH_KEEPING: usize = 4096;

/// A link on which the peer sends.
pub(crate) struct IncomingLink {
    pub(crate) sink: Sink,
    pub(crate) delivery_count: u32,
    pub(crate) credit: u32,
    pub(crate) assembly: Assembly,
}

impl IncomingLink {
    pub(crate) fn new(sink: Sink, initial_delivery_count: u32, max_message_size: u64) -> Self {
        Self {
            sink,
            delivery_count: initial_delivery_count,
            credit: INCOMING_CREDIT,
            assembly: Assembly::new(max_message_size),
        }
    }

    /// Takes one credit for a new delivery; `None` if there is none, else whether the peer is to be granted more.
    pub(crate) fn take_credit(&mut self) -> Option<bool> {
        self.credit = self.credit.checked_sub(1)?;
        self.delivery_count = self.delivery_count.wrapping_add(1);
        Some(self.credit <= INCOMING_CREDIT / 2)
    }

    pub(crate) fn refill(&mut self) {
        self.credit = INCOMING_CREDIT;
    }
}

/// A link on which the peer receives.
pub(crate) struct OutgoingLink {
    pub(crate) id: u64,
    pub(crate) source: Source,
    /// The peer wants deliveries settled as they are sent.
    pub(crate) settled: bool,
    pub(crate) delivery_count: u32,
    pub(crate) credit: u32,
    pub(crate) drain: bool,
    /// What is left of a delivery that takes several frames.
    pub(crate) partial: Option<Partial>,
    /// Whether the link is in the connection's queue of links with something to do.
    pub(crate) queued: bool,
    /// Ends the wait for new events.
    pub(crate) wait: Option<AbortHandle>,
    /// Ends the wait for its turn at what the namespace gives out.
    pub(crate) turn: Option<AbortHandle>,
}

/// The rest of a delivery that has begun.
pub(crate) struct Partial {
    pub(crate) delivery_id: u32,
    pub(crate) payload: Bytes,
}

impl OutgoingLink {
    pub(crate) fn new(id: u64, source: Source, settled: bool) -> Self {
        Self {
            id,
            source,
            settled,
            delivery_count: 0,
            credit: 0,
            drain: false,
            partial: None,
            queued: false,
            wait: None,
            turn: None,
        }
    }

    /// Takes in the peer's view of its credit.
    pub(crate) fn grant(&mut self, delivery_count: Option<u32>, credit: u32, drain: bool) {
        // What is under way counts against the credit; a peer that has not seen our attach starts at 0 as we do.
        let under_way = self
            .delivery_count
            .wrapping_sub(delivery_count.unwrap_or(0));
        self.credit = credit.saturating_sub(under_way);
        self.drain = drain;
    }

    /// Takes one credit for a delivery.
    pub(crate) fn take_credit(&mut self) -> bool {
        let Some(left) = self.credit.checked_sub(1) else {
            return false;
        };
        self.credit = left;
        self.delivery_count = self.delivery_count.wrapping_add(1);
        true
    }

    /// Gives up all credit, as a drain asks when there is nothing to deliver.
    pub(crate) fn exhaust(&mut self) {
        self.delivery_count = self.delivery_count.wrapping_add(self.credit);
        self.credit = 0;
    }
}

impl Drop for OutgoingLink {
    fn drop(&mut self) {
        let waits = [&self.wait, &self.turn];
        waits.into_iter().flatten().for_each(AbortHandle::abort);
    }
}

/// A delivery as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) id: u32,
    pub(crate) format: u32,
    pub(crate) settled: bool,
    pub(crate) size: u64,
    /// `None` if it is larger than the link allows.
    pub(crate) message: Option<Bytes>,
}

/// The frames of one delivery, until the last is there.
pub(crate) struct Assembly {
    max_size: u64,
    current: Option<Started>,
}

struct Started {
    id: u32,
    format: u32,
    settled: bool,
    size: u64,
    parts: Vec<Bytes>,
}

impl Assembly {
    fn new(max_size: u64) -> Self {
        Self {
            max_size,
            current: None,
        }
    }

    /// The largest delivery taken, in bytes.
    pub(crate) fn max_size(&self) -> u64 {
        self.max_size
    }

    /// Whether the next frame begins a delivery.
    pub(crate) fn is_idle(&self) -> bool {
        self.current.is_none()
    }

    /// The bytes held of a delivery that is not complete.
    pub(crate) fn held(&self) -> usize {
        self.current
            .as_ref()
            .map_or(0, |started| started.parts.iter().map(Bytes::len).sum())
    }

    /// Adds a frame; the delivery, if this was its last. `None` also for a delivery that was given up.
    pub(crate) fn add(&mut self, transfer: &Transfer<'_>, payload: Bytes) -> Option<Delivery> {
        let current = self.current.get_or_insert_with(|| Started {
            id: transfer.delivery_id.unwrap_or_default(),
            format: transfer.message_format.unwrap_or_default(),
            settled: false,
            size: 0,
            parts: Vec::new(),
        });
        current.settled |= transfer.settled.unwrap_or(false);
        current.size += payload.len() as u64;
        if current.size > self.max_size {
            current.parts = Vec::new();
        } else if !payload.is_empty() {
            let short = transfer.more && payload.len() < WORTH_KEEPING;
            current.parts.push(if short {
                Bytes::copy_from_slice(&payload)
            } else {
                payload
            });
        }
        if transfer.aborted {
            self.current = None;
        }
        if transfer.more {
            return None;
        }
        let Started {
            id,
            format,
            settled,
            size,
            parts,
        } = self.current.take()?;
        let message = (size <= self.max_size).then(|| concat(&parts));
        Some(Delivery {
            id,
            format,
            settled,
            size,
            message,
        })
    }
}

/// The one copy of a message on its way in: into a buffer of its exact size, all that will stay in memory.
fn concat(parts: &[Bytes]) -> Bytes {
    let mut message = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
    for part in parts {
        message.extend_from_slice(part);
    }
    message.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(more: bool) -> Transfer<'static> {
        Transfer {
            handle: 0,
            delivery_id: Some(7),
            delivery_tag: None,
            message_format: Some(1),
            settled: None,
            more,
            aborted: false,
        }
    }

    #[test]
    fn a_delivery_is_put_together_from_its_frames() {
        let mut assembly = Assembly::new(10);
        assert_eq!(assembly.add(&frame(true), Bytes::from_static(b"abc")), None);
        assert_eq!(assembly.held(), 3);
        let last = Transfer {
            delivery_id: None,
            message_format: None,
            ..frame(false)
        };
        let delivery = assembly.add(&last, Bytes::from_static(b"de")).unwrap();
        assert_eq!((delivery.id, delivery.format, delivery.size), (7, 1, 5));
        assert_eq!(delivery.message.as_deref(), Some(&b"abcde"[..]));
        assert!(assembly.is_idle());
    }

    #[test]
    fn a_delivery_too_large_is_measured_but_not_kept() {
        let mut assembly = Assembly::new(4);
        assert_eq!(assembly.add(&frame(true), Bytes::from_static(b"abc")), None);
        assert_eq!(assembly.add(&frame(true), Bytes::from_static(b"de")), None);
        assert_eq!(assembly.held(), 0);
        let delivery = assembly
            .add(&frame(false), Bytes::from_static(b"f"))
            .unwrap();
        assert_eq!((delivery.size, delivery.message), (6, None));
    }

    #[test]
    fn an_aborted_delivery_leaves_no_trace() {
        let mut assembly = Assembly::new(10);
        assert_eq!(assembly.add(&frame(true), Bytes::from_static(b"abc")), None);
        let abort = Transfer {
            aborted: true,
            ..frame(false)
        };
        assert_eq!(assembly.add(&abort, Bytes::new()), None);
        assert!(assembly.is_idle());
        let delivery = assembly
            .add(&frame(false), Bytes::from_static(b"x"))
            .unwrap();
        assert_eq!(delivery.message.as_deref(), Some(&b"x"[..]));
    }
}
