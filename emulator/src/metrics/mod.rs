//! What an emulator counts, under the names that Azure Monitor gives it.
//!
//! Microsoft says that a request is any data or management operation, and no more than that. Counted here is one
//! request for each
//!
//! - event or batch that is sent (a batch is one request, whatever it holds);
//! - attach of a link, and grant of credit by a receiver;
//! - put-token, sign-in with a key, and read of properties.
//!
//! A request that succeeds adds to the successful ones, any other to exactly one kind of error, told by the condition
//! it is refused with. What names no hub, or is refused for lack of rights, counts for the namespace only, as in
//! Azure. That attaches and grants are requests, and which conditions are server errors, is ours: not documented.

mod changes;
mod counters;
#[cfg(feature = "health")]
mod prometheus;

pub(crate) use changes::Changes;
pub(crate) use counters::Counters;
#[cfg(feature = "health")]
pub(crate) use prometheus::{CONTENT_TYPE, exposition};

/// The counters of a namespace or a hub since the start, under the names of Azure Monitor, as they were at one moment.
///
/// A request is one event or batch sent, one attach of a link, one grant of credit by a receiver, one token put, one
/// sign-in with a key, one read of properties. Each adds to `incoming_requests`, and to one of `successful_requests`,
/// `server_errors`, `user_errors`, `throttled_requests` and `quota_exceeded_errors`. What names no hub, or is refused
/// for lack of rights, is counted for the namespace only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Requests, whatever became of them.
    pub incoming_requests: u64,
    /// Requests that did what they asked for.
    pub successful_requests: u64,
    /// Requests refused because of an error of the service (`amqp:internal-error`, `com.microsoft:timeout`).
    pub server_errors: u64,
    /// Requests refused because of the client: no rights, no such hub, too large, a lower epoch and so on; and
    /// receivers displaced by another epoch.
    pub user_errors: u64,
    /// Requests refused with `com.microsoft:server-busy`.
    pub throttled_requests: u64,
    /// Requests refused with `amqp:resource-limit-exceeded` (a sixth receiver without an epoch, say), and connections
    /// beyond what a namespace may have.
    pub quota_exceeded_errors: u64,
    /// Events stored.
    pub incoming_messages: u64,
    /// Events delivered to receivers; one that two receivers get counts twice.
    pub outgoing_messages: u64,
    /// Bytes of the messages stored: a batch with its envelope, without AMQP's frames.
    pub incoming_bytes: u64,
    /// Bytes of the messages delivered, with what the hub wrote about them, without AMQP's frames.
    pub outgoing_bytes: u64,
    /// Connections open now; of a hub, those that have a link to it.
    pub active_connections: u64,
    /// Connections opened; of a hub, how often one got its first link to it.
    pub connections_opened: u64,
    /// Connections closed; of a hub, how often one lost its last link to it.
    pub connections_closed: u64,
    /// Bytes of events held now, each with the 12 that the log adds to it.
    pub size: u64,
}

impl Metrics {
    /// Adds what a hub has counted, but for its connections: they are the namespace's already.
    pub(crate) fn add_hub(&mut self, hub: &Self) {
        self.incoming_requests += hub.incoming_requests;
        self.successful_requests += hub.successful_requests;
        self.server_errors += hub.server_errors;
        self.user_errors += hub.user_errors;
        self.throttled_requests += hub.throttled_requests;
        self.quota_exceeded_errors += hub.quota_exceeded_errors;
        self.incoming_messages += hub.incoming_messages;
        self.outgoing_messages += hub.outgoing_messages;
        self.incoming_bytes += hub.incoming_bytes;
        self.outgoing_bytes += hub.outgoing_bytes;
        self.size += hub.size;
    }
}
