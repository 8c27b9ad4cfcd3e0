//! Outcomes on their way to the senders: ranges put together, held back where a delay is asked for.

use super::error::AmqpError;
use super::performative::{Disposition, Performative, Role};
use super::value::Value;
use crate::faults::FaultId;
use bytes::BytesMut;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// How many outcomes may be held back.
const MAX_PENDING: usize = 10_000;
const ACCEPTED: u64 = 0x24;
const REJECTED: u64 = 0x25;
const RELEASED: u64 = 0x26;
const MODIFIED: u64 = 0x27;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    Rejected(AmqpError),
    Released,
    Modified,
}

impl Outcome {
    /// The error condition that the sender is told.
    pub(crate) fn condition(&self) -> Option<&str> {
        match self {
            Self::Rejected(error) => Some(&error.condition),
            Self::Accepted | Self::Released | Self::Modified => None,
        }
    }

    /// The same outcome, its error cut to what a frame may hold.
    #[must_use]
    pub(crate) fn within(self, max_frame_size: usize) -> Self {
        match self {
            Self::Rejected(error) => Self::Rejected(error.within(max_frame_size)),
            Self::Accepted | Self::Released | Self::Modified => self,
        }
    }

    fn to_value(&self) -> Value {
        let described = |code, fields| Value::described(code, Value::List(fields));
        match self {
            Self::Accepted => described(ACCEPTED, Vec::new()),
            Self::Rejected(error) => described(REJECTED, vec![error.to_value()]),
            Self::Released => described(RELEASED, Vec::new()),
            // The delivery failed, but not for good.
            Self::Modified => described(
                MODIFIED,
                vec![
                    Value::Bool(true),
                    Value::Bool(false),
                    Value::Map(Vec::new()),
                ],
            ),
        }
    }
}

/// The outcomes not yet written, in the order in which they fall due.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    delay: Duration,
    pending: VecDeque<Ack>,
    /// Outcomes that wait for the end of a fault.
    held: Vec<(FaultId, Ack)>,
}

#[derive(Debug)]
struct Ack {
    due: Instant,
    channel: u16,
    first: u32,
    last: u32,
    outcome: Outcome,
}

impl Acks {
    pub(crate) fn new(delay: Duration) -> Self {
        Self {
            delay,
            pending: VecDeque::new(),
            held: Vec::new(),
        }
    }

    /// Notes the outcome of a delivery. Neighbours that are accepted in the same moment share a disposition.
    pub(crate) fn push(&mut self, now: Instant, channel: u16, id: u32, outcome: Outcome) {
        self.push_late(now, Duration::ZERO, channel, id, outcome);
    }

    /// The same, held back for `delay` beyond that of all.
    pub(crate) fn push_late(
        &mut self,
        now: Instant,
        delay: Duration,
        channel: u16,
        id: u32,
        outcome: Outcome,
    ) {
        self.insert(Ack {
            due: now + self.delay + delay,
            channel,
            first: id,
            last: id,
            outcome,
        });
    }

    /// The same, held back until the fault is over.
    pub(crate) fn hold(
        &mut self,
        fault: FaultId,
        now: Instant,
        channel: u16,
        id: u32,
        outcome: Outcome,
    ) {
        let ack = Ack {
            due: now,
            channel,
            first: id,
            last: id,
            outcome,
        };
        self.held.push((fault, ack));
    }

    /// Lets go of the outcomes whose fault is over.
    pub(crate) fn let_go(&mut self, now: Instant, is_over: impl Fn(FaultId) -> bool) {
        let held = std::mem::take(&mut self.held);
        let (over, held): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|(fault, _)| is_over(*fault));
        self.held = held;
        for (_, ack) in over {
            self.insert(Ack { due: now, ..ack });
        }
    }

    fn insert(&mut self, ack: Ack) {
        // Nearly always at the end: only a fault makes one outcome later than the next.
        let at = match self.pending.back() {
            Some(last) if last.due > ack.due => {
                self.pending.partition_point(|other| other.due <= ack.due)
            }
            _ => self.pending.len(),
        };
        if let Some(last) = at.checked_sub(1).and_then(|at| self.pending.get_mut(at)) {
            let both_accepted =
                last.outcome == Outcome::Accepted && ack.outcome == Outcome::Accepted;
            let adjacent = last.channel == ack.channel
                && last.last.wrapping_add(1) == ack.first
                && last.due == ack.due;
            if both_accepted && adjacent {
                last.last = ack.last;
                return;
            }
        }
        self.pending.insert(at, ack);
    }

    /// Whether there is room for more; if not, no more messages are to be taken until some are due.
    pub(crate) fn has_room(&self) -> bool {
        self.pending.len() + self.held.len() < MAX_PENDING
    }

    /// When the next outcome falls due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.pending.front().map(|ack| ack.due)
    }

    /// Writes what is due by `now`.
    pub(crate) fn write_due(&mut self, now: Instant, out: &mut BytesMut) {
        while self.next_due().is_some_and(|due| due <= now) {
            let Some(ack) = self.pending.pop_front() else {
                break;
            };
            Performative::Disposition(Disposition {
                role: Role::Receiver,
                first: ack.first,
                last: Some(ack.last),
                settled: true,
                state: ack.outcome.to_value(),
            })
            .write(out, ack.channel);
        }
    }

    /// Forgets the outcomes of a session that has ended.
    pub(crate) fn forget(&mut self, channel: u16) {
        self.pending.retain(|ack| ack.channel != channel);
        self.held.retain(|(_, ack)| ack.channel != channel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::decode::Decoder;
    use crate::wire::frame::Frame;

    fn written(acks: &mut Acks, now: Instant) -> Vec<(u16, u32, Option<u32>)> {
        let mut out = BytesMut::new();
        acks.write_due(now, &mut out);
        let mut ranges = Vec::new();
        while let Some(frame) = Frame::take(&mut out).unwrap() {
            match Performative::decode(&mut Decoder::new(&frame.body)).unwrap() {
                Performative::Disposition(d) => ranges.push((frame.channel, d.first, d.last)),
                other => panic!("{other:?}"),
            }
        }
        ranges
    }

    #[test]
    fn neighbours_share_a_disposition_and_a_rejection_stands_alone() {
        let (mut acks, now) = (Acks::default(), Instant::now());
        for id in [u32::MAX, 0, 1] {
            acks.push(now, 1, id, Outcome::Accepted);
        }
        acks.push(now, 1, 2, Outcome::Rejected(AmqpError::new("x", "y")));
        acks.push(now, 1, 3, Outcome::Accepted);
        acks.push(now, 2, 4, Outcome::Accepted);
        let expected = [
            (1, u32::MAX, Some(1)),
            (1, 2, Some(2)),
            (1, 3, Some(3)),
            (2, 4, Some(4)),
        ];
        assert_eq!(written(&mut acks, now), expected);
        assert_eq!(acks.next_due(), None);
    }

    #[test]
    fn an_outcome_is_held_back_for_the_delay() {
        let (mut acks, now) = (Acks::new(Duration::from_millis(5)), Instant::now());
        acks.push(now, 1, 0, Outcome::Accepted);
        acks.push(now + Duration::from_millis(1), 1, 1, Outcome::Accepted);
        assert_eq!(acks.next_due(), Some(now + Duration::from_millis(5)));
        assert_eq!(written(&mut acks, now + Duration::from_millis(4)), []);
        assert_eq!(
            written(&mut acks, now + Duration::from_millis(5)),
            [(1, 0, Some(0))]
        );
        acks.forget(1);
        assert_eq!(acks.next_due(), None);
    }

    #[test]
    fn no_more_outcomes_are_held_back_than_there_is_room_for() {
        let (mut acks, now) = (Acks::new(Duration::from_secs(1)), Instant::now());
        for id in 0..10_000 {
            assert!(acks.has_room());
            acks.push(now, 1, id * 2, Outcome::Accepted);
        }
        assert!(!acks.has_room());
        assert_eq!(
            written(&mut acks, now + Duration::from_secs(1)).len(),
            10_000
        );
        assert!(acks.has_room());
    }
}
