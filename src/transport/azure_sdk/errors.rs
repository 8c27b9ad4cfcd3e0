//! What the SDK's errors mean.

use std::error::Error as StdError;
use std::io;

use azure_core::error::ErrorKind as CoreErrorKind;
use azure_core_amqp::AmqpError;
use azure_core_amqp::error::{AmqpDescribedError, AmqpErrorKind};
use azure_messaging_eventhubs::error::ErrorKind as SdkErrorKind;
use azure_messaging_eventhubs::{EventHubsError, RetryOptions};

use crate::error::{Error, ErrorKind, OwnershipLostReason};
use crate::transport::conflict;
use crate::transport::service_error::{STOLEN, ServiceError, condition_of};

/// Links of a chain of causes that are looked at: one that ends in itself ends here.
const DEEPEST: usize = 16;

/// The SDK's retries, off.
pub(super) fn one_attempt() -> RetryOptions {
    RetryOptions {
        max_retries: 0,
        ..RetryOptions::default()
    }
}

/// Says why `what` was tried in vain.
pub(super) fn explain(error: EventHubsError, what: &str) -> Error {
    match word(&error) {
        Some(word) => retold(word.into_error(what), error),
        None => Error::new(kind(&error), format!("{what}: {error}")).with_source(error),
    }
}

/// The same of a batch that may have been transferred.
pub(super) fn of_a_transfer(error: EventHubsError, what: &str) -> Error {
    let told = explain(error, what);
    match told.kind() {
        ErrorKind::Disconnected | ErrorKind::Timeout | ErrorKind::Protocol => {
            told.with_unknown_fate()
        }
        _ => told,
    }
}

/// The same of a receiver that asked for an owner level; `attached` if it had the
/// partition.
pub(super) fn of_a_receiver(
    error: EventHubsError,
    what: &str,
    own_level: Option<i64>,
    attached: bool,
) -> Error {
    let Some(word) = word(&error).filter(|word| word.condition == STOLEN) else {
        return explain(error, what);
    };
    let contest = conflict::parse(&word.text, own_level);
    let kind = match attached {
        true => ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(contest)),
        false => ErrorKind::OwnershipRefused(contest),
    };
    retold(word.into_error_of(kind, what), error)
}

/// The whole chain of the SDK instead of the service's word alone.
fn retold(told: Error, error: EventHubsError) -> Error {
    told.with_source(error)
}

/// What the service said, if it said something.
fn word(error: &EventHubsError) -> Option<ServiceError> {
    match &error.kind {
        SdkErrorKind::SendRejected(Some(said)) | SdkErrorKind::ConsumerDisconnected(Some(said)) => {
            Some(said.into())
        }
        SdkErrorKind::ConsumerDisconnected(None) => Some(ServiceError {
            condition: STOLEN.into(),
            text: String::new(),
        }),
        _ => chain(error).find_map(said),
    }
}

fn said(error: &(dyn StdError + 'static)) -> Option<ServiceError> {
    match error.downcast_ref::<AmqpError>()?.kind() {
        AmqpErrorKind::AmqpDescribedError(said) => Some(said.into()),
        AmqpErrorKind::ManagementStatusCode(status, text) => {
            let text = text.clone().unwrap_or_default();
            // The SDK drops the condition that comes with the status.
            let condition = match text.starts_with("The specified partition is invalid") {
                true => "com.microsoft:argument-out-of-range",
                false => condition_of(u16::from(*status).into()),
            };
            Some(ServiceError {
                condition: condition.into(),
                text,
            })
        }
        _ => None,
    }
}

impl From<&AmqpDescribedError> for ServiceError {
    fn from(error: &AmqpDescribedError) -> Self {
        Self {
            condition: <&str>::from(&error.condition).to_owned(),
            text: error.description.clone().unwrap_or_default(),
        }
    }
}

/// The class of an error without the service's word.
fn kind(error: &EventHubsError) -> ErrorKind {
    match &error.kind {
        SdkErrorKind::SendRejected(None) => {
            return ErrorKind::Rejected {
                condition: "rejected without a condition".into(),
            };
        }
        SdkErrorKind::SendNotAccepted(_) => return ErrorKind::NotAcknowledged,
        SdkErrorKind::InvalidManagementResponse => return ErrorKind::Protocol,
        _ => {}
    }
    chain(error)
        .find_map(class)
        .unwrap_or(ErrorKind::Disconnected)
}

fn class(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return Some(match error.kind() {
            io::ErrorKind::TimedOut => ErrorKind::Timeout,
            _ => ErrorKind::Disconnected,
        });
    }
    if let Some(error) = error.downcast_ref::<azure_core::Error>() {
        return match error.kind() {
            CoreErrorKind::Credential => Some(ErrorKind::Unauthorized),
            CoreErrorKind::DataConversion => Some(ErrorKind::Protocol),
            _ => None,
        };
    }
    match error.downcast_ref::<AmqpError>()?.kind() {
        AmqpErrorKind::SendRejected => Some(ErrorKind::Rejected {
            condition: "rejected without a condition".into(),
        }),
        AmqpErrorKind::FramingError(_) | AmqpErrorKind::TransferLimitExceeded(_) => {
            Some(ErrorKind::Protocol)
        }
        AmqpErrorKind::NonTerminalDeliveryState | AmqpErrorKind::IllegalDeliveryState => {
            Some(ErrorKind::Protocol)
        }
        _ => None,
    }
}

/// Whether a receiver's own wait ran out.
pub(super) fn is_time_out(error: &EventHubsError) -> bool {
    let timed_out = |error: &(dyn StdError + 'static)| {
        let error = error.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    };
    chain(error).any(timed_out)
}

fn chain(error: &EventHubsError) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    let links = std::iter::from_fn(move || {
        let link = next?;
        next = link.source();
        Some(link)
    });
    links.take(DEEPEST)
}

#[cfg(test)]
mod tests;
