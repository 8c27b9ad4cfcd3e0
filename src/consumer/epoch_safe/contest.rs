//! A contest for a partition, wherever in an error's chain it is told.

use std::error::Error as StdError;

use crate::error::{EpochConflict, Error, ErrorKind, OwnershipLostReason};
use crate::transport::conflict;

/// The error itself, or one of the kind of the contest that its causes tell of:
/// a theft often shows as a broken link or connection first. What only looks like
/// a broken connection would be opened again, and stolen back.
pub(super) fn recognize(error: Error, own_level: Option<i64>) -> Error {
    if is_contest(error.kind()) {
        return error;
    }
    match hidden(&error, own_level) {
        Some(kind) => Error::new(kind, error.message()).with_source(error),
        None => error,
    }
}

/// Who was met, if another receiver was.
pub(super) fn conflict(error: &Error) -> Option<&EpochConflict> {
    match error.kind() {
        ErrorKind::OwnershipRefused(conflict)
        | ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(conflict)) => Some(conflict),
        _ => None,
    }
}

fn is_contest(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::OwnershipRefused(_) | ErrorKind::OwnershipLost(_)
    )
}

fn hidden(error: &Error, own_level: Option<i64>) -> Option<ErrorKind> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        let told = match error.downcast_ref::<Error>() {
            Some(ours) if is_contest(ours.kind()) => Some(ours.kind().clone()),
            Some(ours) => conflict::recognize(ours.message(), own_level),
            None => conflict::recognize(&error.to_string(), own_level),
        };
        if told.is_some() {
            return told;
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOLEN: &str = "New receiver 'a' with higher epoch of '7' is created hence current receiver 'nil' with epoch '3' is getting disconnected.";

    fn disconnected() -> Error {
        Error::new(ErrorKind::Disconnected, "the link broke")
    }

    fn thief() -> ErrorKind {
        ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(EpochConflict {
            holder: Some("a".into()),
            holder_level: Some(7),
            own_level: Some(3),
        }))
    }

    #[test]
    fn a_mere_loss_of_connection_stays_one() {
        let plain = disconnected().with_source(std::io::Error::other("reset by peer"));
        assert_eq!(*recognize(plain, Some(3)).kind(), ErrorKind::Disconnected);
    }

    #[test]
    fn a_theft_under_a_broken_connection_is_found_and_the_chain_is_kept() {
        let inner = Error::new(thief(), STOLEN);
        let hidden = disconnected().with_source(disconnected().with_source(inner));
        let found = recognize(hidden, Some(3));
        assert_eq!(*found.kind(), thief());
        assert_eq!(found.message(), "the link broke");
        let source = found.source().expect("kept");
        let source = source.downcast_ref::<Error>().expect("ours");
        assert_eq!(*source.kind(), ErrorKind::Disconnected);
    }

    #[test]
    fn a_theft_that_only_a_foreign_text_tells_is_found() {
        let foreign = std::io::Error::other(format!("amqp:link:stolen: {STOLEN}"));
        let found = recognize(disconnected().with_source(foreign), Some(3));
        assert_eq!(*found.kind(), thief());
        let refusal = "At least one receiver for the endpoint is created with epoch of '2', and so non-epoch receiver is not allowed.";
        let found = recognize(Error::new(ErrorKind::Protocol, refusal), None);
        let ErrorKind::OwnershipRefused(conflict) = found.kind() else {
            panic!("{found:?}");
        };
        assert_eq!(conflict.holder_level, Some(2));
    }
}
