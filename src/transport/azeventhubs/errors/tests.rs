use std::fmt;
use std::time::Duration;

use super::*;

/// An error that shows itself as those of azeventhubs do.
struct Shown(&'static str);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shown")
    }
}

impl StdError for Shown {}

const BUSY: &str = r#"Error { context: Custom(Custom { kind: Other, error: Rejected(Rejected { error: Some(Error { condition: Custom(Symbol("com.microsoft:server-busy")), description: Some("The request was \"terminated\". Please wait 7 seconds and try again."), info: None }) }) }) }"#;
const STOLEN_BY: &str = r#"Error { context: Custom(Custom { kind: Io, error: LinkStateError(RemoteClosedWithError(Error { condition: LinkError(Stolen), description: Some("New receiver 'new' with higher epoch of '7' is created hence current receiver 'old' with epoch '3' is getting disconnected."), info: None })) }) }"#;

#[test]
fn a_throttled_batch_tells_the_wait_and_its_fate_is_known() {
    let error = of_a_transfer(Shown(BUSY), "sending");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(!error.is_fate_unknown());
    assert!(error.message().contains("\"terminated\""), "{error}");
    assert_eq!(error.source().unwrap().to_string(), "shown");
}

#[test]
fn a_theft_is_told_from_a_refusal_by_who_had_the_partition() {
    let lost = of_a_receiver(Shown(STOLEN_BY), "receiving", Some(3), true);
    let ErrorKind::OwnershipLost(OwnershipLostReason::Stolen(contest)) = lost.kind() else {
        panic!("{lost:?}");
    };
    assert_eq!(contest.holder.as_deref(), Some("new"));
    assert_eq!(
        (contest.holder_level, contest.own_level),
        (Some(7), Some(3))
    );
    let refused = of_a_receiver(Shown(STOLEN_BY), "opening", None, false);
    assert!(matches!(refused.kind(), ErrorKind::OwnershipRefused(_)));
}

#[test]
fn conditions_read_as_the_service_writes_them() {
    for (variant, condition) in [
        ("AmqpError(NotFound)", "amqp:not-found"),
        (
            "AmqpError(ResourceLimitExceeded)",
            "amqp:resource-limit-exceeded",
        ),
        (
            "ConnectionError(ConnectionForced)",
            "amqp:connection:forced",
        ),
        (
            "ConnectionError(FramingError)",
            "amqp:connection:framing-error",
        ),
        (
            "SessionError(WindowViolation)",
            "amqp:session:window-violation",
        ),
        ("LinkError(Stolen)", "amqp:link:stolen"),
        (
            "LinkError(MessageSizeExceeded)",
            "amqp:link:message-size-exceeded",
        ),
        (
            r#"Custom(Symbol("com.microsoft:timeout"))"#,
            "com.microsoft:timeout",
        ),
    ] {
        assert_eq!(super::condition(variant).as_deref(), Some(condition));
    }
}

#[test]
fn errors_without_the_services_word_have_their_kinds() {
    for (shown, kind, unknown) in [
        (
            "Other, error: Released(Released)",
            ErrorKind::NotAcknowledged,
            true,
        ),
        (
            "Other, error: Modified(Modified { .. })",
            ErrorKind::NotAcknowledged,
            true,
        ),
        ("kind: Io, error: Elapsed(())", ErrorKind::Timeout, true),
        (
            "kind: Io, error: IllegalState",
            ErrorKind::Disconnected,
            true,
        ),
        ("certificate verify failed", ErrorKind::Untrusted, false),
        (
            "kind: Credential, error: ..",
            ErrorKind::Unauthorized,
            false,
        ),
        (
            "StatusError { code: StatusCode(401), description: Some(\"no\") }",
            ErrorKind::Unauthorized,
            false,
        ),
        (
            "StatusError { code: StatusCode(404), description: None }",
            ErrorKind::NotFound,
            false,
        ),
    ] {
        let error = of_a_transfer(Shown(shown), "sending");
        assert_eq!(error.kind(), &kind, "{shown}");
        assert_eq!(error.is_fate_unknown(), unknown, "{shown}");
    }
}
