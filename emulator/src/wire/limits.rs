//! How much a connection may hold: little until its client has shown a key or a valid token.
//!
//! That the service tells strangers apart so is not documented: these limits are ours. They leave room for any client
//! that is about to put its first token, and for refused attaches of one that has none.

use super::error::{AmqpError, condition};
use crate::service::Authorization;

/// How much of what a connection may hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Sessions that are open, or that its client has not ended.
    sessions: usize,
    /// Links that are attached, or that its client has not detached.
    links: usize,
    /// Bytes of deliveries that are not complete, over all links.
    held: usize,
}

/// A client that may do something.
const KNOWN: Limits = Limits {
    sessions: 5000,
    links: 5000,
    held: 64 * 1024 * 1024,
};
/// A client that has proved nothing so far.
const STRANGER: Limits = Limits {
    sessions: 16,
    links: 32,
    held: 1024 * 1024,
};

impl Limits {
    /// What a client with this authorization is allowed.
    pub(super) fn of(authorization: &Authorization) -> &'static Self {
        if authorization.is_stranger() {
            &STRANGER
        } else {
            &KNOWN
        }
    }

    /// Checks that another session may be begun beside those that there are.
    pub(super) fn check_sessions(&self, there_are: usize) -> Result<(), AmqpError> {
        self.check(
            there_are < self.sessions,
            "The connection has too many sessions",
        )
    }

    /// Checks that another link may be attached beside those that there are.
    pub(super) fn check_links(&self, there_are: usize) -> Result<(), AmqpError> {
        self.check(there_are < self.links, "The connection has too many links")
    }

    /// Checks the bytes of deliveries that are not complete.
    pub(super) fn check_held(&self, bytes: usize) -> Result<(), AmqpError> {
        let text = "The connection holds too much of messages that are not complete";
        self.check(bytes <= self.held, text)
    }

    fn check(&self, is_within: bool, text: &str) -> Result<(), AmqpError> {
        if is_within {
            return Ok(());
        }
        let why = if *self == STRANGER {
            " for a client that has put no valid token"
        } else {
            ""
        };
        let text = format!("{text}{why}.");
        Err(AmqpError::new(condition::RESOURCE_LIMIT_EXCEEDED, text))
    }
}
