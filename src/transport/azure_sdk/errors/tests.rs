use std::time::Duration;

use azure_core_amqp::error::AmqpErrorCondition;

use super::*;

fn described(condition: AmqpErrorCondition, text: &str) -> AmqpError {
    let described = AmqpDescribedError::new(condition, Some(text.into()), Default::default());
    AmqpErrorKind::AmqpDescribedError(described).into()
}

/// As the SDK hides an error of an attach.
fn wrapped(error: AmqpError) -> EventHubsError {
    let core =
        azure_core::Error::with_error(CoreErrorKind::Other, error, "Could not ensure sender");
    AmqpError::from(core).into()
}

#[test]
fn a_throttled_batch_tells_the_wait_and_its_fate_is_known() {
    let busy = described(
        AmqpErrorCondition::ServerBusyError,
        "Please wait 7 seconds and try again.",
    );
    let error = of_a_transfer(busy.into(), "sending");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(!error.is_fate_unknown());
    let source = error.source().unwrap();
    assert!(source.downcast_ref::<EventHubsError>().is_some());
}

#[test]
fn the_services_word_is_found_at_any_depth() {
    for (condition, text, kind) in [
        (
            AmqpErrorCondition::LinkPayloadSizeExceeded,
            "The received message (delivery-id:0, size:9 bytes) exceeds the limit (8 bytes) currently allowed on the link.",
            ErrorKind::TooLarge { size: 9, limit: 8 },
        ),
        (AmqpErrorCondition::NotFound, "", ErrorKind::NotFound),
        (
            AmqpErrorCondition::UnauthorizedAccess,
            "Unauthorized access.",
            ErrorKind::Unauthorized,
        ),
        (
            AmqpErrorCondition::ArgumentOutOfRangeError,
            "The specified partition is invalid",
            ErrorKind::InvalidPartition,
        ),
        (
            AmqpErrorCondition::LinkDetachForced,
            "idle",
            ErrorKind::Disconnected,
        ),
    ] {
        let error = explain(wrapped(described(condition, text)), "sending");
        assert_eq!(error.kind(), &kind);
    }
}

#[test]
fn statuses_are_read_as_conditions() {
    for (status, text, kind) in [
        (401, "no", ErrorKind::Unauthorized),
        (404, "no", ErrorKind::NotFound),
        (
            400,
            "The specified partition is invalid for an EventHub partition sender or receiver.",
            ErrorKind::InvalidPartition,
        ),
    ] {
        let status = AmqpErrorKind::ManagementStatusCode(status.into(), Some(text.into()));
        let error = explain(wrapped(status.into()), "asking");
        assert_eq!(error.kind(), &kind);
    }
}

#[test]
fn a_theft_is_told_from_a_refusal_by_who_had_the_partition() {
    let text = "New receiver 'new' with higher epoch of '7' is created hence current receiver 'old' with epoch '3' is getting disconnected.";
    let stolen = || {
        let said = AmqpDescribedError::new(
            AmqpErrorCondition::LinkStolen,
            Some(text.into()),
            Default::default(),
        );
        EventHubsError::from(SdkErrorKind::ConsumerDisconnected(Some(said)))
    };
    let lost = of_a_receiver(stolen(), "receiving", Some(3), true);
    let ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(contest)) = lost.kind() else {
        panic!("{lost:?}");
    };
    assert_eq!(
        (contest.holder_level, contest.own_level),
        (Some(7), Some(3))
    );
    let refused = of_a_receiver(stolen(), "opening", None, false);
    assert!(matches!(refused.kind(), ErrorKind::OwnershipRefused(_)));
}

#[test]
fn a_connection_that_broke_under_a_transfer_leaves_the_fate_unknown() {
    let broken = || -> EventHubsError {
        let cause = Box::new(io::Error::from(io::ErrorKind::ConnectionReset));
        AmqpError::from(AmqpErrorKind::LinkStateError(cause)).into()
    };
    assert!(of_a_transfer(broken(), "sending").is_fate_unknown());
    let before = explain(broken(), "attaching");
    assert_eq!(before.kind(), &ErrorKind::Disconnected);
    assert!(!before.is_fate_unknown());
}

#[test]
fn a_receiver_whose_wait_ran_out_is_attached() {
    let core = azure_core::Error::new(CoreErrorKind::Io, io::Error::from(io::ErrorKind::TimedOut));
    assert!(is_time_out(&AmqpError::from(core).into()));
    assert!(!is_time_out(&wrapped(described(
        AmqpErrorCondition::LinkStolen,
        ""
    ))));
}
