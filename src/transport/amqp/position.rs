//! Start positions as the selector that the service filters by.

use fe2o3_amqp::types::messaging::{FilterSet, Source};
use fe2o3_amqp::types::primitives::{Symbol, Value};
use serde_amqp::described::Described;
use serde_amqp::descriptor::Descriptor;

use crate::error::Error;
use crate::transport::StartPosition;

const SELECTOR: &str = "apache.org:selector-filter:string";
const SELECTOR_CODE: u64 = 0x0000_468C_0000_0004;

/// The source that delivers what stands at an address from a position on.
pub(super) fn source(address: &str, position: &StartPosition) -> Result<Source, Error> {
    let selector = Described {
        descriptor: Descriptor::Code(SELECTOR_CODE),
        value: Value::String(selector(position)?),
    };
    let mut filter = FilterSet::new();
    filter.insert(Symbol::from(SELECTOR), Value::Described(Box::new(selector)));
    Ok(Source::builder().address(address).filter(filter).build())
}

fn selector(position: &StartPosition) -> Result<String, Error> {
    let compare = |inclusive: bool| if inclusive { ">=" } else { ">" };
    Ok(match position {
        StartPosition::Earliest => "amqp.annotation.x-opt-offset > '-1'".into(),
        StartPosition::Latest => "amqp.annotation.x-opt-offset > '@latest'".into(),
        StartPosition::Offset { offset, inclusive } => {
            // It stands between quotes, and there is no way to escape one.
            if offset.is_empty() || offset.contains('\'') {
                return Err(Error::invalid_options(
                    "an offset is not empty and holds no quote: give one that an event had",
                ));
            }
            format!(
                "amqp.annotation.x-opt-offset {} '{offset}'",
                compare(*inclusive)
            )
        }
        StartPosition::SequenceNumber { number, inclusive } => {
            let compare = compare(*inclusive);
            format!("amqp.annotation.x-opt-sequence-number {compare} '{number}'")
        }
        StartPosition::EnqueuedAfter(time) => {
            format!(
                "amqp.annotation.x-opt-enqueued-time > '{}'",
                time.as_millis()
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::value::Timestamp;

    #[test]
    fn positions_read_as_the_service_expects_them() {
        let offset = |inclusive| StartPosition::Offset {
            offset: "4:7".into(),
            inclusive,
        };
        let number = |inclusive| StartPosition::SequenceNumber {
            number: 7,
            inclusive,
        };
        for (position, expected) in [
            (
                StartPosition::Earliest,
                "amqp.annotation.x-opt-offset > '-1'",
            ),
            (
                StartPosition::Latest,
                "amqp.annotation.x-opt-offset > '@latest'",
            ),
            (offset(false), "amqp.annotation.x-opt-offset > '4:7'"),
            (offset(true), "amqp.annotation.x-opt-offset >= '4:7'"),
            (number(false), "amqp.annotation.x-opt-sequence-number > '7'"),
            (number(true), "amqp.annotation.x-opt-sequence-number >= '7'"),
            (
                StartPosition::EnqueuedAfter(Timestamp::from_millis(1_700_000_000_123)),
                "amqp.annotation.x-opt-enqueued-time > '1700000000123'",
            ),
        ] {
            assert_eq!(selector(&position).unwrap(), expected);
        }
    }

    #[test]
    fn an_offset_cannot_change_the_selector() {
        for offset in ["", "1' OR '1"] {
            let offset = offset.into();
            let refused = selector(&StartPosition::Offset {
                offset,
                inclusive: false,
            });
            assert_eq!(refused.unwrap_err().kind(), &ErrorKind::InvalidOptions);
        }
    }
}
