//! The registry by itself, on the paused clock.

use super::*;
use std::time::Duration;

fn faults() -> Faults {
    Faults::new(Arc::default(), Handle::current())
}

fn partition(id: u32) -> Place {
    Place {
        hub: Some("eh1".into()),
        partition: Some(id),
        link: LinkKind::Sender,
    }
}

/// The limit that a link attached at a place gets.
fn limit(faults: &Faults, id: u32) -> Option<u64> {
    faults
        .registry
        .strike(&partition(id), |kind| match kind {
            Kind::MaxMessageSize(bytes) => Some(*bytes),
            _ => None,
        })
        .map(|(_, bytes)| bytes)
}

#[tokio::test]
async fn the_first_fault_that_concerns_the_place_strikes_and_no_other() {
    let faults = faults();
    let other = faults.inject(Fault::release());
    let one = faults.inject(Fault::max_message_size(1).partition(1));
    let all = faults.inject(Fault::max_message_size(2));
    assert_eq!(limit(&faults, 1), Some(1));
    assert_eq!(limit(&faults, 0), Some(2));
    assert_eq!((other.struck(), one.struck(), all.struck()), (0, 1, 1));
    one.heal();
    assert_eq!(limit(&faults, 1), Some(2));
}

#[tokio::test]
async fn a_fault_strikes_after_the_chances_it_lets_pass_and_no_more_than_its_times() {
    let faults = faults();
    let guard = faults.inject(Fault::max_message_size(1).after(2).times(2));
    let struck: Vec<_> = (0..6).map(|_| limit(&faults, 0).is_some()).collect();
    assert_eq!(struck, [false, false, true, true, false, false]);
    assert_eq!(guard.struck(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_over_after_its_time_and_its_guard_still_tells_of_it() {
    let faults = faults();
    let guard = faults.inject(Fault::max_message_size(1).lasting(Duration::from_secs(5)));
    let mut changes = faults.registry.subscribe();
    assert_eq!(limit(&faults, 0), Some(1));
    tokio::time::advance(Duration::from_millis(4999)).await;
    assert_eq!(limit(&faults, 0), Some(1));
    changes.changed().await.unwrap();
    assert_eq!(limit(&faults, 0), None);
    assert_eq!(guard.struck(), 2);
}

#[tokio::test]
async fn strikes_can_be_awaited() {
    let faults = faults();
    let guard = faults.inject(Fault::max_message_size(1));
    let striking = faults.clone();
    let strikes = tokio::spawn(async move {
        for _ in 0..3 {
            limit(&striking, 0);
            tokio::task::yield_now().await;
        }
    });
    guard.wait_for(3).await;
    strikes.await.unwrap();
    assert_eq!(guard.struck(), 3);
}

#[tokio::test]
async fn a_dropped_guard_ends_the_fault_and_leaves_nothing_behind() {
    let faults = faults();
    let changes = faults.registry.subscribe();
    drop(faults.inject(Fault::max_message_size(1)));
    assert_eq!(limit(&faults, 0), None);
    assert!(changes.has_changed().unwrap());
}

#[tokio::test]
async fn what_a_fault_holds_back_goes_on_when_it_is_healed_not_when_its_strikes_are_used() {
    let faults = faults();
    let guard = faults.inject(Fault::withhold_credit().times(1));
    let (mut first, mut second) = (None, None);
    let hold = |held: &mut Option<FaultId>| {
        let select = |kind: &Kind| matches!(kind, Kind::WithholdCredit);
        faults.registry.hold(held, &partition(0), select)
    };
    assert!(hold(&mut first) && hold(&mut first));
    assert!(!hold(&mut second), "its one strike is used");
    assert_eq!(guard.struck(), 1);
    guard.heal();
    assert!(!hold(&mut first));
    assert_eq!(first, None);
}

#[tokio::test]
async fn a_fault_at_once_is_seen_once_by_those_that_were_there() {
    let faults = faults();
    let mut seen = faults.registry.last();
    let _other = faults.inject(Fault::detach(When::OnAttach, "a", "b"));
    let guard = faults.inject(Fault::detach_idle().receivers().times(1));
    let found = faults.registry.immediate(&mut seen);
    assert_eq!(found.len(), 1);
    assert!(!found[0].scope.covers(&partition(0)));
    assert!(faults.registry.strike_by(found[0].id));
    assert!(!faults.registry.strike_by(found[0].id));
    assert_eq!(guard.struck(), 1);
    assert!(faults.registry.immediate(&mut seen).is_empty());
}
