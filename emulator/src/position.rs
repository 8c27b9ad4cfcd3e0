//! Where a receiver starts, and the selector filter that says so.

use crate::texts::{self, ServiceError};

/// The first event that a receiver wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum StartPosition {
    /// The oldest event there is. What a receiver without a filter gets.
    #[default]
    Earliest,
    /// Only events that arrive after the receiver.
    Latest,
    /// Events after, or from, a byte position.
    Offset(Bound),
    /// Events after, or from, a sequence number.
    SequenceNumber(Bound),
    /// Events enqueued after, or from, a Unix time in milliseconds.
    EnqueuedTime(Bound),
}

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) value: i64,
    pub(crate) inclusive: bool,
}

impl Bound {
    /// Whether `value` lies before the first wanted one.
    pub(crate) fn excludes(&self, value: i64) -> bool {
        value < self.value || (value == self.value && !self.inclusive)
    }
}

impl StartPosition {
    /// Reads a selector filter: `field [ws] (">"|">=") [ws] ("'" value "'" | value)`.
    ///
    /// # Errors
    ///
    /// The argument error to refuse the link with, when the filter is not of this grammar.
    pub(crate) fn parse(filter: &str) -> Result<Self, ServiceError> {
        Self::parse_filter(filter).ok_or_else(texts::invalid_filter)
    }

    fn parse_filter(filter: &str) -> Option<Self> {
        let (field, condition) = filter.split_once('>')?;
        let (inclusive, value) = match condition.strip_prefix('=') {
            Some(value) => (true, value.trim()),
            None => (false, condition.trim()),
        };
        let value = match value.strip_prefix('\'') {
            Some(quoted) => quoted.strip_suffix('\'')?,
            None => value,
        };
        let position = match field.trim().strip_prefix("amqp.annotation.x-opt-")? {
            "offset" => Self::Offset,
            "sequence-number" => Self::SequenceNumber,
            "enqueued-time" | "enqueuedtimeutc" => Self::EnqueuedTime,
            _ => return None,
        };
        match value {
            "@latest" => Some(Self::Latest),
            "-1" => Some(Self::Earliest),
            _ => {
                let value = value.parse().ok()?;
                Some(position(Bound { value, inclusive }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::condition::ARGUMENT_ERROR;

    type Field = (&'static str, fn(Bound) -> StartPosition);

    const FIELDS: [Field; 4] = [
        ("amqp.annotation.x-opt-offset", StartPosition::Offset),
        (
            "amqp.annotation.x-opt-sequence-number",
            StartPosition::SequenceNumber,
        ),
        (
            "amqp.annotation.x-opt-enqueued-time",
            StartPosition::EnqueuedTime,
        ),
        (
            "amqp.annotation.x-opt-enqueuedtimeutc",
            StartPosition::EnqueuedTime,
        ),
    ];

    #[test]
    fn every_dialect_of_the_grammar_is_read() {
        for (field, position) in FIELDS {
            for (operator, inclusive) in [(">", false), (">=", true)] {
                for space in ["", " "] {
                    for quote in ["", "'"] {
                        let filter = |value: &str| {
                            format!("{field}{space}{operator}{space}{quote}{value}{quote}")
                        };
                        for value in [0, 42, i64::MAX] {
                            let text = filter(&value.to_string());
                            let expected = position(Bound { value, inclusive });
                            assert_eq!(StartPosition::parse(&text), Ok(expected), "{text}");
                        }
                        let read = |value: &str| StartPosition::parse(&filter(value));
                        assert_eq!(read("-1"), Ok(StartPosition::Earliest));
                        assert_eq!(read("@latest"), Ok(StartPosition::Latest));
                    }
                }
            }
        }
    }

    #[test]
    fn what_the_sdks_send_is_read() {
        for (filter, expected) in [
            (
                "amqp.annotation.x-opt-offset > '@latest'",
                StartPosition::Latest,
            ),
            (
                "amqp.annotation.x-opt-offset > '-1'",
                StartPosition::Earliest,
            ),
            (
                "amqp.annotation.x-opt-sequence-number >= '7'",
                StartPosition::SequenceNumber(Bound {
                    value: 7,
                    inclusive: true,
                }),
            ),
            (
                "amqp.annotation.x-opt-enqueued-time > '1600000000123'",
                StartPosition::EnqueuedTime(Bound {
                    value: 1_600_000_000_123,
                    inclusive: false,
                }),
            ),
        ] {
            assert_eq!(StartPosition::parse(filter), Ok(expected), "{filter}");
        }
    }

    #[test]
    fn anything_else_is_an_argument_error() {
        for filter in [
            "",
            "amqp.annotation.x-opt-offset",
            "amqp.annotation.x-opt-offset = '1'",
            "amqp.annotation.x-opt-offset < '1'",
            "amqp.annotation.x-opt-offset >",
            "amqp.annotation.x-opt-offset > ''",
            "amqp.annotation.x-opt-offset > '1",
            "amqp.annotation.x-opt-offset > 1'",
            "amqp.annotation.x-opt-offset > '1' AND 1",
            "amqp.annotation.x-opt-offset >> 1",
            "amqp.annotation.x-opt-offset > 9223372036854775808",
            "amqp.annotation.x-opt-partition-key > '1'",
            "x-opt-offset > '1'",
        ] {
            let error = StartPosition::parse(filter).unwrap_err();
            assert_eq!(error.condition, ARGUMENT_ERROR, "{filter}");
        }
    }

    #[test]
    fn a_bound_excludes_what_lies_before_it() {
        let from = |inclusive| Bound {
            value: 5,
            inclusive,
        };
        assert!(from(true).excludes(4) && from(false).excludes(4));
        assert!(!from(true).excludes(5) && from(false).excludes(5));
        assert!(!from(true).excludes(6) && !from(false).excludes(6));
    }
}
