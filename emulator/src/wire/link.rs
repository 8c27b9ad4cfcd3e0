//! Links: credit in both directions, and deliveries put together from their frames.

use super::performative::Transfer;
use crate::clients::LinkRecord;
use crate::faults::{FaultId, Kind, Place, Registry};
use crate::service::{Sink, Source};
use bytes::{Bytes, BytesMut};
use futures_util::future::AbortHandle;
use tokio::time::Instant;

/// How many messages a sender may have under way.
const INCOMING_CREDIT: u32 = 1000;

/// A link on which the peer sends.
pub(crate) struct IncomingLink {
    pub(crate) name: String,
    /// When a transfer or flow last came.
    pub(crate) last_used: Instant,
    pub(crate) sink: Sink,
    pub(crate) delivery_count: u32,
    pub(crate) credit: u32,
    pub(crate) assembly: Assembly,
    /// Shows the link to those who look, and counts what it does.
    pub(crate) record: LinkRecord,
    pub(crate) place: Place,
    /// The fault that withholds credit.
    pub(crate) withheld: Option<FaultId>,
}

impl IncomingLink {
    pub(crate) fn new(
        name: String,
        sink: Sink,
        place: Place,
        initial_delivery_count: u32,
        max_message_size: u64,
        record: LinkRecord,
    ) -> Self {
        Self {
            name,
            last_used: Instant::now(),
            sink,
            delivery_count: initial_delivery_count,
            credit: 0,
            assembly: Assembly::new(max_message_size),
            record,
            place,
            withheld: None,
        }
    }

    /// Takes one credit for a new delivery; `None` if there is none, else whether the peer is to be granted more.
    pub(crate) fn take_credit(&mut self) -> Option<bool> {
        self.credit = self.credit.checked_sub(1)?;
        self.delivery_count = self.delivery_count.wrapping_add(1);
        Some(self.credit <= INCOMING_CREDIT / 2)
    }

    /// Whether a fault withholds its credit.
    pub(crate) fn has_no_credit(&mut self, faults: &Registry) -> bool {
        faults.hold(&mut self.withheld, &self.place, |kind| {
            matches!(kind, Kind::WithholdCredit)
        })
    }

    pub(crate) fn refill(&mut self) {
        self.credit = INCOMING_CREDIT;
        self.record.set_credit(self.credit);
    }
}

/// A link on which the peer receives.
pub(crate) struct OutgoingLink {
    pub(crate) name: String,
    /// When something was last delivered or settled, or a flow came.
    pub(crate) last_used: Instant,
    pub(crate) id: u64,
    pub(crate) source: Source,
    /// The peer wants deliveries settled as they are sent.
    pub(crate) settled: bool,
    pub(crate) delivery_count: u32,
    pub(crate) credit: u32,
    pub(crate) drain: bool,
    /// The first and the last delivery.
    pub(crate) deliveries: Option<(u32, u32)>,
    /// What is left of a delivery that takes several frames.
    pub(crate) partial: Option<Partial>,
    /// Whether the link is in the connection's queue of links with something to do.
    pub(crate) queued: bool,
    /// Ends the wait for new events.
    pub(crate) wait: Option<AbortHandle>,
    /// Ends the wait for its turn at what the namespace gives out.
    pub(crate) turn: Option<AbortHandle>,
    pub(crate) place: Place,
    /// The fault that stalls deliveries.
    pub(crate) stalled: Option<FaultId>,
    /// Shows the link to those who look, and counts what it does.
    pub(crate) record: LinkRecord,
    /// What was delivered since the record was told last.
    pub(crate) unrecorded: Delivered,
}

/// So many messages, of so many bytes together.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// The rest of a delivery that has begun.
pub(crate) struct Partial {
    pub(crate) delivery_id: u32,
    pub(crate) payload: Bytes,
}

impl OutgoingLink {
    pub(crate) fn new(
        name: String,
        id: u64,
        source: Source,
        place: Place,
        settled: bool,
        record: LinkRecord,
    ) -> Self {
        Self {
            name,
            last_used: Instant::now(),
            id,
            source,
            settled,
            delivery_count: 0,
            credit: 0,
            drain: false,
            deliveries: None,
            partial: None,
            queued: false,
            wait: None,
            turn: None,
            place,
            stalled: None,
            record,
            unrecorded: Delivered::default(),
        }
    }

    /// Writes the next message; `false` if there is none.
    pub(crate) fn write_next(&mut self, out: &mut BytesMut) -> bool {
        let before = out.len();
        let written = self.source.write_next(out);
        if written {
            self.unrecorded.messages += 1;
            self.unrecorded.bytes += (out.len() - before) as u64;
        }
        written
    }

    /// Tells the record what was delivered.
    pub(crate) fn record_delivered(&mut self) {
        if let (Source::Answers(answers), None) = (&mut self.source, &self.partial) {
            answers.left();
        }
        let Delivered { messages, bytes } = std::mem::take(&mut self.unrecorded);
        if messages > 0 {
            self.last_used = Instant::now();
            self.record.delivered(self.credit, messages, bytes);
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
        self.record.granted(self.credit);
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

    /// Notes that the delivery `id` goes over the link.
    pub(crate) fn delivers(&mut self, id: u32) {
        let first = self.deliveries.map_or(id, |(first, _)| first);
        self.deliveries = Some((first, id));
    }

    /// Whether deliveries of the link can be among those from `first` to `last`, `next` being the session's next one.
    pub(crate) fn may_have_delivered(&self, first: u32, last: u32, next: u32) -> bool {
        let age = |id: u32| next.wrapping_sub(id);
        self.deliveries
            .is_some_and(|(oldest, newest)| age(last) <= age(oldest) && age(newest) <= age(first))
    }

    /// Whether a fault stalls it.
    pub(crate) fn is_stalled(&mut self, faults: &Registry) -> bool {
        faults.hold(&mut self.stalled, &self.place, |kind| {
            matches!(kind, Kind::StallDelivery)
        })
    }

    /// Gives up all credit, as a drain asks when there is nothing to deliver.
    pub(crate) fn exhaust(&mut self) {
        self.delivery_count = self.delivery_count.wrapping_add(self.credit);
        self.credit = 0;
        self.record.set_credit(0);
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
    /// The parts that came, copied together: what they were read into is free again at once.
    message: BytesMut,
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
        let current = self.current.as_ref();
        current.map_or(0, |started| started.message.len())
    }

    /// Adds a frame; the delivery, if this was its last. `None` also for a delivery that was given up.
    pub(crate) fn add(&mut self, transfer: &Transfer<'_>, payload: Bytes) -> Option<Delivery> {
        let current = self.current.get_or_insert_with(|| Started {
            id: transfer.delivery_id.unwrap_or_default(),
            format: transfer.message_format.unwrap_or_default(),
            settled: false,
            size: 0,
            message: BytesMut::new(),
        });
        current.settled |= transfer.settled.unwrap_or(false);
        current.size += payload.len() as u64;
        let is_whole = !transfer.more && current.size == payload.len() as u64;
        if current.size > self.max_size {
            current.message = BytesMut::new();
        } else if !is_whole {
            current.message.extend_from_slice(&payload);
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
            message,
        } = self.current.take()?;
        let message = if is_whole { payload } else { message.freeze() };
        Some(Delivery {
            id,
            format,
            settled,
            size,
            message: (size <= self.max_size).then_some(message),
        })
    }
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
    fn a_delivery_in_frames_of_a_byte_costs_its_bytes() {
        let mut assembly = Assembly::new(1 << 20);
        for _ in 0..1000 {
            assert_eq!(assembly.add(&frame(true), Bytes::from_static(b"s")), None);
        }
        assert_eq!(assembly.held(), 1000);
        assert!(assembly.current.as_ref().unwrap().message.capacity() <= 2048);
        let last = assembly.add(&frame(false), Bytes::from_static(b"t"));
        let expected = [&[b's'; 1000][..], b"t"].concat();
        assert_eq!(last.unwrap().message.as_deref(), Some(&expected[..]));
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
