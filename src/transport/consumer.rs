//! The consuming port.

use std::fmt;
use std::num::NonZeroU32;

use async_trait::async_trait;

use super::position::StartPosition;
use super::producer::TransportManagement;
use crate::error::Error;
use crate::event::ReceivedEvent;
use crate::partition::PartitionId;

/// What a receiver is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverOptions {
    /// The consumer group, such as `$Default`.
    pub consumer_group: String,
    /// The partition to read.
    pub partition: PartitionId,
    /// Where to start.
    pub position: StartPosition,
    /// The owner level (epoch): at most one receiver with one reads a partition
    /// in a consumer group. `None` reads beside up to four others.
    pub owner_level: Option<i64>,
    /// The name that other receivers and the service's errors call it by; at
    /// most 64 characters.
    pub name: Option<String>,
}

impl ReceiverOptions {
    /// Reads a partition in `$Default` from its earliest event, without an
    /// owner level.
    #[must_use]
    pub fn new(partition: PartitionId) -> Self {
        Self {
            consumer_group: "$Default".into(),
            partition,
            position: StartPosition::Earliest,
            owner_level: None,
            name: None,
        }
    }
}

/// Opens receivers on an event hub.
#[async_trait]
pub trait TransportConsumer: TransportManagement {
    /// Opens a receiver, once. No event flows before the first
    /// [`receive`](TransportReceiver::receive).
    ///
    /// # Errors
    /// [`ErrorKind::OwnershipRefused`](crate::ErrorKind::OwnershipRefused) if
    /// another receiver stands in the way,
    /// [`ErrorKind::QuotaExceeded`](crate::ErrorKind::QuotaExceeded) beyond five
    /// receivers without an owner level,
    /// [`ErrorKind::InvalidPosition`](crate::ErrorKind::InvalidPosition) if the
    /// position does not exist, or whatever keeps the service from answering.
    ///
    /// # Cancel safety
    /// Dropping the future closes a receiver that was just being opened.
    async fn open_receiver(
        &self,
        options: ReceiverOptions,
    ) -> Result<Box<dyn TransportReceiver>, Error>;

    /// Closes the consumer and its receivers. Idempotent.
    ///
    /// # Errors
    /// The service's word, where it refused the close; it is closed all the same.
    ///
    /// # Cancel safety
    /// Dropping the future closes without waiting for the service.
    async fn close(&self) -> Result<(), Error>;
}

/// Reads one partition. Dropping it closes it.
#[async_trait]
pub trait TransportReceiver: fmt::Debug + Send + 'static {
    /// Waits for events and returns those that have come: at least one, at most
    /// `credit`, in order.
    ///
    /// `credit` is the demand: the most events that may be under way or held
    /// here from now until the next call. Without a call nothing more is asked
    /// for, so a stopped reader stops the wire.
    ///
    /// # Errors
    /// [`ErrorKind::OwnershipLost`](crate::ErrorKind::OwnershipLost) if another
    /// receiver displaced this one, or whatever broke it. After an error the
    /// receiver is dead and returns the same again.
    ///
    /// # Cancel safety
    /// Dropping the future loses no event: the next call returns it.
    async fn receive(&mut self, credit: NonZeroU32) -> Result<Vec<ReceivedEvent>, Error>;

    /// Waits until the receiver has come to an end, and returns what
    /// [`receive`](Self::receive) tells from then on. It asks for no event: for a
    /// reader that has no room for one and must learn at once when another took
    /// its place.
    ///
    /// Events that had come and were not received are dropped with the end; they
    /// are still in the hub.
    ///
    /// # Cancel safety
    /// Dropping the future loses no event.
    async fn ended(&mut self) -> Error;

    /// Closes the receiver and waits until the service has let go of it.
    ///
    /// # Errors
    /// What broke the receiver before; it is closed all the same.
    ///
    /// # Cancel safety
    /// Dropping the future closes without waiting for the service.
    async fn close(self: Box<Self>) -> Result<(), Error>;
}
