//! Partition keys map to the partitions that Microsoft's SDKs choose.

use eventhubs_flow::PartitionKey;
use serde_json::Value;

#[test]
fn every_vector_maps_to_the_partition_of_the_net_sdk() {
    let vectors: Vec<Value> =
        serde_json::from_str(include_str!("data/partition_key_vectors.json")).expect("vectors");
    assert!(vectors.len() > 12);
    for vector in vectors {
        let key = PartitionKey::new(vector["k"].as_str().expect("key")).expect("short key");
        for (count, partition) in vector["p"].as_object().expect("partitions") {
            let chosen = key.partition(count.parse().expect("count"));
            assert_eq!(
                u64::from(chosen.number()),
                partition.as_u64().expect("partition"),
                "key {key:?} of {count}"
            );
        }
    }
}

#[test]
fn a_key_beyond_128_characters_is_refused() {
    assert!(PartitionKey::new("é".repeat(128)).is_ok());
    assert!(PartitionKey::new("é".repeat(129)).is_err());
}
