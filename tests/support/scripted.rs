//! A stream of received events that does as it is told, and notes what is asked of it.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::collections::{BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use eventhubs_flow::consumer::EventStream;
use eventhubs_flow::{
    Error, ErrorKind, EventData, OwnershipLostReason, PartitionId, PartitionKey, ReceivedEvent,
};
use futures::Stream;

/// A partition and a sequence number.
pub(crate) type Place = (u32, i64);

pub(crate) fn place(event: &ReceivedEvent) -> Place {
    (event.partition().number(), event.sequence_number())
}

pub(crate) fn places<'a>(events: impl IntoIterator<Item = &'a ReceivedEvent>) -> Vec<Place> {
    events.into_iter().map(place).collect()
}

/// What was asked of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Refused ones too.
    Ack(Place),
    Stop,
    Close,
}

/// What the stream says, told from outside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    is_finished: bool,
    waker: Option<Waker>,
    yielded: Vec<Place>,
    lost: BTreeSet<u32>,
    fenced: BTreeSet<u32>,
    calls: Vec<Call>,
    close_error: Option<Error>,
    next: [i64; 4],
}

#[derive(Debug)]
enum Item {
    Event(ReceivedEvent),
    Ended(u32, Error),
}

impl Script {
    /// The script, and the stream that follows it.
    pub(crate) fn new() -> (Self, Scripted) {
        let script = Self::default();
        (script.clone(), Scripted(script))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn say(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Yields the next event of a partition, with a key or without.
    pub(crate) fn event(&self, partition: u32, key: Option<&str>) -> Place {
        self.event_with(partition, key, "sesame-body")
    }

    pub(crate) fn event_with(&self, partition: u32, key: Option<&str>, body: &str) -> Place {
        let mut number = 0;
        self.say(|state| {
            let next = &mut state.next[partition as usize];
            number = *next;
            *next += 1;
            let mut event = EventData::new(body.to_owned());
            if let Some(key) = key {
                event = event.with_target(PartitionKey::new(key).expect("short"));
            }
            let partition = PartitionId::new(partition);
            let offset = number.to_string();
            let now = SystemTime::UNIX_EPOCH;
            let event = ReceivedEvent::new(event, partition, number, offset, now);
            state.items.push_back(Item::Event(event));
        });
        (partition, number)
    }

    pub(crate) fn events(&self, partition: u32, events: usize) {
        for _ in 0..events {
            self.event(partition, None);
        }
    }

    /// Loses a partition: acknowledgements are refused at once, and the stream says
    /// so in its turn.
    pub(crate) fn lose(&self, partition: u32) {
        self.fence(partition);
        let lost = ErrorKind::OwnershipLost(OwnershipLostReason::Revoked);
        self.end(partition, lost);
    }

    /// Ends a partition for another reason.
    pub(crate) fn end(&self, partition: u32, kind: ErrorKind) {
        let error = about(partition, kind);
        self.say(|state| state.items.push_back(Item::Ended(partition, error)));
    }

    /// Refuses acknowledgements, without a word by the stream.
    pub(crate) fn fence(&self, partition: u32) {
        self.say(|state| {
            state.fenced.insert(partition);
        });
    }

    /// Ends after what was said so far.
    pub(crate) fn finish(&self) {
        self.say(|state| state.is_finished = true);
    }

    pub(crate) fn fail_close(&self, error: Error) {
        self.say(|state| state.close_error = Some(error));
    }

    /// The events that the stream yielded.
    pub(crate) fn yielded(&self) -> Vec<Place> {
        self.state().yielded.clone()
    }

    /// Whether the stream said that the partition was lost, or refused an
    /// acknowledgement.
    pub(crate) fn has_told_loss(&self, partition: u32) -> bool {
        self.state().lost.contains(&partition)
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// The events that were acknowledged, or would have been.
    pub(crate) fn acks(&self) -> Vec<Place> {
        let calls = self.calls().into_iter();
        let acks = calls.filter_map(|call| match call {
            Call::Ack(place) => Some(place),
            Call::Stop | Call::Close => None,
        });
        acks.collect()
    }
}

fn about(partition: u32, kind: ErrorKind) -> Error {
    Error::new(kind, "planted").with_partition(PartitionId::new(partition))
}

/// The stream.
#[derive(Debug)]
pub(crate) struct Scripted(Script);

impl Stream for Scripted {
    type Item = Result<ReceivedEvent, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.state();
        match state.items.pop_front() {
            Some(Item::Event(event)) => {
                state.yielded.push(place(&event));
                Poll::Ready(Some(Ok(event)))
            }
            Some(Item::Ended(partition, error)) => {
                if matches!(error.kind(), ErrorKind::OwnershipLost(_)) {
                    state.lost.insert(partition);
                }
                Poll::Ready(Some(Err(error)))
            }
            None if state.is_finished => Poll::Ready(None),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl EventStream for Scripted {
    fn ack(&self, event: &ReceivedEvent) -> Result<(), Error> {
        let mut state = self.0.state();
        state.calls.push(Call::Ack(place(event)));
        let partition = event.partition().number();
        if state.fenced.contains(&partition) {
            state.lost.insert(partition);
            return Err(about(partition, ErrorKind::Fenced));
        }
        Ok(())
    }

    fn stop(&self) {
        self.0.say(|state| {
            state.calls.push(Call::Stop);
            state.items.clear();
            state.is_finished = true;
        });
    }

    async fn close(self) -> Result<(), Error> {
        let mut state = self.0.state();
        state.calls.push(Call::Close);
        state.close_error.take().map_or(Ok(()), Err)
    }
}
