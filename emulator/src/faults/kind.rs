//! What a fault does.

use super::line::LineFault;
use crate::wire::error::AmqpError;
use std::time::Duration;

/// When a link, session or connection is taken from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// At once, from those that have it when the fault is injected; also where nothing is said or heard.
    Now,
    /// When a link is attached: it is granted first.
    OnAttach,
    /// When a sender's message is there in full, before it is stored; when a receiver is about to be sent an event.
    OnTransfer,
    /// When a sender's message is stored, before its outcome is told.
    AfterStoring,
}

/// What a fault does; each hook of the wire asks for its own kind.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Outcome(OutcomeFault),
    Break(When, Break),
    Attach(AttachFault),
    /// In bytes.
    MaxMessageSize(u64),
    WithholdCredit,
    StallDelivery,
    Answer(AnswerFault),
    Line(LineFault),
}

/// What becomes of a message that was sent.
#[derive(Debug, Clone)]
pub(crate) enum OutcomeFault {
    /// Stored; told so late.
    Delay(Duration),
    /// Stored; told so once the fault is over.
    Hold,
    /// Stored; never told so.
    Lose,
    /// Not stored.
    Release,
    /// Not stored.
    Modify,
    /// Not stored.
    Reject(Failure),
}

/// What is taken from a client.
#[derive(Debug, Clone)]
pub(crate) enum Break {
    Link(Failure),
    Session(Failure),
    /// `None`: the socket closes without a word.
    Connection(Option<Failure>),
}

/// How an attach is met.
#[derive(Debug, Clone)]
pub(crate) enum AttachFault {
    Refuse(Failure),
    Delay(Duration),
    Ignore,
}

/// How a request to a node is met.
#[derive(Debug, Clone)]
pub(crate) enum AnswerFault {
    Refuse { status: i32, description: String },
    Delay(Duration),
    Ignore,
}

/// The error a client is told.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// Word by word.
    Said(AmqpError),
    /// The service's, which names the place.
    ServerBusy { wait_seconds: u64 },
    /// The service's for a link that was idle too long.
    Idle,
}
