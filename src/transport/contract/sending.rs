//! Sending: where events end up, in which order, and how many at once.

use futures::future::join_all;

use super::harness::{Harness, PARTITIONS};
use super::kit::*;
use crate::contract::Verdict;
use crate::error::ErrorKind;
use crate::partition::{PartitionId, PartitionKey, Target};
use crate::transport::TransportProducer;

/// Every event of a batch is stored in its partition, in order.
pub async fn whole_batches(hub: &dyn Harness) -> Verdict {
    let producer = hub.producer().await;
    send(&producer, SECOND, &["a", "b", "c"]).await;
    send(&producer, SECOND, &["d"]).await;
    let stored = hub.stored().await;
    assert_eq!(bodies(&stored), ["a", "b", "c", "d"]);
    for (event, number) in stored.iter().zip(0..) {
        assert_eq!(event.partition(), SECOND);
        assert_eq!(event.partition_key(), None, "no key was given");
        assert_eq!(event.sequence_number(), number);
    }
    Verdict::Held
}

/// A keyed batch carries its key on every event, and goes where the key maps.
pub async fn keys(hub: &dyn Harness) -> Verdict {
    let producer = hub.producer().await;
    let keys = (0..20).map(|number| format!("device {number}"));
    let keys: Vec<_> = keys
        .map(|key| PartitionKey::new(key).expect("short"))
        .collect();
    for _ in 0..2 {
        for key in &keys {
            send(&producer, key.clone(), &["a", "b"]).await;
        }
    }
    let stored = hub.stored().await;
    for key in &keys {
        let of_key = |event: &&_| crate::ReceivedEvent::partition_key(event) == Some(key);
        let events: Vec<_> = stored.iter().filter(of_key).cloned().collect();
        assert_eq!(bodies(&events), ["a", "b", "a", "b"], "of {key}");
        for event in events {
            assert_eq!(event.partition(), key.partition(PARTITIONS), "of {key}");
        }
    }
    Verdict::Held
}

/// A batch without a target is stored whole in one partition.
pub async fn any_partition(hub: &dyn Harness) -> Verdict {
    let producer = hub.producer().await;
    send(&producer, Target::Any, &["a", "b", "c"]).await;
    let stored = hub.stored().await;
    assert_eq!(bodies(&stored), ["a", "b", "c"]);
    let together = stored
        .iter()
        .all(|event| event.partition() == stored[0].partition());
    assert!(together, "a batch was torn apart: {stored:?}");
    Verdict::Held
}

/// An empty batch is sent by doing nothing.
pub async fn empty_batches(hub: &dyn Harness) -> Verdict {
    let producer = hub.producer().await;
    send(&producer, Target::Any, &[]).await;
    assert_eq!(hub.stored().await, []);
    Verdict::Held
}

/// Sends that overlap are stored in the order of their first polls.
pub async fn order(hub: &dyn Harness) -> Verdict {
    let producer = hub.producer().await;
    let names: Vec<_> = (0..100).map(|number: u32| number.to_string()).collect();
    let sends = names
        .iter()
        .map(|name| producer.send_batch(batch(FIRST, [name.clone()])));
    for sent in join_all(sends).await {
        sent.expect("accepted");
    }
    assert_eq!(bodies(&hub.stored().await), names);
    Verdict::Held
}

/// A partition that does not exist is refused, and harms no other.
pub async fn unknown_partitions(hub: &dyn Harness) -> Verdict {
    let producer = hub.producer().await;
    for _ in 0..2 {
        let error = refused(&producer, batch(UNKNOWN, ["nowhere"])).await;
        assert_kind!(error, ErrorKind::InvalidPartition);
        assert!(!error.is_fate_unknown(), "it was refused: {error:?}");
    }
    send(&producer, PartitionId::new(PARTITIONS - 1), &["last"]).await;
    assert_eq!(bodies(&hub.stored().await), ["last"]);
    Verdict::Held
}

/// A batch of exactly the size that the producer tells is accepted.
pub async fn batches_at_the_limit(hub: &dyn Harness) -> Verdict {
    let producer = hub.producer().await;
    for target in targets() {
        let limit = limit_once_used(&producer, &target).await;
        let sent = producer.send_batch(batch_of(&target, limit)).await;
        sent.unwrap_or_else(|error| panic!("{limit} bytes to {target:?}: {error:?}"));
    }
    assert_eq!(hub.stored().await.len(), 2 * targets().len());
    Verdict::Held
}

/// A batch one byte above the size that the producer tells is
/// [`TooLarge`](ErrorKind::TooLarge), and the next one is sent.
pub async fn batches_above_the_limit(hub: &dyn Harness) -> Verdict {
    let producer = hub.producer().await;
    for target in targets() {
        let limit = limit_once_used(&producer, &target).await;
        let error = refused(&producer, batch_of(&target, limit + 1)).await;
        let kind = ErrorKind::TooLarge {
            size: limit as u64 + 1,
            limit: limit as u64,
        };
        assert_eq!(error.kind(), &kind);
        assert!(!error.is_retryable(), "it will never fit: {error:?}");
        assert!(!error.is_fate_unknown(), "it was refused: {error:?}");
        send(&producer, target, &["small"]).await;
    }
    assert_eq!(hub.stored().await.len(), 2 * targets().len());
    // The first that is sent may be too large, too.
    let producer = hub.producer().await;
    let limit = producer.limits(&Target::Any).bytes;
    let error = refused(&producer, batch_of(&Target::Any, 2 * limit)).await;
    assert_kind!(error, ErrorKind::TooLarge { .. });
    send(&producer, Target::Any, &["small"]).await;
    Verdict::Held
}

fn targets() -> [Target; 3] {
    let key = PartitionKey::new("a key").expect("short");
    [Target::Any, key.into(), FIRST.into()]
}

/// The limit as it is told once the target was sent to.
async fn limit_once_used(producer: &dyn TransportProducer, target: &Target) -> usize {
    send(producer, target.clone(), &["first"]).await;
    producer.limits(target).bytes
}
