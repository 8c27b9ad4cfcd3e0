//! What the service's and the connection's errors mean.

use std::error::Error as StdError;

use fe2o3_amqp::connection::{self, ConnectionStopReason, OpenError};
use fe2o3_amqp::link::{
    DetachError, LinkStateError, ReceiverAttachError, RecvError, SendError, SenderAttachError,
    SessionStopReason,
};
use fe2o3_amqp::session::{self, BeginError};
use fe2o3_amqp::types::definitions::{self, ErrorCondition};
use fe2o3_amqp::types::primitives::Value;

pub(super) use crate::transport::service_error::{STOLEN, ServiceError};

use crate::error::{Error, ErrorKind};

impl From<&definitions::Error> for ServiceError {
    fn from(error: &definitions::Error) -> Self {
        Self {
            condition: condition(&error.condition),
            text: error.description.clone().unwrap_or_default(),
        }
    }
}

fn condition(condition: &ErrorCondition) -> String {
    // Through a value: the enum has more variants under features of others.
    match serde_amqp::to_value(condition) {
        Ok(Value::Symbol(symbol)) => symbol.into_inner(),
        _ => format!("{condition:?}"),
    }
}

/// An error of the AMQP stack that may hold the service's word.
pub(super) trait Spoken: StdError {
    /// What the service said, if it said something.
    fn word(&self) -> Option<&definitions::Error>;

    /// Says that `what` failed since a link, session or connection broke.
    fn into_error(self, what: &str) -> Error
    where
        Self: Sized,
    {
        match self.word() {
            Some(word) => ServiceError::from(word).into_error(what),
            None => Error::new(ErrorKind::Disconnected, format!("{what}: {self}")),
        }
    }
}

fn stop_word(reason: &SessionStopReason) -> Option<&definitions::Error> {
    match reason {
        SessionStopReason::RemoteEndedWithError(error) => Some(error),
        SessionStopReason::ConnectionStopped(reason) => connection_word(reason),
        _ => None,
    }
}

fn connection_word(reason: &ConnectionStopReason) -> Option<&definitions::Error> {
    match reason {
        ConnectionStopReason::RemoteClosedWithError(error) => Some(error),
        _ => None,
    }
}

impl Spoken for OpenError {
    fn word(&self) -> Option<&definitions::Error> {
        match self {
            Self::RemoteClosedWithError(error) => Some(error),
            _ => None,
        }
    }
}

impl Spoken for connection::Error {
    fn word(&self) -> Option<&definitions::Error> {
        match self {
            Self::RemoteClosedWithError(error) => Some(error),
            _ => None,
        }
    }
}

impl Spoken for BeginError {
    fn word(&self) -> Option<&definitions::Error> {
        match self {
            Self::RemoteEndedWithError(error) => Some(error),
            Self::ConnectionStopped(reason) => connection_word(reason),
            _ => None,
        }
    }
}

impl Spoken for session::Error {
    fn word(&self) -> Option<&definitions::Error> {
        match self {
            Self::RemoteEndedWithError(error) => Some(error),
            Self::ConnectionStopped(reason) => connection_word(reason),
            _ => None,
        }
    }
}

impl Spoken for LinkStateError {
    fn word(&self) -> Option<&definitions::Error> {
        match self {
            Self::RemoteDetachedWithError(error) | Self::RemoteClosedWithError(error) => {
                Some(error)
            }
            Self::SessionStopped(reason) => stop_word(reason),
            _ => None,
        }
    }
}

impl Spoken for DetachError {
    fn word(&self) -> Option<&definitions::Error> {
        match self {
            Self::RemoteDetachedWithError(error) | Self::RemoteClosedWithError(error) => {
                Some(error)
            }
            Self::SessionStopped(reason) => stop_word(reason),
            _ => None,
        }
    }
}

impl Spoken for SenderAttachError {
    fn word(&self) -> Option<&definitions::Error> {
        match self {
            Self::RemoteClosedWithError(error) => Some(error),
            Self::SessionStopped(reason) => stop_word(reason),
            _ => None,
        }
    }
}

impl Spoken for ReceiverAttachError {
    fn word(&self) -> Option<&definitions::Error> {
        match self {
            Self::RemoteClosedWithError(error) => Some(error),
            Self::SessionStopped(reason) => stop_word(reason),
            _ => None,
        }
    }
}

impl Spoken for SendError {
    fn word(&self) -> Option<&definitions::Error> {
        match self {
            Self::LinkStateError(error) => error.word(),
            Self::Detached(error) => error.word(),
            _ => None,
        }
    }
}

impl Spoken for RecvError {
    fn word(&self) -> Option<&definitions::Error> {
        match self {
            Self::LinkStateError(error) => error.word(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_closed_with_an_error_is_quoted() {
        let word = definitions::Error::new(
            definitions::ConnectionError::ConnectionForced,
            "The connection was inactive.".to_owned(),
            None,
        );
        let stopped = ConnectionStopReason::RemoteClosedWithError(word);
        let error = LinkStateError::SessionStopped(SessionStopReason::ConnectionStopped(stopped));
        let error = error.into_error("sending to eh1");
        assert_eq!(error.kind(), &ErrorKind::Disconnected);
        assert_eq!(
            error.to_string(),
            "sending to eh1: The connection was inactive."
        );
    }
}
