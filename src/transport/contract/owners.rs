//! Owner levels: who displaces whom, and what each of them learns.

use super::harness::Harness;
use super::kit::*;
use crate::contract::Verdict;
use crate::error::{EpochConflict, Error, ErrorKind, OwnershipLostReason};
use crate::transport::{ReceiverOptions, TransportConsumer};

fn conflict(holder: Option<&str>, level: i64, own: Option<i64>) -> EpochConflict {
    EpochConflict {
        holder: holder.map(str::to_owned),
        holder_level: Some(level),
        own_level: own,
    }
}

fn assert_stolen(error: &Error, conflict: EpochConflict) {
    let lost = OwnershipLostReason::Stolen(conflict);
    assert_eq!(error.kind(), &ErrorKind::OwnershipLost(lost));
    assert!(!error.is_retryable(), "it would steal back: {error:?}");
}

/// An equal level displaces the holder, which learns it while it waits.
pub async fn displaced_by_an_equal_level(hub: &dyn Harness) -> Verdict {
    displaced(hub, 3, 3).await
}

/// A higher level displaces the holder, which learns it while it waits.
pub async fn displaced_by_a_higher_level(hub: &dyn Harness) -> Verdict {
    displaced(hub, 3, 7).await
}

async fn displaced(hub: &dyn Harness, level: i64, new_level: i64) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    let mut old = open(&consumer, owner(Some(level), "old")).await;
    let (lost, mut new) = tokio::join!(
        old.receive(ONE),
        open(&consumer, owner(Some(new_level), "new"))
    );
    let stolen = conflict(Some("new"), new_level, Some(level));
    assert_stolen(&lost.expect_err("it was displaced"), stolen.clone());
    send(&producer, FIRST, &["a"]).await;
    assert_stolen(&ended(&mut *old).await, stolen);
    assert_eq!(bodies(&receive(&mut *new, 1).await), ["a"]);
    Verdict::Held
}

/// A holder that has no room for events learns of the theft at once, too.
pub async fn displaced_without_room(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    send(&producer, FIRST, &["a", "b"]).await;
    let mut old = open(&consumer, owner(Some(0), "old")).await;
    assert_eq!(bodies(&receive(&mut *old, 1).await), ["a"]);
    let (lost, mut new) = tokio::join!(old.ended(), open(&consumer, owner(Some(1), "new")));
    let stolen = conflict(Some("new"), 1, Some(0));
    assert_stolen(&lost, stolen.clone());
    assert_stolen(&ended(&mut *old).await, stolen);
    assert_eq!(bodies(&receive(&mut *new, 2).await), ["a", "b"]);
    Verdict::Held
}

/// A holder that was not waiting learns of the theft when it next reads; its end
/// does not harm the thief.
pub async fn displaced_unawares(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    let mut old = open(&consumer, owner(Some(0), "old")).await;
    let mut new = open(&consumer, owner(Some(0), "new")).await;
    let stolen = conflict(Some("new"), 0, Some(0));
    assert_stolen(&ended(&mut *old).await, stolen);
    // Whether it says again what it died of is its own choice.
    let _ = old.close().await;
    send(&producer, FIRST, &["a"]).await;
    assert_eq!(bodies(&receive(&mut *new, 1).await), ["a"]);
    Verdict::Held
}

/// A lower level is refused, and learns the holder and its level.
pub async fn refused_below_the_holder(hub: &dyn Harness) -> Verdict {
    let named = conflict(Some("holder"), 5, Some(2));
    refused_beside(hub, owner(Some(2), "late"), named).await
}

/// A receiver without a level is refused beside one with a level, and learns
/// that.
pub async fn refused_without_a_level(hub: &dyn Harness) -> Verdict {
    let named = conflict(None, 5, None);
    refused_beside(hub, owner(None, "late"), named).await
}

async fn refused_beside(hub: &dyn Harness, late: ReceiverOptions, named: EpochConflict) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    let mut holder = open(&consumer, owner(Some(5), "holder")).await;
    for _ in 0..10 {
        let error = not_opened(&consumer, late.clone()).await;
        match error.kind() {
            ErrorKind::OwnershipRefused(conflict) => {
                assert_eq!(conflict.holder_level, named.holder_level);
                assert_eq!(conflict.own_level, named.own_level);
                // A service may name the holder where it needs not.
                assert!(
                    named.holder.is_none() || conflict.holder == named.holder,
                    "{conflict:?}"
                );
            }
            _ => panic!("expected OwnershipRefused, got {error:?}"),
        }
        assert!(error.message().contains('5'), "the level is told: {error}");
    }
    send(&producer, FIRST, &["a"]).await;
    assert_eq!(bodies(&receive(&mut *holder, 1).await), ["a"]);
    // Once the holder has let go, nobody stands in the way.
    holder.close().await.expect("closed");
    open(&consumer, late).await;
    Verdict::Held
}

/// A level displaces every receiver without one.
pub async fn displaced_without_a_level(hub: &dyn Harness) -> Verdict {
    let consumer = hub.consumer().await;
    let mut first = open(&consumer, owner(None, "first")).await;
    let mut second = open(&consumer, owner(None, "second")).await;
    let (one, two, _new) = tokio::join!(
        first.receive(ONE),
        second.receive(ONE),
        open(&consumer, owner(Some(0), "new"))
    );
    for lost in [one, two] {
        let error = lost.expect_err("it was displaced");
        assert_stolen(&error, conflict(Some("new"), 0, None));
    }
    Verdict::Held
}

/// Five receivers without a level each get every event; a sixth is refused until
/// one of them is closed.
pub async fn five_without_a_level(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    send(&producer, FIRST, &["a"]).await;
    let mut sharing = Vec::new();
    for _ in 0..5 {
        let mut receiver = open(&consumer, owner(None, "one of five")).await;
        assert_eq!(bodies(&receive(&mut *receiver, 1).await), ["a"]);
        sharing.push(receiver);
    }
    let error = not_opened(&consumer, owner(None, "sixth")).await;
    assert_kind!(error, ErrorKind::QuotaExceeded);
    let one = sharing.pop().expect("five");
    one.close().await.expect("closed");
    open(&consumer, owner(None, "in the freed place")).await;
    Verdict::Held
}

/// Owners of different partitions know nothing of each other.
pub async fn apart_by_partition(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    let mut high = open(&consumer, owner(Some(9), "high")).await;
    let low = ReceiverOptions {
        partition: SECOND,
        ..owner(Some(0), "low")
    };
    let mut low = consumer.open_receiver(low).await.expect("free");
    send(&producer, FIRST, &["a"]).await;
    send(&producer, SECOND, &["b"]).await;
    assert_eq!(bodies(&receive(&mut *high, 1).await), ["a"]);
    assert_eq!(bodies(&receive(&mut *low, 1).await), ["b"]);
    Verdict::Held
}
