//! What the service says when it refuses, and what it means.

use std::time::Duration;

use crate::error::{DEFAULT_RETRY_AFTER, Error, ErrorKind};

/// What the service said, word for word: the source of the errors made of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{condition}: {text}")]
pub(crate) struct ServiceError {
    pub(crate) condition: String,
    pub(crate) text: String,
}

pub(crate) const STOLEN: &str = "amqp:link:stolen";

impl ServiceError {
    /// Takes the service at its word about `what` was tried.
    pub(crate) fn into_error(self, what: &str) -> Error {
        let kind = kind(&self.condition, &self.text);
        self.into_error_of(kind, what)
    }

    /// The same, where the kind is known.
    pub(crate) fn into_error_of(self, kind: ErrorKind, what: &str) -> Error {
        let told = if self.text.is_empty() {
            &self.condition
        } else {
            &self.text
        };
        Error::new(kind, format!("{what}: {told}")).with_source(self)
    }
}

/// The condition that a status of `$cbs` or `$management` stands for.
pub(crate) fn condition_of(status: i32) -> &'static str {
    match status {
        400 => "com.microsoft:argument-error",
        401 => "amqp:unauthorized-access",
        403 => "amqp:resource-limit-exceeded",
        404 => "amqp:not-found",
        408 => "com.microsoft:timeout",
        410 => STOLEN,
        503 => "com.microsoft:server-busy",
        _ => "amqp:internal-error",
    }
}

/// The class of a condition, with what the text adds to it.
fn kind(condition: &str, text: &str) -> ErrorKind {
    match condition {
        "com.microsoft:server-busy" => ErrorKind::Throttled {
            retry_after: retry_after(text),
        },
        "com.microsoft:timeout" => ErrorKind::Timeout,
        "amqp:link:message-size-exceeded" => ErrorKind::TooLarge {
            size: number_after(text, "size:").unwrap_or(0),
            limit: number_after(text, "limit (").unwrap_or(0),
        },
        "amqp:unauthorized-access" | "com.microsoft:auth-failed" => ErrorKind::Unauthorized,
        "amqp:not-found" | "com.microsoft:entity-not-found" => ErrorKind::NotFound,
        "amqp:resource-limit-exceeded" => ErrorKind::QuotaExceeded,
        "com.microsoft:argument-out-of-range" => ErrorKind::InvalidPartition,
        "com.microsoft:argument-error" if text.starts_with("The supplied ") => {
            ErrorKind::InvalidPosition
        }
        "amqp:connection:forced"
        | "amqp:connection:redirect"
        | "amqp:link:detach-forced"
        | "amqp:link:redirect"
        | "amqp:internal-error"
        | "com.microsoft:operation-cancelled" => ErrorKind::Disconnected,
        "amqp:decode-error"
        | "amqp:frame-size-too-small"
        | "amqp:illegal-state"
        | "amqp:connection:framing-error"
        | "amqp:session:window-violation"
        | "amqp:session:errant-link"
        | "amqp:session:handle-in-use"
        | "amqp:session:unattached-handle"
        | "amqp:link:transfer-limit-exceeded" => ErrorKind::Protocol,
        _ => ErrorKind::Rejected {
            condition: condition.to_owned(),
        },
    }
}

/// The wait that a text asks for: it stands nowhere else.
fn retry_after(text: &str) -> Duration {
    let seconds = number_after(text, "Please wait ");
    // A wait beyond an hour is no wait but a fault.
    let sane = seconds.filter(|seconds| *seconds <= 3600);
    sane.map_or(DEFAULT_RETRY_AFTER, Duration::from_secs)
}

fn number_after(text: &str, label: &str) -> Option<u64> {
    let (_, rest) = text.split_once(label)?;
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn told(condition: &str, text: &str) -> Error {
        let error = ServiceError {
            condition: condition.into(),
            text: text.into(),
        };
        error.into_error("sending to eh1")
    }

    #[test]
    fn a_throttled_error_waits_as_the_text_asks() {
        let text = "The request was terminated because the entity is being throttled. Error code : 50001. Please wait 10 seconds and try again. To know more visit https://aka.ms/sbResourceMgrExceptionsS:N:ns:EVENTHUB:h~32766";
        let error = told("com.microsoft:server-busy", text);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(10)));
        assert!(error.is_retryable());
    }

    #[test]
    fn a_throttled_error_without_a_sane_wait_waits_four_seconds() {
        for text in [
            "",
            "Please wait a bit",
            "Please wait 99999999999999999999999 s",
            "Please wait 86400 seconds",
        ] {
            let error = told("com.microsoft:server-busy", text);
            assert_eq!(error.retry_after(), Some(Duration::from_secs(4)), "{text}");
        }
    }

    #[test]
    fn a_size_refusal_tells_size_and_limit() {
        let error = told(
            "amqp:link:message-size-exceeded",
            "The received message (delivery-id:0, size:1048577 bytes) exceeds the limit (1048576 bytes) currently allowed on the link.",
        );
        let kind = ErrorKind::TooLarge {
            size: 1_048_577,
            limit: 1_048_576,
        };
        assert_eq!(error.kind(), &kind);
    }

    #[test]
    fn conditions_have_their_kinds() {
        for (condition, text, kind) in [
            (
                "amqp:unauthorized-access",
                "Unauthorized access.",
                ErrorKind::Unauthorized,
            ),
            (
                "com.microsoft:auth-failed",
                "ExpiredToken",
                ErrorKind::Unauthorized,
            ),
            (
                "amqp:not-found",
                "The messaging entity 'x' could not be found.",
                ErrorKind::NotFound,
            ),
            (
                "com.microsoft:argument-out-of-range",
                "The specified partition is invalid",
                ErrorKind::InvalidPartition,
            ),
            (
                "com.microsoft:argument-error",
                "The supplied offset '9' is invalid. The last offset in the system is '1'",
                ErrorKind::InvalidPosition,
            ),
            (
                "amqp:resource-limit-exceeded",
                "Exceeded the maximum number",
                ErrorKind::QuotaExceeded,
            ),
            ("amqp:connection:forced", "idle", ErrorKind::Disconnected),
            ("amqp:link:detach-forced", "idle", ErrorKind::Disconnected),
            ("com.microsoft:timeout", "", ErrorKind::Timeout),
            ("amqp:decode-error", "", ErrorKind::Protocol),
            (
                "amqp:not-allowed",
                "no",
                ErrorKind::Rejected {
                    condition: "amqp:not-allowed".into(),
                },
            ),
        ] {
            assert_eq!(told(condition, text).kind(), &kind, "{condition}");
        }
    }

    #[test]
    fn the_services_word_is_kept_with_what_was_tried() {
        let error = told("amqp:not-allowed", "Not here.");
        assert_eq!(error.to_string(), "sending to eh1: Not here.");
        assert_eq!(
            error.source().unwrap().to_string(),
            "amqp:not-allowed: Not here."
        );
        assert_eq!(
            told("amqp:not-allowed", "").to_string(),
            "sending to eh1: amqp:not-allowed"
        );
    }
}
