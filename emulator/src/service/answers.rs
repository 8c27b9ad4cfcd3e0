//! The answers of nodes on their way to the client, all of a connection's within one bound.

use super::sender::Node;
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many bytes of answers a connection may have waiting, over all links: 1 MiB.
const ROOM: usize = 1024 * 1024;
/// More than any answer takes: what it echoes and says is bounded, and so is the list of a hub's partitions.
const MAX_ANSWER: usize = 32 * 1024;
/// What an answer costs beside its bytes.
const OVERHEAD: usize = 128;
/// The longest address of a client's own that is kept: what it names in requests is no longer.
const MAX_TARGET: usize = super::message::MAX_ECHO;

/// What is left for the answers that a connection's client has not taken.
#[derive(Debug)]
pub(crate) struct AnswerRoom(Arc<Semaphore>);

/// An answer that waits; its room is free again once it is dropped.
#[derive(Debug)]
pub(crate) struct Queued {
    answer: Bytes,
    room: OwnedSemaphorePermit,
}

impl AnswerRoom {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(ROOM)))
    }

    /// Whether another answer may be asked for.
    pub(crate) fn is_left(&self) -> bool {
        self.0.available_permits() >= MAX_ANSWER
    }

    /// Takes what an answer needs; `None` if it is not there.
    pub(crate) fn take(&self, answer: Bytes) -> Option<Queued> {
        let needed = u32::try_from(answer.len() + OVERHEAD).ok()?;
        let room = Arc::clone(&self.0).try_acquire_many_owned(needed).ok()?;
        Some(Queued { answer, room })
    }
}

/// What feeds a link that leads from a node to the client.
pub(crate) struct Answers {
    pub(crate) node: Node,
    /// The address under which the client expects answers.
    pub(crate) target: Option<String>,
    queue: VecDeque<Queued>,
    /// The room of the answer written last, of which frames may be left.
    under_way: Option<OwnedSemaphorePermit>,
}

impl Answers {
    pub(super) fn new(node: Node, target: Option<&str>) -> Self {
        Self {
            node,
            target: target
                .filter(|target| target.len() <= MAX_TARGET)
                .map(str::to_owned),
            queue: VecDeque::new(),
            under_way: None,
        }
    }

    pub(crate) fn push(&mut self, answer: Queued) {
        self.queue.push_back(answer);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Writes the next answer; `false` if there is none.
    pub(super) fn write_next(&mut self, out: &mut BytesMut) -> bool {
        let next = self.queue.pop_front();
        let written = next.is_some();
        self.under_way = next.map(|Queued { answer, room }| {
            out.put_slice(&answer);
            room
        });
        written
    }

    /// All frames of the answers written so far have left.
    pub(crate) fn left(&mut self) {
        self.under_way = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: Bytes = Bytes::from_static(&[7; 1000]);

    #[test]
    fn answers_take_room_until_their_last_frame_has_left() {
        let room = AnswerRoom::new();
        let mut answers = Answers::new(Node::Cbs, None);
        while room.is_left() {
            answers.push(room.take(ANSWER).unwrap());
        }
        let (full, each) = (answers.queue.len(), ANSWER.len() + OVERHEAD);
        assert_eq!(full, (ROOM - MAX_ANSWER) / each + 1);
        let before = room.0.available_permits();
        let mut out = BytesMut::new();
        assert!(answers.write_next(&mut out));
        assert_eq!(
            (&out[..], room.0.available_permits()),
            (&ANSWER[..], before)
        );
        answers.left();
        assert_eq!(room.0.available_permits(), before + each);
        drop(answers);
        assert_eq!(
            room.0.available_permits(),
            ROOM,
            "those of a link that goes"
        );
    }

    #[test]
    fn what_does_not_fit_is_not_taken() {
        let room = AnswerRoom::new();
        assert!(room.take(Bytes::from(vec![0; ROOM])).is_none());
        assert_eq!(room.0.available_permits(), ROOM);
    }
}
