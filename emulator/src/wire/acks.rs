//! Outcomes on their way to the senders: ranges put together, held back where a delay is asked for.

use super::error::AmqpError;
use super::performative::{Disposition, Performative, Role};
use super::value::Value;
use bytes::BytesMut;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// How many outcomes may be held back.
const MAX_PENDING: usize = 10_000;
const ACCEPTED: u64 = 0x24;
const REJECTED: u64 = 0x25;

/// The outcomes not yet written, in the order in which they fall due.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    delay: Duration,
    pending: VecDeque<Ack>,
}

#[derive(Debug)]
struct Ack {
    due: Instant,
    channel: u16,
    first: u32,
    last: u32,
    rejection: Option<AmqpError>,
}

impl Acks {
    pub(crate) fn new(delay: Duration) -> Self {
        Self {
            delay,
            pending: VecDeque::new(),
        }
    }

    /// Notes the outcome of a delivery. Neighbours that are accepted in the same moment share a disposition.
    pub(crate) fn push(
        &mut self,
        now: Instant,
        channel: u16,
        id: u32,
        rejection: Option<AmqpError>,
    ) {
        let due = now + self.delay;
        if let Some(last) = self.pending.back_mut() {
            let both_accepted = last.rejection.is_none() && rejection.is_none();
            let adjacent =
                last.channel == channel && last.last.wrapping_add(1) == id && last.due == due;
            if both_accepted && adjacent {
                last.last = id;
                return;
            }
        }
        self.pending.push_back(Ack {
            due,
            channel,
            first: id,
            last: id,
            rejection,
        });
    }

    /// Whether there is room for more; if not, no more messages are to be taken until some are due.
    pub(crate) fn has_room(&self) -> bool {
        self.pending.len() < MAX_PENDING
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
                state: match ack.rejection {
                    None => Value::described(ACCEPTED, Value::List(Vec::new())),
                    Some(error) => Value::described(REJECTED, Value::List(vec![error.to_value()])),
                },
            })
            .write(out, ack.channel);
        }
    }

    /// Forgets the outcomes of a session that has ended.
    pub(crate) fn forget(&mut self, channel: u16) {
        self.pending.retain(|ack| ack.channel != channel);
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
            acks.push(now, 1, id, None);
        }
        acks.push(now, 1, 2, Some(AmqpError::new("x", "y")));
        acks.push(now, 1, 3, None);
        acks.push(now, 2, 4, None);
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
        acks.push(now, 1, 0, None);
        acks.push(now + Duration::from_millis(1), 1, 1, None);
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
            acks.push(now, 1, id * 2, None);
        }
        assert!(!acks.has_room());
        assert_eq!(
            written(&mut acks, now + Duration::from_secs(1)).len(),
            10_000
        );
        assert!(acks.has_room());
    }
}
