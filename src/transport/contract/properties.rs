//! What is told of the hub and its partitions.

use super::harness::{Harness, PARTITIONS};
use super::kit::*;
use crate::contract::Verdict;
use crate::error::ErrorKind;
use crate::partition::PartitionId;
use crate::transport::TransportManagement;

/// The hub tells its name and its partitions in order, to both ports alike.
pub async fn of_the_hub(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    let properties = producer.hub_properties().await.expect("properties");
    assert!(!properties.name.is_empty(), "the hub has a name");
    let partitions: Vec<_> = (0..PARTITIONS).map(PartitionId::new).collect();
    assert_eq!(properties.partitions, partitions);
    assert_eq!(
        consumer.hub_properties().await.expect("properties"),
        properties
    );
    Verdict::Held
}

/// A partition tells whether it is empty, and its ends.
pub async fn of_partitions(hub: &dyn Harness) -> Verdict {
    let (producer, consumer) = (hub.producer().await, hub.consumer().await);
    send(&producer, SECOND, &["a", "b"]).await;
    let last = hub.stored().await.pop().expect("two events");
    let ports: [&dyn TransportManagement; 2] = [&producer, &consumer];
    for port in ports {
        let empty = port.partition_properties(FIRST).await.expect("properties");
        assert_eq!(empty.partition, FIRST);
        assert!(empty.is_empty);
        assert_eq!(empty.last_enqueued_sequence_number, -1);

        let full = port.partition_properties(SECOND).await.expect("properties");
        assert_eq!(full.partition, SECOND);
        assert!(!full.is_empty);
        assert_eq!(full.beginning_sequence_number, 0);
        assert_eq!(full.last_enqueued_sequence_number, last.sequence_number());
        assert_eq!(full.last_enqueued_offset, last.offset());
        assert_eq!(full.last_enqueued_time, last.enqueued_time());
    }
    Verdict::Held
}

/// A partition that does not exist is told to be invalid.
pub async fn of_unknown_partitions(hub: &dyn Harness) -> Verdict {
    let consumer = hub.consumer().await;
    let told = consumer.partition_properties(UNKNOWN).await;
    let error = told.expect_err("there is no such partition");
    assert_kind!(error, ErrorKind::InvalidPartition);
    Verdict::Held
}
