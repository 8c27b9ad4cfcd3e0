//! The counters themselves: atomics that are touched once per batch or turn, never per event.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Changes, Metrics};
use crate::texts::condition;

const SERVER_BUSY: &str = "com.microsoft:server-busy";
const TIMEOUT: &str = "com.microsoft:timeout";
const INTERNAL_ERROR: &str = "amqp:internal-error";

/// What one hub has counted, or a namespace on top of its hubs.
#[derive(Debug)]
pub(crate) struct Counters {
    changes: Arc<Changes>,
    incoming_requests: AtomicU64,
    successful_requests: AtomicU64,
    server_errors: AtomicU64,
    user_errors: AtomicU64,
    throttled_requests: AtomicU64,
    quota_exceeded_errors: AtomicU64,
    incoming_messages: AtomicU64,
    outgoing_messages: AtomicU64,
    incoming_bytes: AtomicU64,
    outgoing_bytes: AtomicU64,
    connections_opened: AtomicU64,
    connections_closed: AtomicU64,
}

impl Counters {
    /// Counters that tell `changes` of every change.
    pub(crate) fn new(changes: &Arc<Changes>) -> Self {
        Self {
            changes: Arc::clone(changes),
            incoming_requests: AtomicU64::default(),
            successful_requests: AtomicU64::default(),
            server_errors: AtomicU64::default(),
            user_errors: AtomicU64::default(),
            throttled_requests: AtomicU64::default(),
            quota_exceeded_errors: AtomicU64::default(),
            incoming_messages: AtomicU64::default(),
            outgoing_messages: AtomicU64::default(),
            incoming_bytes: AtomicU64::default(),
            outgoing_bytes: AtomicU64::default(),
            connections_opened: AtomicU64::default(),
            connections_closed: AtomicU64::default(),
        }
    }

    /// A request, refused with `condition` if there is one.
    pub(crate) fn request(&self, condition: Option<&str>) {
        add(&self.incoming_requests, 1);
        match condition {
            None => add(&self.successful_requests, 1),
            Some(condition) => add(self.kind(condition), 1),
        }
        self.changes.notify();
    }

    /// An error that no request has met: a link is taken away, a connection not let in.
    pub(crate) fn error(&self, condition: &str) {
        add(self.kind(condition), 1);
        self.changes.notify();
    }

    /// A message was stored that held `events`. Whoever sent it counts the request.
    pub(crate) fn stored(&self, events: usize, bytes: usize) {
        add(&self.incoming_messages, events as u64);
        add(&self.incoming_bytes, bytes as u64);
    }

    /// Events were written to a receiver.
    pub(crate) fn delivered(&self, events: u64, bytes: u64) {
        add(&self.outgoing_messages, events);
        add(&self.outgoing_bytes, bytes);
        self.changes.notify();
    }

    pub(crate) fn connection_opened(&self) {
        add(&self.connections_opened, 1);
        self.changes.notify();
    }

    pub(crate) fn connection_closed(&self) {
        // Whoever sees this sees that it was opened, too.
        self.connections_closed.fetch_add(1, Ordering::Release);
        self.changes.notify();
    }

    /// Something has changed that no counter shows.
    pub(crate) fn changed(&self) {
        self.changes.notify();
    }

    /// All of them as they are now, holding events of `size` bytes.
    pub(crate) fn snapshot(&self, size: u64) -> Metrics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // Before the opened ones: never more are closed than were opened.
        let connections_closed = self.connections_closed.load(Ordering::Acquire);
        let connections_opened = read(&self.connections_opened);
        Metrics {
            incoming_requests: read(&self.incoming_requests),
            successful_requests: read(&self.successful_requests),
            server_errors: read(&self.server_errors),
            user_errors: read(&self.user_errors),
            throttled_requests: read(&self.throttled_requests),
            quota_exceeded_errors: read(&self.quota_exceeded_errors),
            incoming_messages: read(&self.incoming_messages),
            outgoing_messages: read(&self.outgoing_messages),
            incoming_bytes: read(&self.incoming_bytes),
            outgoing_bytes: read(&self.outgoing_bytes),
            active_connections: connections_opened.saturating_sub(connections_closed),
            connections_opened,
            connections_closed,
            size,
        }
    }

    /// The kind of error that a condition is.
    fn kind(&self, condition: &str) -> &AtomicU64 {
        match condition {
            SERVER_BUSY => &self.throttled_requests,
            condition::RESOURCE_LIMIT_EXCEEDED => &self.quota_exceeded_errors,
            INTERNAL_ERROR | TIMEOUT => &self.server_errors,
            _ => &self.user_errors,
        }
    }
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_succeeds_or_is_one_kind_of_error() {
        let counters = Counters::new(&Arc::default());
        counters.request(None);
        let conditions = [
            (condition::LINK_STOLEN, [1, 0, 0, 0]),
            (condition::MESSAGE_SIZE_EXCEEDED, [2, 0, 0, 0]),
            (condition::UNAUTHORIZED_ACCESS, [3, 0, 0, 0]),
            (condition::RESOURCE_LIMIT_EXCEEDED, [3, 1, 0, 0]),
            ("com.microsoft:server-busy", [3, 1, 1, 0]),
            ("amqp:internal-error", [3, 1, 1, 1]),
            ("com.microsoft:timeout", [3, 1, 1, 2]),
        ];
        for (requests, (condition, expected)) in (2..).zip(conditions) {
            counters.request(Some(condition));
            let metrics = counters.snapshot(0);
            let errors = [
                metrics.user_errors,
                metrics.quota_exceeded_errors,
                metrics.throttled_requests,
                metrics.server_errors,
            ];
            assert_eq!(errors, expected, "{condition}");
            assert_eq!(metrics.incoming_requests, requests);
            assert_eq!(metrics.successful_requests, 1);
        }
    }

    #[test]
    fn an_error_outside_of_requests_is_no_request() {
        let counters = Counters::new(&Arc::default());
        counters.error(condition::LINK_STOLEN);
        let metrics = counters.snapshot(0);
        assert_eq!((metrics.user_errors, metrics.incoming_requests), (1, 0));
    }

    #[test]
    fn a_namespace_does_not_count_the_connections_of_its_hubs_again() {
        let (namespace, hub) = (
            Counters::new(&Arc::default()),
            Counters::new(&Arc::default()),
        );
        namespace.connection_opened();
        hub.connection_opened();
        hub.stored(3, 300);
        let mut all = namespace.snapshot(0);
        all.add_hub(&hub.snapshot(492));
        assert_eq!((all.connections_opened, all.active_connections), (1, 1));
        assert_eq!(
            (all.incoming_messages, all.incoming_bytes, all.size),
            (3, 300, 492)
        );
    }
}
