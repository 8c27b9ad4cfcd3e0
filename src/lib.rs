//! Flow control for Azure Event Hubs.

mod batch;
mod connection_string;
pub mod consumer;
mod encoding;
mod error;
mod event;
#[cfg(feature = "amqp")]
mod hub;
mod partition;
pub mod prelude;
pub mod producer;
mod retry;
mod sync;
pub mod transport;
mod value;

pub use batch::{BatchLimits, EventBatch};
pub use connection_string::ConnectionString;
pub use error::{
    DEFAULT_RETRY_AFTER, EpochConflict, Error, ErrorKind, OwnershipLostReason, SendBatchError,
    SendError,
};
pub use event::{EventData, MessageProperties, Properties, ReceivedEvent};
#[cfg(feature = "amqp")]
pub use hub::EventHub;
pub use partition::{MAX_PARTITION_KEY_CHARS, PartitionId, PartitionKey, Target};
pub use value::{MessageId, Timestamp, Value};
