use super::*;
use std::num::NonZeroU32;
use std::time::Duration;

const PLACE: fn() -> Scope = || Scope::hub("ns", "eh1").partition(1, 4);

fn hub_of(namespace: &Arc<Throughput>) -> HubThroughput {
    HubThroughput::new(namespace)
}

fn scope() -> Scope {
    Scope::hub("ns", "eh1")
}

fn send(hub: &HubThroughput, bytes: usize, events: usize) -> Result<(), ServiceError> {
    hub.admit_batch(bytes, events, 1, &scope(), PLACE)
}

#[tokio::test(start_paused = true)]
async fn the_51st_call_within_a_second_is_too_many_and_another_hubs_first_is_not() {
    let namespace = Throughput::new(NonZeroU32::new(1), false);
    let (hub, other) = (hub_of(&namespace), hub_of(&namespace));
    for _ in 0..50 {
        hub.admit_call(&scope()).unwrap();
    }
    let refusal = hub.admit_call(&scope()).unwrap_err();
    assert!(refusal.text.contains("Error code : 50008."), "{refusal}");
    assert_eq!(other.admit_call(&scope()), Ok(()));
    tokio::time::advance(Duration::from_millis(20)).await;
    assert_eq!(hub.admit_call(&scope()), Ok(()));
    assert!(hub.admit_call(&scope()).is_err());
}

#[tokio::test(start_paused = true)]
async fn calls_are_events_of_the_namespace_and_a_refused_one_is_not() {
    let namespace = Throughput::new(NonZeroU32::new(1), false);
    let hub = hub_of(&namespace);
    for _ in 0..50 {
        hub.admit_call(&scope()).unwrap();
    }
    assert!(hub.admit_call(&scope()).is_err());
    assert!(send(&hub, 0, 951).is_err());
    assert_eq!(send(&hub, 0, 950), Ok(()));
    let other = hub_of(&namespace);
    let refusal = other.admit_call(&scope()).unwrap_err();
    assert!(refusal.text.contains("Error code : 50002."), "{refusal}");
}

#[tokio::test(start_paused = true)]
async fn a_partition_over_its_limit_is_named_and_takes_nothing_from_the_namespace() {
    let namespace = Throughput::new(NonZeroU32::new(2), true);
    let hub = hub_of(&namespace);
    assert_eq!(send(&hub, 600_000, 1), Ok(()));
    let refusal = send(&hub, 600_000, 1).unwrap_err();
    assert!(refusal.text.contains("EVENTHUB:EH1~16383,"), "{refusal}");
    let elsewhere = |bytes| hub.admit_batch(bytes, 1, 0, &scope(), || scope().partition(0, 4));
    assert_eq!(elsewhere(900_000), Ok(()));
    namespace.set_partition_throttling(false);
    assert!(send(&hub, 500_001, 1).is_err());
    assert_eq!(send(&hub, 500_000, 1), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_full_namespace_takes_nothing_from_a_partitions_limit() {
    let namespace = Throughput::new(NonZeroU32::new(1), true);
    let hub = hub_of(&namespace);
    assert_eq!(send(&hub, 0, 1000), Ok(()));
    let refusal = send(&hub, 900_000, 1).unwrap_err();
    assert!(refusal.text.contains("EVENTHUB:EH1~32766,"), "{refusal}");
    namespace.set_units(None);
    assert_eq!(send(&hub, 1_000_000, 1), Ok(()));
    assert!(send(&hub, 1, 1).is_err());
}

#[tokio::test(start_paused = true)]
async fn without_units_nothing_is_refused() {
    let namespace = Throughput::new(None, false);
    let hub = hub_of(&namespace);
    for _ in 0..100 {
        hub.admit_call(&scope()).unwrap();
        send(&hub, 1_000_000, 1000).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn more_units_hand_out_no_second_burst() {
    let namespace = Throughput::new(NonZeroU32::new(1), false);
    let hub = hub_of(&namespace);
    assert_eq!(send(&hub, 0, 1000), Ok(()));
    namespace.set_units(NonZeroU32::new(10));
    assert!(send(&hub, 0, 1).is_err());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(send(&hub, 0, 10), Ok(()));
    assert!(send(&hub, 0, 1).is_err());
}
