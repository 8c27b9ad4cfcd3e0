//! What azeventhubs's errors mean.
//!
//! Their types cannot be named from outside, and most hide what the service said
//! in their `Debug`. That is what is read here: the crate does not change any more.

use std::error::Error as StdError;

use crate::error::{Error, ErrorKind, OwnershipLostReason};
use crate::transport::conflict;
use crate::transport::service_error::{STOLEN, ServiceError, condition_of};

/// An error of azeventhubs, whose type has no name here.
pub(super) trait Foreign: StdError + Send + Sync + 'static {}

impl<E: StdError + Send + Sync + 'static> Foreign for E {}

/// Says why `what` was tried in vain.
pub(super) fn explain(error: impl Foreign, what: &str) -> Error {
    let shown = format!("{error:?}");
    let told = match word(&shown) {
        Some(word) => word.into_error(what),
        None => Error::new(kind(&shown), format!("{what}: {error}")),
    };
    told.with_source(error)
}

/// The same of a batch that may have been transferred.
pub(super) fn of_a_transfer(error: impl Foreign, what: &str) -> Error {
    let told = explain(error, what);
    match told.kind() {
        ErrorKind::Disconnected
        | ErrorKind::Timeout
        | ErrorKind::Protocol
        | ErrorKind::NotAcknowledged => told.with_unknown_fate(),
        _ => told,
    }
}

/// The same of a receiver that asked for an owner level; `attached` if it had the
/// partition.
pub(super) fn of_a_receiver(
    error: impl Foreign,
    what: &str,
    own_level: Option<i64>,
    attached: bool,
) -> Error {
    let Some(word) = word(&format!("{error:?}")).filter(|word| word.condition == STOLEN) else {
        return explain(error, what);
    };
    let contest = conflict::parse(&word.text, own_level);
    let kind = match attached {
        true => ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(contest)),
        false => ErrorKind::OwnershipRefused(contest),
    };
    word.into_error_of(kind, what).with_source(error)
}

/// What the service said, if it said something.
fn word(shown: &str) -> Option<ServiceError> {
    if let Some((_, rest)) = shown.split_once("StatusCode(") {
        let (status, rest) = rest.split_once(')')?;
        return Some(ServiceError {
            condition: condition_of(status.parse().ok()?).into(),
            text: description(rest),
        });
    }
    let (_, rest) = shown.split_once("condition: ")?;
    let (variant, rest) = rest.split_once(", ")?;
    Some(ServiceError {
        condition: condition(variant)?,
        text: description(rest),
    })
}

/// The text in `description: Some("..")`.
fn description(shown: &str) -> String {
    let mut text = String::new();
    let Some((_, rest)) = shown.split_once("description: Some(\"") else {
        return text;
    };
    let mut chars = rest.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => break,
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some(escaped) => text.push(escaped),
                None => break,
            },
            char => text.push(char),
        }
    }
    text
}

/// `LinkError(Stolen)` is `amqp:link:stolen`, and so on.
fn condition(variant: &str) -> Option<String> {
    let (group, rest) = variant.split_once('(')?;
    let prefix = match group {
        "Custom" => return Some(rest.split('"').nth(1)?.to_owned()),
        "AmqpError" => "amqp:",
        "ConnectionError" => "amqp:connection:",
        "SessionError" => "amqp:session:",
        "LinkError" => "amqp:link:",
        _ => return None,
    };
    let mut condition = prefix.to_owned();
    let name = rest.trim_end_matches(')');
    let name = match group {
        "ConnectionError" => name.trim_start_matches("Connection"),
        _ => name,
    };
    for (at, char) in name.char_indices() {
        if char.is_ascii_uppercase() && at > 0 {
            condition.push('-');
        }
        condition.push(char.to_ascii_lowercase());
    }
    Some(condition)
}

/// The class of an error without the service's word.
fn kind(shown: &str) -> ErrorKind {
    let says = |part: &str| shown.contains(part);
    match () {
        () if says("Released(") || says("Modified(") => ErrorKind::NotAcknowledged,
        () if says("Rejected(") => ErrorKind::Rejected {
            condition: "rejected without a condition".into(),
        },
        () if says("certificate verify failed") => ErrorKind::Untrusted,
        () if says("Elapsed") || says("TimedOut") => ErrorKind::Timeout,
        () if says("kind: Credential") => ErrorKind::Unauthorized,
        () if says("Decod") || says("DataConversion") => ErrorKind::Protocol,
        () => ErrorKind::Disconnected,
    }
}

#[cfg(test)]
mod tests;
