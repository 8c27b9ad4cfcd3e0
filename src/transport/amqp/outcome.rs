//! What the outcome of a transfer means.

use fe2o3_amqp::types::messaging::Outcome;

use super::errors::ServiceError;
use crate::error::{Error, ErrorKind};

/// Only one outcome is success.
pub(super) fn read(outcome: Outcome, what: &str) -> Result<(), Error> {
    match outcome {
        Outcome::Accepted(_) => Ok(()),
        Outcome::Rejected(rejected) => {
            let word = match &rejected.error {
                Some(error) => ServiceError::from(error),
                None => ServiceError {
                    condition: "rejected without a condition".into(),
                    text: String::new(),
                },
            };
            Err(word.into_error(what))
        }
        // Released or modified: not stored, as far as one can know.
        _ => {
            let message = format!("{what}: the service gave the batch back unacknowledged");
            Err(Error::new(ErrorKind::NotAcknowledged, message).with_unknown_fate())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fe2o3_amqp::types::definitions::{self, ErrorCondition};
    use fe2o3_amqp::types::messaging::{Accepted, Modified, Rejected, Released};
    use fe2o3_amqp::types::primitives::Symbol;

    use super::*;

    fn rejected(condition: &str, text: &str) -> Error {
        let condition = ErrorCondition::Custom(Symbol::from(condition));
        let error = definitions::Error::new(condition, text.to_owned(), None);
        read(
            Outcome::Rejected(Rejected { error: Some(error) }),
            "sending to eh1",
        )
        .unwrap_err()
    }

    #[test]
    fn only_accepted_is_success() {
        assert!(read(Outcome::Accepted(Accepted {}), "sending").is_ok());
    }

    #[test]
    fn released_and_modified_are_no_acknowledgement_and_leave_the_fate_unknown() {
        let modified = Modified {
            delivery_failed: None,
            undeliverable_here: None,
            message_annotations: None,
        };
        for outcome in [Outcome::Released(Released {}), Outcome::Modified(modified)] {
            let error = read(outcome, "sending").unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::NotAcknowledged);
            assert!(error.is_fate_unknown());
        }
    }

    #[test]
    fn a_throttled_batch_was_definitely_not_stored() {
        let error = rejected(
            "com.microsoft:server-busy",
            "Please wait 7 seconds and try again.",
        );
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        assert!(!error.is_fate_unknown());
    }

    #[test]
    fn a_rejection_without_a_reason_is_a_rejection() {
        let outcome = Outcome::Rejected(Rejected { error: None });
        let error = read(outcome, "sending").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Rejected { .. }));
        assert!(!error.is_retryable());
    }
}
