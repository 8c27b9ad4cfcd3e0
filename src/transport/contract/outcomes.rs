//! What a send tells of what the service made of it: only `Ok` is success.

use std::time::Duration;

use super::harness::{Harness, Outcome};
use super::kit::*;
use crate::contract::Verdict;
use crate::error::{Error, ErrorKind};

/// Sends one batch before, one that meets an outcome, and one after it.
///
/// Returns the error, and how often the batch was stored.
async fn meet(hub: &dyn Harness, outcome: Outcome) -> Option<(Error, usize)> {
    let producer = hub.producer().await;
    send(&producer, FIRST, &["before"]).await;
    let guard = hub.provoke(outcome)?;
    let error = refused(&producer, batch(FIRST, ["struck"])).await;
    drop(guard);
    // The producer is not dead, whatever happened to its connection.
    send(&producer, FIRST, &["after"]).await;
    let stored = hub.stored().await;
    let mut stored = bodies(&stored);
    assert_eq!((stored.remove(0), stored.pop()), ("before", Some("after")));
    assert!(
        stored.iter().all(|body| *body == "struck"),
        "stored: {stored:?}"
    );
    Some((error, stored.len()))
}

/// `Ok` means stored, at once.
pub async fn accepted(hub: &dyn Harness) -> Verdict {
    let producer = hub.producer().await;
    for count in 1..=10 {
        send(&producer, FIRST, &["a"]).await;
        assert_eq!(hub.stored().await.len(), count, "Ok before it is stored");
    }
    Verdict::Held
}

/// A throttled batch tells the wait, and is not stored for certain.
pub async fn throttled(hub: &dyn Harness) -> Verdict {
    let retry_after = Duration::from_secs(7);
    let Some((error, stored)) = meet(hub, Outcome::Throttled { retry_after }).await else {
        return Verdict::Skipped;
    };
    assert_eq!(error.kind(), &ErrorKind::Throttled { retry_after });
    assert!(error.is_retryable(), "a wait helps: {error:?}");
    assert!(!error.is_fate_unknown(), "it was refused: {error:?}");
    assert_eq!(stored, 0, "a transport makes one attempt per call");
    Verdict::Held
}

/// A batch that is rejected for good is not stored for certain, and no attempt
/// will help.
pub async fn rejected(hub: &dyn Harness) -> Verdict {
    let Some((error, stored)) = meet(hub, Outcome::Rejected).await else {
        return Verdict::Skipped;
    };
    assert_kind!(error, ErrorKind::Rejected { .. });
    assert!(!error.is_retryable(), "for good: {error:?}");
    assert!(!error.is_fate_unknown(), "it was refused: {error:?}");
    assert_eq!(stored, 0, "a transport makes one attempt per call");
    Verdict::Held
}

/// A batch that is released is not acknowledged.
pub async fn released(hub: &dyn Harness) -> Verdict {
    given_back(hub, Outcome::Released).await
}

/// A batch that is modified is not acknowledged.
pub async fn modified(hub: &dyn Harness) -> Verdict {
    given_back(hub, Outcome::Modified).await
}

async fn given_back(hub: &dyn Harness, outcome: Outcome) -> Verdict {
    let Some((error, stored)) = meet(hub, outcome).await else {
        return Verdict::Skipped;
    };
    assert_kind!(error, ErrorKind::NotAcknowledged);
    assert!(error.is_retryable(), "nothing was wrong with it: {error:?}");
    assert!(error.is_fate_unknown(), "nobody refused it: {error:?}");
    assert_eq!(stored, 0, "a transport makes one attempt per call");
    Verdict::Held
}

/// A connection that breaks before a batch is stored fails the send, which may be
/// made again.
pub async fn lost_before_storing(hub: &dyn Harness) -> Verdict {
    let Some((error, stored)) = meet(hub, Outcome::LostBeforeStoring).await else {
        return Verdict::Skipped;
    };
    assert_kind!(error, ErrorKind::Disconnected | ErrorKind::Timeout);
    assert_eq!(stored, 0, "a transport makes one attempt per call");
    Verdict::Held
}

/// A connection that breaks after a batch is stored fails the send, whose fate is
/// unknown.
pub async fn lost_after_storing(hub: &dyn Harness) -> Verdict {
    let Some((error, stored)) = meet(hub, Outcome::LostAfterStoring).await else {
        return Verdict::Skipped;
    };
    assert_kind!(error, ErrorKind::Disconnected | ErrorKind::Timeout);
    assert!(error.is_fate_unknown(), "it was stored: {error:?}");
    assert_eq!(stored, 1, "a transport makes one attempt per call");
    Verdict::Held
}
