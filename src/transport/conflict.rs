//! What the service's texts tell of a contest for a partition.
//!
//! Every displacement and refusal among owner levels has the one condition
//! `amqp:link:stolen`; which of the two it is, who holds the partition, and at
//! which level, stands only in the text.

use crate::error::{EpochConflict, ErrorKind, OwnershipLostReason};

/// Reads what a text tells; `own_level` is what the receiver asked for itself.
///
/// A text that is not known tells nothing about the holder.
#[cfg_attr(not(feature = "amqp"), allow(dead_code))]
pub(crate) fn parse(text: &str, own_level: Option<i64>) -> EpochConflict {
    let holder = displaced(text)
        .or_else(|| lower_level(text))
        .or_else(|| without_level(text));
    conflict(holder.unwrap_or_default(), own_level)
}

/// Which contest a text tells of, if it is one of the service's.
pub(crate) fn recognize(text: &str, own_level: Option<i64>) -> Option<ErrorKind> {
    if let Some(thief) = displaced(text) {
        let stolen = OwnershipLostReason::Stolen(conflict(thief, own_level));
        return Some(ErrorKind::OwnershipLost(stolen));
    }
    let holder = lower_level(text).or_else(|| without_level(text))?;
    Some(ErrorKind::OwnershipRefused(conflict(holder, own_level)))
}

fn conflict((holder, level): Holder<'_>, own_level: Option<i64>) -> EpochConflict {
    EpochConflict {
        holder: holder.filter(|name| *name != "nil").map(str::to_owned),
        holder_level: level.and_then(|level| level.parse().ok()),
        own_level,
    }
}

type Holder<'a> = (Option<&'a str>, Option<&'a str>);

/// "New receiver 'N' with higher epoch of 'L' is created hence ..."
fn displaced(text: &str) -> Option<Holder<'_>> {
    let (_, rest) = text.split_once("New receiver '")?;
    let (name, rest) = rest.split_once("' with higher epoch of '")?;
    let (level, _) = rest.split_once('\'')?;
    Some((Some(name), Some(level)))
}

/// "Receiver 'N' with a higher epoch 'L' already exists. ..."
fn lower_level(text: &str) -> Option<Holder<'_>> {
    let (_, rest) = text.split_once("Receiver '")?;
    let (name, rest) = rest.split_once("' with a higher epoch '")?;
    let (level, _) = rest.split_once('\'')?;
    Some((Some(name), Some(level)))
}

/// "At least one receiver for the endpoint is created with epoch of 'L', ..."
fn without_level(text: &str) -> Option<Holder<'_>> {
    let (_, rest) = text.split_once("is created with epoch of '")?;
    let (level, _) = rest.split_once('\'')?;
    Some((None, Some(level)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict(
        holder: Option<&str>,
        holder_level: Option<i64>,
        own: Option<i64>,
    ) -> EpochConflict {
        EpochConflict {
            holder: holder.map(str::to_owned),
            holder_level,
            own_level: own,
        }
    }

    #[test]
    fn a_displaced_receiver_learns_who_took_its_place() {
        let text = "New receiver 'worker-2' with higher epoch of '7' is created hence current receiver 'nil' with epoch '3' is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used. TrackingId:x, SystemTracker:y";
        assert_eq!(
            parse(text, Some(3)),
            conflict(Some("worker-2"), Some(7), Some(3))
        );
    }

    #[test]
    fn nil_is_no_name() {
        let text = "New receiver 'nil' with higher epoch of '0' is created hence current receiver 'nil' with epoch '0' is getting disconnected.";
        assert_eq!(parse(text, None), conflict(None, Some(0), None));
    }

    #[test]
    fn a_lower_level_learns_the_holder_and_its_level() {
        let text = "Receiver 'it's me' with a higher epoch '1' already exists. Receiver 'nil' with epoch 0 cannot be created. Make sure you are creating receiver with increasing epoch value to ensure connectivity, or ensure all old epoch receivers are closed or disconnected.";
        let parsed = parse(text, Some(0));
        assert_eq!(parsed, conflict(Some("it's me"), Some(1), Some(0)));
        assert_eq!(parsed.least_winning_level(), Some(1));
    }

    #[test]
    fn a_receiver_without_a_level_learns_the_holders() {
        let text = "At least one receiver for the endpoint is created with epoch of '0', and so non-epoch receiver is not allowed. Either reconnect with a higher epoch, or make sure all epoch receivers are closed or disconnected.";
        assert_eq!(parse(text, None), conflict(None, Some(0), None));
    }

    #[test]
    fn an_unknown_text_tells_nothing() {
        for text in [
            "",
            "Receiver '",
            "New receiver 'x' with higher epoch of 'y",
            "stolen",
        ] {
            assert_eq!(
                parse(text, Some(5)),
                conflict(None, None, Some(5)),
                "{text}"
            );
        }
        let huge = "At least one receiver is created with epoch of '99999999999999999999'";
        assert_eq!(parse(huge, None), conflict(None, None, None));
    }

    #[test]
    fn a_text_tells_a_theft_from_a_refusal() {
        let stolen = "New receiver 'a' with higher epoch of '7' is created hence current receiver 'nil' with epoch '3' is getting disconnected.";
        let lower = "Receiver 'b' with a higher epoch '1' already exists. Receiver 'nil' with epoch 0 cannot be created.";
        let without = "At least one receiver for the endpoint is created with epoch of '0', and so non-epoch receiver is not allowed.";
        let thief = conflict(Some("a"), Some(7), Some(3));
        assert_eq!(
            recognize(stolen, Some(3)),
            Some(ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(thief)))
        );
        for (text, holder) in [
            (lower, conflict(Some("b"), Some(1), Some(0))),
            (without, conflict(None, Some(0), Some(0))),
        ] {
            let refused = Some(ErrorKind::OwnershipRefused(holder));
            assert_eq!(recognize(text, Some(0)), refused);
        }
        assert_eq!(recognize("the link was detached", Some(0)), None);
    }
}
