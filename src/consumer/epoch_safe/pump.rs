//! What reads one partition: the state table, carried out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::buffer::{Buffer, Chunk};
use super::credit::{Credit, Load};
use super::cursor::Cursor;
use super::generation;
use super::policy::{self, EpochPolicy};
use super::state::{End, Event, Fault, History, State};
use crate::error::{Error, ErrorKind};
use crate::retry::Backoff;
use crate::transport::{ReceiverOptions, StartPosition, TransportConsumer, TransportReceiver};

#[derive(Debug)]
pub(super) struct Pump {
    transport: Arc<dyn TransportConsumer>,
    options: ReceiverOptions,
    policy: EpochPolicy,
    buffer: Arc<Buffer>,
    slot: usize,
    credit: Credit,
    backoff: Backoff,
    generation: Option<u64>,
    receiver: Option<Box<dyn TransportReceiver>>,
    cursor: Arc<Cursor>,
    ended: bool,
}

impl Pump {
    pub(super) fn new(
        transport: Arc<dyn TransportConsumer>,
        options: ReceiverOptions,
        policy: EpochPolicy,
        buffer: Arc<Buffer>,
        slot: usize,
    ) -> Self {
        Self {
            transport,
            options,
            policy,
            buffer,
            slot,
            credit: Credit::default(),
            backoff: Backoff::default(),
            generation: None,
            receiver: None,
            cursor: Arc::new(Cursor::new()),
            ended: false,
        }
    }

    /// Reads the partition until it ends or `closing` does, then closes.
    pub(super) async fn run(mut self, mut closing: watch::Receiver<()>) -> Result<(), Error> {
        tokio::select! {
            biased;
            // Nothing is ever sent: the channel ends when the consumer closes.
            _ = closing.changed() => {}
            error = self.read_until_the_end() => self.end(error),
        }
        match self.receiver.take() {
            Some(receiver) => receiver.close().await,
            None => Ok(()),
        }
    }

    async fn read_until_the_end(&mut self) -> Error {
        let mut state = State::start();
        // What went wrong last.
        let mut failure = Error::closed("receiver");
        loop {
            let outcome = match state {
                State::Opening(history) => self.open(history).await,
                State::Reading(_) => self.receive().await,
                State::BackingOff(history) => {
                    let delay = self.delay(history, &failure);
                    tokio::time::sleep(delay).await;
                    Ok(Event::Waited)
                }
                State::Ended(end) => return self.last_word(end, failure),
            };
            let event = outcome.unwrap_or_else(|error| {
                self.stop_yielding();
                let fault = Fault::of(&error);
                failure = error;
                Event::Failed(fault)
            });
            state = state.next(event);
        }
    }

    async fn open(&mut self, history: History) -> Result<Event, Error> {
        self.fix_the_latest_position().await?;
        let opening = self.transport.open_receiver(self.options.clone());
        self.receiver = Some(opening.await?);
        self.cursor = Arc::new(Cursor::new());
        if !history.owned {
            self.generation = self.options.owner_level.map(|_| generation::claim());
        }
        tracing::info!(
            partition = %self.options.partition,
            group = self.options.consumer_group,
            level = self.options.owner_level,
            generation = self.generation,
            again = history.owned,
            "partition opened"
        );
        Ok(Event::Opened)
    }

    /// Looks up where the end is: a fault before the first event would move it,
    /// and what came in between would be skipped.
    async fn fix_the_latest_position(&mut self) -> Result<(), Error> {
        if self.options.position == StartPosition::Latest {
            let partition = self.options.partition;
            let properties = self.transport.partition_properties(partition).await?;
            self.options.position = after(properties.last_enqueued_sequence_number);
        }
        Ok(())
    }

    async fn receive(&mut self) -> Result<Event, Error> {
        let Some(receiver) = &mut self.receiver else {
            return Err(Error::closed("receiver"));
        };
        let room = tokio::select! {
            biased;
            room = self.buffer.room(self.slot, &self.credit) => room,
            // A reader that has stopped learns of a theft all the same; the future
            // is made only if there is no room.
            error = async { receiver.ended().await } => return Err(error),
        };
        let events = receiver.receive(room).await?;
        let sizes = events.iter().map(|event| event.encoded_size() as u64);
        let (bytes, largest) = sizes.fold((0, 0), |(sum, max), size| (sum + size, size.max(max)));
        self.credit.observe(largest);
        tracing::debug!(
            partition = %self.options.partition,
            events = events.len(),
            credit = room,
            "events received"
        );
        let load = Load {
            events: events.len() as u64,
            bytes,
        };
        self.buffer.push(Chunk {
            slot: self.slot,
            generation: self.generation.unwrap_or(generation::UNOWNED),
            cursor: Arc::clone(&self.cursor),
            events: events.into_iter(),
            load,
        });
        Ok(Event::Received)
    }

    /// Nothing of this receiver is yielded from here on; the next one starts
    /// after the last event that was.
    fn stop_yielding(&mut self) {
        self.receiver = None;
        if let Some(last) = self.cursor.revoke() {
            self.options.position = after(last);
        }
        self.buffer.discard(self.slot);
    }

    fn delay(&self, history: History, failure: &Error) -> Duration {
        let delay = self.backoff.delay(history.failures, failure.retry_after());
        tracing::info!(
            partition = %self.options.partition,
            failures = history.failures,
            ?delay,
            error = %failure,
            "partition interrupted: it is opened again"
        );
        delay
    }

    fn last_word(&self, end: End, error: Error) -> Error {
        let partition = self.options.partition;
        match end {
            End::Refused => self.policy.refused(partition, error),
            End::Lost => self.policy.lost(partition, error),
            End::Failed => policy::failed(partition, error),
        }
    }

    fn end(&mut self, error: Error) {
        tracing::warn!(
            partition = %self.options.partition,
            generation = self.generation,
            %error,
            "partition ended"
        );
        self.ended = true;
        self.buffer.end(self.slot, error);
    }
}

impl Drop for Pump {
    /// A transport that panics takes its partition along: the stream must learn.
    fn drop(&mut self) {
        if !self.ended && std::thread::panicking() {
            let error = Error::new(ErrorKind::Closed, "its transport panicked");
            self.cursor.revoke();
            self.end(policy::failed(self.options.partition, error));
        }
    }
}

/// Exclusive: an inclusive position beyond the end does not exist yet.
fn after(number: i64) -> StartPosition {
    StartPosition::SequenceNumber {
        number,
        inclusive: false,
    }
}
